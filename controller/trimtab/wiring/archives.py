"""Where archives of removed volumes are, and taking old ones away, where an operator asked for that."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.backends.engine import archive_list
from trimtab.backends.engine.archives import ArchiveShelf
from trimtab.config import Config
from trimtab.errors import ConfigError
from trimtab.model.events import Event, EventType

if TYPE_CHECKING:
    from trimtab.ports import Clock, EventSink

# Days are what is kept; nobody waits for the hour.
LOOK_S = 3600.0


def archives_in(config: Config) -> Path:
    """The folder of the archives."""
    return config.data_dir / "archives"


class ArchiveKeeper:
    """Removes archives that are older than ``archive_days``, and tells of each; without that setting it keeps all."""

    def __init__(self, config: Config, sink: EventSink, clock: Clock) -> None:
        self._keep = timedelta(days=config.archive_days) if config.archive_days > 0 else None
        self._shelf = ArchiveShelf(folder=archives_in(config), now=clock.now)
        self._sink = sink

    def look(self) -> None:
        """Remove what is too old."""
        if self._keep is None:
            return
        try:
            gone = archive_list.expired(self._shelf, self._keep)
        except ConfigError as error:
            self._tell("ArchivesUnreadable", error.message, EventType.WARNING, None)
            return
        for one in gone:
            try:
                archive_list.remove(one)
            except ConfigError as error:
                self._tell("ArchiveKept", error.message, EventType.WARNING, one)
                continue
            text = f"archive {one.id} of volume {one.volume} was removed: it is older than {self._keep.days} days"
            self._tell("ArchiveRemoved", text, EventType.NORMAL, one)

    def _tell(self, reason: str, message: str, kind: EventType, one: archive_list.Archived | None) -> None:
        app = one.application if one is not None else None
        self._sink.emit(Event(at=self._shelf.now(), app=app, reason=reason, message=message, type=kind))
