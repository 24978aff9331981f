"""The tests' own Git repositories behave as a user's would."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.gitrepo import GitRepo, git


def test_deploy_and_revert_arrive_at_the_remote(git_repo: GitRepo) -> None:
    first = git_repo.deploy({"site/index.html": "old"})
    second = git_repo.deploy({"site/index.html": "new", "extra.txt": "x"})
    assert git(git_repo.remote, "rev-parse", "main") == second
    assert git(git_repo.remote, "show", "main:site/index.html") == "new"

    third = git_repo.revert()
    assert git(git_repo.remote, "rev-parse", "main") == third
    assert git_repo.tree(commit=third) == git_repo.tree(commit=first)


def test_none_removes_a_file(git_repo: GitRepo) -> None:
    git_repo.commit({"a": "1", "b": b"\0binary"})
    git_repo.commit({"a": None})
    assert git_repo.git("ls-files") == "b"


def test_the_users_settings_are_not_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".gitconfig").write_text("[user]\n\tname = Somebody\n[commit]\n\tgpgSign = true\n")
    repo = GitRepo.create(tmp_path, {"a": "1"})
    assert repo.git("log", "--format=%an <%ae>") == "Ada <ada@example.org>"


def test_a_failing_command_says_what_git_said(git_repo: GitRepo) -> None:
    with pytest.raises(AssertionError, match="pathspec 'nowhere'"):
        git_repo.git("checkout", "nowhere")
