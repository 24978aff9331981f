"""What the controller has told of drift, for who looks afterwards: when a field was changed, and by which event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from trimtab.model.keys import AppKey
from trimtab.plan.units import ago

if TYPE_CHECKING:
    from trimtab.model.change import Change
    from trimtab.ports import EventLog

# How far back the event log is read.
READ = 500
CONTENDED_S = 600.0


@dataclass(frozen=True, slots=True)
class Told:
    """How one field came to differ: when and by which event ("" when nobody saw), and whether it is fought over."""

    at: datetime | None = None
    by: str = ""
    contended: bool = False

    def words(self, now: datetime) -> str:
        """Such as: changed 40 s ago by `update`."""
        if self.at is None:
            return ""
        return f"changed {ago(max((now - self.at).total_seconds(), 0.0))} ago by `{self.by}`"


class Witnessed:
    """The events of one application, newest last."""

    def __init__(self, log: EventLog | None, app: AppKey) -> None:
        """``log`` None: nobody has watched."""
        self._now = datetime.now(UTC)
        self._events = log.newest(app=app, limit=READ) if log is not None else ()

    def told(self, change: Change, path: str) -> Told:
        """The newest that the controller told about ``path`` of an object ("" when it is gone)."""
        contended = any(
            stored.event.reason == "DriftContended"
            and stored.event.fields.get("object") == change.name
            and stored.event.fields.get("path") == path
            and (self._now - stored.event.at).total_seconds() < CONTENDED_S
            for stored in self._events
        )
        for stored in reversed(self._events):
            facts = stored.event.fields
            if stored.event.reason != "DriftDetected" or facts.get("object") != change.name:
                continue
            if facts.get("repaired"):
                # What differs now came after that, and nobody has told of it yet.
                break
            if (found := _seen(facts.get("changes"), path)) is not None:
                return Told(found[0], found[1], contended)
        return Told(contended=contended)


def _seen(changes: object, path: str) -> tuple[datetime, str] | None:
    for item in changes if isinstance(changes, list | tuple) else ():
        if isinstance(item, Mapping) and item.get("path") == path:
            try:
                return datetime.fromisoformat(str(item["at"])), str(item["by"])
            except (KeyError, ValueError):
                return None
    return None
