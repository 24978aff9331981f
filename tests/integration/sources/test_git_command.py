"""One Git command: its deadline, its output limit, its end."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from tests.support.gitrepo import GitRepo
from tests.support.waiting import eventually
from trimtab.errors import ConfigError, DeadlineExceeded
from trimtab.sources.command import GitCommand, GitFailed
from trimtab.sources.environment import reading_environment
from trimtab.sources.errors import QuotaExceeded


def command(repo: GitRepo, *, output_bytes: int = 1 << 20, **more: str) -> GitCommand:
    environment = {**reading_environment(repo.remote), **more}
    return GitCommand(environment, output_bytes=output_bytes, secrets=("hush-hush",))


@pytest.fixture
def repo(tmp_path: Path) -> GitRepo:
    return GitRepo.create(tmp_path, {"x": "1"})


def test_a_failure_tells_what_git_said_without_secrets(repo: GitRepo) -> None:
    with pytest.raises(GitFailed) as caught:
        command(repo).run("rev-parse", "--verify", "hush-hush", timeout_s=10)
    assert "hush-hush" not in str(caught.value)
    assert caught.value.completed.returncode == 128


def is_gone(pid: str) -> bool:
    """Ended, if not yet taken note of by its parent: a signal that was sent takes a moment."""
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.slow
def test_a_command_past_its_deadline_is_gone_with_all_it_started(repo: GitRepo, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    marker = tmp_path / "pids"
    program.write_text(f"#!/bin/sh\nsleep 600 & echo $! $$ > {marker}\nwait\n")
    program.chmod(0o755)
    slow = command(repo, PATH=f"{program.parent}:/usr/bin:/bin")
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        slow.run("status", timeout_s=1)
    assert time.monotonic() - started < 15
    for pid in marker.read_text().split():
        eventually(lambda pid=pid: is_gone(pid), what=f"{pid} is gone")  # type: ignore[misc]


@pytest.mark.slow
def test_a_stranger_that_holds_the_pipe_does_not_hold_us(repo: GitRepo, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nsleep 600 &\necho done\n")
    program.chmod(0o755)
    started = time.monotonic()
    assert command(repo, PATH=f"{program.parent}:/usr/bin:/bin").run("status", timeout_s=60).text == "done"
    assert time.monotonic() - started < 30


def test_too_much_output_ends_a_command(repo: GitRepo, tmp_path: Path) -> None:
    repo.deploy({"big": "x" * 100_000})
    with pytest.raises(QuotaExceeded):
        command(repo, output_bytes=1000).run("cat-file", "blob", "main:big", timeout_s=10)


def test_input_reaches_the_command(repo: GitRepo) -> None:
    done = command(repo).run("hash-object", "--stdin", stdin=b"hello\n", timeout_s=10)
    assert done.text == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_a_closed_command_runs_nothing(repo: GitRepo) -> None:
    closed = command(repo)
    closed.close()
    with pytest.raises(DeadlineExceeded):
        closed.run("version", timeout_s=10)


def test_a_machine_without_git_is_told_what_to_install(repo: GitRepo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "git.cmd", None)
    with pytest.raises(ConfigError, match="git"):
        command(repo).run("version", timeout_s=10)
