"""What became of each run of a hook or job, and the last that it wrote: the container may be long gone."""

from __future__ import annotations

import sqlite3

from trimtab.model.keys import AppKey, Kind
from trimtab.model.records import RunOutcome, TaskRun
from trimtab.store.codec import optional_time_text, parse_optional_time, parse_time, time_text
from trimtab.store.database import Database, Row
from trimtab.store.rows import Table

# Runs that are remembered of each hook and job; Kubernetes keeps 4 pods of a CronJob, which is soon too few to look at.
KEPT = 20
# The end of a log tells most. What is longer is for a log driver that keeps it.
LOG_CHARACTERS = 64 * 1024
_COLUMNS = "app, name, kind, task, cause, outcome, revision, at, started_at, finished_at, exit_code, message, log"


class TaskRunLog:
    """ports.TaskRuns."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._table = Table(database, "task_runs", ("app", "name"), _run)

    def put(self, run: TaskRun) -> None:
        """Add or replace one; the oldest of its task beyond ``KEPT`` are dropped."""
        values = (
            str(run.app),
            run.name,
            run.kind.value,
            run.task,
            run.cause,
            run.outcome.value,
            run.revision,
            time_text(run.at),
            optional_time_text(run.started_at),
            optional_time_text(run.finished_at),
            run.exit_code,
            run.message,
            run.log[-LOG_CHARACTERS:],
        )

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                f"INSERT OR REPLACE INTO task_runs ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                values,
            )
            connection.execute(
                "DELETE FROM task_runs WHERE app = ? AND kind = ? AND task = ? AND name NOT IN (SELECT name FROM"
                " task_runs WHERE app = ? AND kind = ? AND task = ? ORDER BY at DESC, name DESC LIMIT ?)",
                (*(str(run.app), run.kind.value, run.task) * 2, KEPT),
            )

        self._database.transaction(work)

    def get(self, app: AppKey, name: str) -> TaskRun | None:
        """One run by its container's name."""
        rows = self._database.read(
            f"SELECT {_COLUMNS} FROM task_runs WHERE app = ? AND name = ?",  # noqa: S608 - our own column names
            (str(app), name),
        )
        return self._table.first(rows)

    def list(self, app: AppKey, *, limit: int = 100) -> tuple[TaskRun, ...]:
        """The newest first."""
        rows = self._database.read(
            f"SELECT {_COLUMNS} FROM task_runs WHERE app = ? ORDER BY at DESC, name DESC LIMIT ?",  # noqa: S608 - the same
            (str(app), limit),
        )
        return self._table.records(rows)


def _run(row: Row) -> TaskRun:
    return TaskRun(
        app=AppKey.parse(row[0]),
        name=row[1],
        kind=Kind(row[2]),
        task=row[3],
        cause=row[4],
        outcome=RunOutcome(row[5]),
        revision=row[6],
        at=parse_time(row[7]),
        started_at=parse_optional_time(row[8]),
        finished_at=parse_optional_time(row[9]),
        exit_code=None if row[10] is None else int(row[10]),
        message=row[11],
        log=row[12],
    )
