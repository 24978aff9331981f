"""A directory that is read as it is: which part of its work tree it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from trimtab.errors import ConfigError
from trimtab.sources.workdir import WorkingDirectory


@pytest.mark.parametrize(
    ("below", "expected"), [("", ""), (".", ""), ("apps", "apps"), (".deploy", ".deploy"), (".deploy/.x", ".deploy/.x")]
)
def test_a_directory_is_known_by_its_path_in_the_work_tree(tmp_path: Path, below: str, expected: str) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / below).mkdir(parents=True, exist_ok=True)
    assert WorkingDirectory(tmp_path / below).path == expected


def test_what_is_no_directory_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        WorkingDirectory(tmp_path / "gone")
    assert "is not a directory" in raised.value.message
    assert "--repo" in raised.value.hint
