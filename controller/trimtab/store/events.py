"""The last events of each application; a noisy one cannot push out the others'."""

from __future__ import annotations

import sqlite3

from trimtab.model.events import Event, EventType
from trimtab.model.keys import AppKey
from trimtab.model.records import StoredEvent
from trimtab.store.codec import json_text, parse_mapping, parse_time, time_text
from trimtab.store.database import Database, Row
from trimtab.store.rows import Table

_COLUMNS = "id, at, app, type, reason, message, revision, fields"
# Counting costs more than appending: the bound is looked at once in so many appends.
_TRIM_EVERY = 50


class Events:
    """ports.EventLog; the last ``keep`` of each application and of those that concern none."""

    def __init__(self, database: Database, *, keep: int = 500) -> None:
        self._database = database
        self._keep = keep
        self._table = Table(database, "events", ("id",), _event)

    def append(self, event: Event) -> int:
        """Store one; its number."""
        app = "" if event.app is None else str(event.app)
        values = (
            time_text(event.at),
            app,
            event.type.value,
            event.reason,
            event.message,
            event.revision,
            json_text(event.fields),
        )

        def work(connection: sqlite3.Connection) -> int:
            number = connection.execute(
                "INSERT INTO events (at, app, type, reason, message, revision, fields) VALUES (?, ?, ?, ?, ?, ?, ?)",
                values,
            ).lastrowid
            if number is not None and number % _TRIM_EVERY == 0:
                connection.execute(
                    "DELETE FROM events WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER"
                    " (PARTITION BY app ORDER BY id DESC) AS place FROM events) WHERE place > ?)",
                    (self._keep,),
                )
            return number or 0

        return self._database.transaction(work)

    def after(self, cursor: int, *, app: AppKey | None = None, limit: int = 500) -> tuple[StoredEvent, ...]:
        """Those with a greater number, oldest first."""
        rows = self._database.read(
            f"SELECT {_COLUMNS} FROM events WHERE id > ? AND (? IS NULL OR app = ?) ORDER BY id LIMIT ?",  # noqa: S608
            (cursor, *(_twice(app)), limit),
        )
        return self._table.records(rows)

    def newest(self, *, app: AppKey | None = None, limit: int = 100) -> tuple[StoredEvent, ...]:
        """The last ``limit``, oldest first."""
        rows = self._database.read(
            f"SELECT {_COLUMNS} FROM events WHERE (? IS NULL OR app = ?) ORDER BY id DESC LIMIT ?",  # noqa: S608
            (*(_twice(app)), limit),
        )
        return self._table.records(reversed(rows))


def _twice(app: AppKey | None) -> tuple[str | None, str | None]:
    text = None if app is None else str(app)
    return text, text


def _event(row: Row) -> StoredEvent:
    return StoredEvent(
        id=int(row[0]),
        event=Event(
            at=parse_time(row[1]),
            app=AppKey.parse(row[2]) if row[2] else None,
            type=EventType(row[3]),
            reason=row[4],
            message=row[5],
            revision=row[6],
            fields=parse_mapping(row[7]),
        ),
    )
