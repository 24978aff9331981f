"""The disk that holds the mirror is full: an outage of Git with its reason, and nothing known is lost (I4, I11)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support import small_disk
from tests.support.gitrepo import GitRepo
from tests.support.gitservers import http_git
from trimtab.errors import GitUnavailable
from trimtab.sources.source import GitSource

pytestmark = pytest.mark.slow


def test_I4_I11_a_full_disk_holds_the_last_commit_and_is_recovered_from(tmp_path: Path) -> None:
    """I4, I11: the commit that does not fit is told of; the last one stays readable; with room, it goes on."""
    if (reason := small_disk.why_none()) is not None:
        pytest.skip(reason)
    (tmp_path / "served").mkdir()
    repo = GitRepo.create(tmp_path / "served", {"compose.yaml": "services: {}\n"})
    with (
        http_git(repo.remote.parent) as site,
        small_disk.small_disk(tmp_path / "data", 2048) as disk,
    ):
        source = GitSource(f"{site.url}/repo.git", target="main", data_dir=disk)
        first = source.snapshot()
        large = repo.deploy({"large": os.urandom(3_000_000)})
        with pytest.raises(GitUnavailable, match=r"(?i)no space|full|disk|write"):
            source.snapshot()
        assert source.snapshot(first.revision).tree.read("compose.yaml") == b"services: {}\n"
        small_disk.fill(disk)
        assert source.snapshot(first.revision).tree.read("compose.yaml") == b"services: {}\n"
        (disk / "ballast").unlink()
        small_disk.resize(disk, 32 * 1024)
        assert source.snapshot().revision == large
        source.close()
