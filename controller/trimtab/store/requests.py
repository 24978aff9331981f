"""Requests of other processes (the command line): rows that the controller performs and answers."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from trimtab.model.keys import AppKey
from trimtab.model.records import Request, RequestState, RequestVerb
from trimtab.store.codec import json_text, parse_optional_time, parse_time, parse_words, time_text
from trimtab.store.database import Database, Row
from trimtab.store.rows import Table

_COLUMNS = "id, app, verb, asked_at, by, arguments, state, answer, answered_at"
# Answered ones are kept for whoever still waits for the answer, and for curious people.
KEEP = 500


class Requests:
    """ports.RequestBox."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._table = Table(database, "requests", ("id",), _request)
        self._submitted = False

    def submit(
        self, app: AppKey, verb: RequestVerb, *, by: str = "", arguments: Mapping[str, str] | None = None
    ) -> int:
        """Leave one; its id.

        Raises:
            TransientError: it cannot be written (with a strict database, as commands have it).
        """
        values = (str(app), verb.value, time_text(self._database.now()), by, json_text(arguments or {}))

        def work(connection: sqlite3.Connection) -> int:
            number = connection.execute(
                "INSERT INTO requests (app, verb, asked_at, by, arguments, state, answer)"
                " VALUES (?, ?, ?, ?, ?, 'pending', '')",
                values,
            ).lastrowid
            connection.execute("DELETE FROM requests WHERE id <= ? AND state != 'pending'", ((number or 0) - KEEP,))
            return number or 0

        request = self._database.transaction(work)
        self._submitted = True
        return request

    def get(self, request: int) -> Request | None:
        """One request with its answer."""
        rows = self._database.read(f"SELECT {_COLUMNS} FROM requests WHERE id = ?", (request,))  # noqa: S608 - ours
        return self._table.first(rows)

    def changed(self) -> bool:
        """Whether another process wrote, or this one left a request, since the last time this was asked."""
        submitted, self._submitted = self._submitted, False
        return self._database.changed_outside() or submitted

    def pending(self) -> tuple[Request, ...]:
        """Those nobody has seen, oldest first."""
        rows = self._database.read(f"SELECT {_COLUMNS} FROM requests WHERE state = 'pending' ORDER BY id")  # noqa: S608
        return self._table.records(rows)

    def reopen(self) -> None:
        """At start: what a dead process accepted and never finished is pending again."""
        self._database.write("UPDATE requests SET state = 'pending' WHERE state = 'accepted'")

    def answer(self, request: int, state: RequestState, answer: str) -> None:
        """Say what became of it; a final answer stays."""
        self._database.write(
            "UPDATE requests SET state = ?, answer = ?, answered_at = ?"
            " WHERE id = ? AND state IN ('pending', 'accepted')",
            (state.value, answer, time_text(self._database.now()), request),
        )


def _request(row: Row) -> Request:
    return Request(
        id=int(row[0]),
        app=AppKey.parse(row[1]),
        verb=RequestVerb(row[2]),
        asked_at=parse_time(row[3]),
        by=row[4],
        arguments=parse_words(row[5]),
        state=RequestState(row[6]),
        answer=row[7],
        answered_at=parse_optional_time(row[8]),
    )
