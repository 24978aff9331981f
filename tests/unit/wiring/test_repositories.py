"""Which part of a repository is watched."""

from __future__ import annotations

from pathlib import Path

import pytest

from trimtab.config import Config, RepositoryConfig
from trimtab.errors import ConfigError
from trimtab.sources.workdir import WorkingDirectory
from trimtab.wiring.repositories import open_repository


def watched(path: str, root: Path) -> str:
    repository = RepositoryConfig(url="https://git.example.com/shop.git", path=path)
    return open_repository(repository, Config(data_dir=root), WorkingDirectory(root)).path


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("", ""),
        (".", ""),
        ("./", ""),
        ("/", ""),
        ("apps", "apps"),
        ("./apps/", "apps"),
        ("/apps/web/", "apps/web"),
        (".deploy", ".deploy"),
        ("apps/../other", "other"),
    ],
)
def test_a_path_names_a_directory_of_the_repository_however_it_is_written(
    given: str, path: str, tmp_path: Path
) -> None:
    assert watched(given, tmp_path) == path


@pytest.mark.parametrize("given", ["..", "../other", "apps/../../other"])
def test_a_path_that_leads_out_of_the_repository_is_refused(given: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        watched(given, tmp_path)
    assert f"the path {given} leads out of the repository" in raised.value.message
    assert "inside it" in raised.value.hint
