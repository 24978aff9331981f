"""A directory as it is on disk as a Source: what ``plan PATH`` and ``apply PATH`` read, uncommitted edits included."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from trimtab.errors import ConfigError, UserError
from trimtab.model.snapshot import Snapshot
from trimtab.ports import Commit
from trimtab.sources.directory import DirectoryTree


def enclosing_root(path: Path) -> Path:
    """The work tree that ``path`` lies in, or ``path`` itself: manifests may refer to files above them, up to there."""
    start = path.resolve()
    for candidate in (start, *start.parents):
        if (candidate / ".git").exists():
            return candidate
    return start


class WorkingDirectory:
    """Implements ``ports.Source``; it has one revision, which has no name."""

    local = True

    def __init__(self, path: Path) -> None:
        """Raises ConfigError when there is no such directory."""
        if not path.is_dir():
            raise ConfigError(f"{path} is not a directory", hint="give a directory with manifests, or --repo URL")
        self.root = enclosing_root(path)
        below = path.resolve().relative_to(self.root)
        self.path = below.as_posix() if below.parts else ""
        self.url = str(self.root)

    def poll(self) -> str:
        """Always the same: there is no history."""
        return ""

    def snapshot(self, revision: str | None = None) -> Snapshot:
        """The files as they are now."""
        if revision:
            raise UserError(f"{self.url} is a directory without revisions", hint="give --repo to choose a revision")
        return Snapshot(
            repo_url=self.url,
            ref="",
            revision="",
            subject="",
            author="",
            committed_at=None,
            tree=DirectoryTree(self.root),
        )

    def last_followed(self) -> Snapshot | None:
        """The files as they are now."""
        return self.snapshot()

    def keep(self, name: str, revision: str) -> None:
        """Nothing: a directory has no older commits."""

    def accept(self, revision: str) -> None:  # noqa: ARG002 - the port's signature
        """There is no history to rewrite."""
        return

    def log(self, revision: str, limit: int) -> tuple[Commit, ...]:  # noqa: ARG002 - the port's signature
        """Nothing."""
        return ()

    def watch(self, on_change: Callable[[], None]) -> Callable[[], None] | None:  # noqa: ARG002 - the port's signature
        """A directory is read when asked."""
        return None

    def close(self) -> None:
        """Nothing is held."""
