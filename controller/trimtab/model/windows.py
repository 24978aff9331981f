"""Sync windows: stretches of time in which applications may, or may not, be changed; the words are Argo CD's."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from trimtab.model.diagnostics import Origin
from trimtab.model.keys import AppKey
from trimtab.model.schedule import Schedule


class WindowKind(StrEnum):
    """ALLOW: outside of all such windows nothing is changed. DENY: inside of one nothing is, whatever is allowed."""

    ALLOW = "allow"
    DENY = "deny"


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncWindow:
    """One window: it opens at each turn of ``schedule``, for ``duration_s``.

    ``applications`` are globs of names, with or without namespace. ``manual_sync``: a person's sync goes on although
    the window would hold it. ``sync_overrun``: a sync that began while it might goes on when it may not begin any
    more. ``origin`` is where the window is written.
    """

    kind: WindowKind
    schedule: Schedule
    duration_s: float
    applications: tuple[str, ...] = ("*",)
    manual_sync: bool = False
    sync_overrun: bool = True
    description: str = ""
    origin: Origin | None = None

    def matches(self, key: AppKey) -> bool:
        """Whether it is about this application."""
        names = {key.name, str(key), f"{key.namespace}/{key.name}"}
        return any(fnmatchcase(name, glob) for glob in self.applications for name in names)
