"""What a command takes from trimtab.yaml and from the environment, and what it says of what it does not take."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.support.gitrepo import GitRepo
from trimtab.cli.main import app as command
from trimtab.config import unknown_variables

FILES = {
    "compose.yaml": "services: {web: {image: '${IMAGE:?}'}}\n",
    "old/compose.yaml": "services: 5\n",
}


@pytest.fixture
def repo(tmp_path: Path) -> GitRepo:
    return GitRepo.create(tmp_path, FILES)


def config(tmp_path: Path, *urls: str) -> str:
    file = tmp_path / "trimtab.yaml"
    entry = "- {url: '%s', name: shop, environment: {IMAGE: 'busybox:1.36'}, excludes: [old]}\n"
    file.write_text("repositories:\n" + "".join(entry % url for url in urls), encoding="utf-8")
    return str(file)


@pytest.mark.parametrize("verb", ["validate", "render"])
@pytest.mark.parametrize("where", ["directory", "repository"])
def test_the_variables_and_excludes_of_the_configured_repository_are_used(
    repo: GitRepo, tmp_path: Path, verb: str, where: str
) -> None:
    target = [str(repo.path)] if where == "directory" else ["--repo", repo.url]
    assert CliRunner().invoke(command, [verb, *target]).exit_code == 1
    done = CliRunner().invoke(command, [verb, *target, "--config", config(tmp_path, repo.url)])
    assert done.exit_code == 0, done.output
    assert ("busybox:1.36" if verb == "render" else "1 application, no errors.") in done.output


def test_an_option_wins_over_the_configured_variable(repo: GitRepo, tmp_path: Path) -> None:
    arguments = ["render", "--repo", repo.url, "--config", config(tmp_path, repo.url), "--env", "IMAGE=other"]
    assert "image: other" in CliRunner().invoke(command, arguments).output


def test_a_directory_is_the_only_configured_repository_or_the_one_with_its_path(repo: GitRepo, tmp_path: Path) -> None:
    for urls, good in (
        (["https://git.example.com/shop.git"], True),
        (["https://git.example.com/shop.git", "https://git.example.com/blog.git"], False),
        (["https://git.example.com/shop.git", str(repo.path)], True),
    ):
        done = CliRunner().invoke(command, ["validate", str(repo.path), "--config", config(tmp_path, *urls)])
        assert (done.exit_code == 0) is good, done.output


def test_another_repository_gets_nothing_of_it(repo: GitRepo, tmp_path: Path) -> None:
    file = config(tmp_path, "https://git.example.com/shop.git")
    assert CliRunner().invoke(command, ["validate", "--repo", repo.url, "--config", file]).exit_code == 1


def test_a_variable_that_is_no_setting_is_told_and_changes_nothing(repo: GitRepo, tmp_path: Path) -> None:
    said = CliRunner().invoke(
        command,
        ["validate", str(repo.path), "--env", "IMAGE=x", "--config", config(tmp_path, repo.url)],
        env={"TRIMTAB_POLL_INTERVALL": "10s", "TRIMTAB_LISTEN": "off"},
    )
    assert said.exit_code == 0
    assert (
        "warning: the variable TRIMTAB_POLL_INTERVALL is no setting of Trimtab: did you mean TRIMTAB_POLL_"
        in said.output
    )
    assert "TRIMTAB_LISTEN " not in said.output


def test_what_resembles_no_setting_is_told_without_a_guess() -> None:
    assert unknown_variables(
        {"TRIMTAB_SERVICE_HOST": "x", "TRIMTAB_EMPTY": "", "HOME": "/", "TRIMTAB_BUILDS": "1"}
    ) == ("the variable TRIMTAB_SERVICE_HOST is no setting of Trimtab: it is not read",)
