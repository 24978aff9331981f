"""What the runtime asks of a Git repository."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from trimtab.model.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One line of a history."""

    revision: str
    subject: str
    author: str
    committed_at: datetime | None


class Source(Protocol):
    """One target (branch, tag, range, commit) of one repository."""

    url: str  # scrubbed of credentials, for display
    local: bool  # watched, not polled

    def poll(self) -> str:
        """The full commit id that the target has now, cheaply. Raises GitUnavailable, UserError."""
        ...

    def snapshot(self, revision: str | None = None) -> Snapshot:
        """One commit, fetched when it is not here; None is the current target. Raises GitUnavailable, UserError."""
        ...

    def last_followed(self) -> Snapshot | None:
        """The commit that was last followed, from what is here, whatever the remote says or does not say now."""
        ...

    def accept(self, revision: str) -> None:
        """Follow the target to ``revision`` although history was rewritten: a person said yes."""
        ...

    def keep(self, name: str, revision: str) -> None:
        """Never lose a commit that is here, whatever becomes of its branch; one for each ``name``, "" for none.

        Never raises: that what may be needed later cannot be held is no reason not to go on now.
        """
        ...

    def log(self, revision: str, limit: int) -> tuple[Commit, ...]:
        """``revision`` and its ancestors, newest first."""
        ...

    def watch(self, on_change: Callable[[], None]) -> Callable[[], None] | None:
        """Call back when a local repository's refs change; returns how to stop, or None for a remote one."""
        ...

    def close(self) -> None:
        """Release processes and files."""
        ...
