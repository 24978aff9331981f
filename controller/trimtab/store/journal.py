"""What the executor was about to do and did; read by people after a crash, never replayed."""

from __future__ import annotations

import sqlite3
from itertools import groupby

from trimtab.model.keys import AppKey
from trimtab.model.plan import StepStatus
from trimtab.model.records import JournalEntry, JournalRun
from trimtab.store.codec import parse_optional_time, parse_time, time_text
from trimtab.store.database import Database, Row
from trimtab.store.rows import Table

_QUERY = (
    "SELECT runs.run, plan_id, app, target, revision, runs.started_at, runs.finished_at,"
    " node, text, steps.started_at, ended_at, status, error"
    " FROM runs LEFT JOIN steps ON steps.run = runs.run"
)


class StepJournal:
    """ports.Journal and ports.JournalReader; the last ``keep`` runs of each application."""

    def __init__(self, database: Database, *, keep: int = 50) -> None:
        self._database = database
        self._keep = keep
        self._table = Table(database, "runs", ("run",), _run)

    def opened(self, plan_id: str, app: AppKey, target: str, revision: str) -> int:
        """A run begins; its number."""
        key, now = str(app), time_text(self._database.now())

        def work(connection: sqlite3.Connection) -> int:
            run = connection.execute(
                "INSERT INTO runs (plan_id, app, target, revision, started_at) VALUES (?, ?, ?, ?, ?)",
                (plan_id, key, target, revision, now),
            ).lastrowid
            connection.execute(
                "DELETE FROM runs WHERE app = ? AND run <= coalesce("
                "(SELECT run FROM runs WHERE app = ? ORDER BY run DESC LIMIT 1 OFFSET ?), 0)",
                (key, key, self._keep),
            )
            return run or 0

        return self._database.transaction(work)

    def started(self, run: int, node: int, text: str) -> None:
        """A step is about to be carried out."""
        self._database.write(
            # A run that fell out of the journal's bound (or of a rebuilt file) has no row any more: nothing to add to.
            "INSERT OR REPLACE INTO steps SELECT run, ?, ?, ?, NULL, NULL, '' FROM runs WHERE run = ?",
            (node, text, time_text(self._database.now()), run),
        )

    def ended(self, run: int, node: int, status: StepStatus, error: str = "") -> None:
        """It ended."""
        self._database.write(
            "UPDATE steps SET ended_at = ?, status = ?, error = ? WHERE run = ? AND node = ?",
            (time_text(self._database.now()), status.value, error, run, node),
        )

    def closed(self, run: int) -> None:
        """The run is over."""
        self._database.write("UPDATE runs SET finished_at = ? WHERE run = ?", (time_text(self._database.now()), run))

    def unfinished(self) -> tuple[JournalRun, ...]:
        """Runs that a dead process left open, with their steps; they are closed by this."""
        now = time_text(self._database.now())

        def work(connection: sqlite3.Connection) -> list[Row]:
            rows = connection.execute(f"{_QUERY} WHERE finished_at IS NULL ORDER BY runs.run, node").fetchall()
            connection.execute("UPDATE runs SET finished_at = ? WHERE finished_at IS NULL", (now,))
            return rows

        return self._runs(self._database.transaction(work))

    def runs(self, app: AppKey, limit: int = 10) -> tuple[JournalRun, ...]:
        """The last runs of one application, newest first."""
        return self._runs(
            self._database.read(
                f"{_QUERY} WHERE runs.run IN (SELECT run FROM runs WHERE app = ?"  # noqa: S608 - our own text
                " ORDER BY run DESC LIMIT ?) ORDER BY runs.run DESC, node",
                (str(app), limit),
            )
        )

    def _runs(self, rows: list[Row]) -> tuple[JournalRun, ...]:
        return self._table.records((run, *group) for run, group in groupby(rows, key=lambda row: row[0]))


def _run(row: Row) -> JournalRun:
    """One run; its steps' rows come after its number."""
    rows: tuple[Row, ...] = row[1:]
    run, plan_id, app, target, revision, started_at, finished_at = rows[0][:7]
    return JournalRun(
        run=int(run),
        plan_id=plan_id,
        app=AppKey.parse(app),
        target=target,
        revision=revision,
        started_at=parse_time(started_at),
        finished_at=parse_optional_time(finished_at),
        # The outer join gives one row without a node to a run without steps.
        entries=tuple(_entry(row[7:]) for row in rows if row[7] is not None),
    )


def _entry(row: Row) -> JournalEntry:
    node, text, started_at, ended_at, status, error = row
    return JournalEntry(
        node=int(node),
        text=text,
        started_at=parse_time(started_at),
        ended_at=parse_optional_time(ended_at),
        status=None if status is None else StepStatus(status),
        error=error,
    )
