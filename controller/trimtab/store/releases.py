"""The history of each application: what was deployed when, by which commit and plan, with what result."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import replace

from trimtab.model.keys import AppKey
from trimtab.model.records import Release
from trimtab.model.status import Phase
from trimtab.store.codec import json_text, parse_optional_time, parse_time, parse_words, time_text
from trimtab.store.database import Database, Row
from trimtab.store.rows import Table

_COLUMNS = (
    "app, id, revision, subject, author, plan_id, phase, started_at, finished_at, images,"
    " initiated_by, trigger, message"
)


class Releases:
    """ports.ReleaseLog; the last ``keep`` of each application."""

    def __init__(self, database: Database, *, keep: int = 50) -> None:
        self._database = database
        self._keep = keep
        self._table = Table(database, "releases", ("app", "id"), _release)

    def begin(
        self,
        app: AppKey,
        *,
        revision: str,
        subject: str = "",
        author: str = "",
        plan_id: str = "",
        initiated_by: str = "",
        trigger: str = "",
    ) -> int:
        """Open a release with phase Running; its id. The oldest beyond ``keep`` is dropped."""
        key, now = str(app), self._database.now()

        def work(connection: sqlite3.Connection) -> int:
            (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM releases WHERE app = ?", (key,)).fetchone()
            number = int(last) + 1
            values = (key, number, revision, subject, author, plan_id, Phase.RUNNING.value, time_text(now))
            connection.execute(
                f"INSERT INTO releases ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, '{{}}', ?, ?, '')",  # noqa: S608
                (*values, initiated_by, trigger),
            )
            connection.execute("DELETE FROM releases WHERE app = ? AND id <= ?", (key, number - self._keep))
            return number

        return self._database.transaction(work)

    def finish(
        self, app: AppKey, release: int, phase: Phase, message: str = "", images: Mapping[str, str] | None = None
    ) -> None:
        """Close it; ``images`` maps service to image digest."""
        self._database.write(
            "UPDATE releases SET phase = ?, finished_at = ?, message = ?, images = ? WHERE app = ? AND id = ?",
            (phase.value, time_text(self._database.now()), message, json_text(images or {}), str(app), release),
        )

    def get(self, app: AppKey, release: int) -> Release | None:
        """One release, while it is remembered."""
        rows = self._database.read(
            f"SELECT {_COLUMNS} FROM releases WHERE app = ? AND id = ?",  # noqa: S608 - our own column names
            (str(app), release),
        )
        return self._table.first(rows)

    def list(self, app: AppKey, limit: int = 50) -> tuple[Release, ...]:
        """The newest first."""
        rows = self._database.read(
            f"SELECT {_COLUMNS} FROM releases WHERE app = ? ORDER BY id DESC LIMIT ?",  # noqa: S608 - the same
            (str(app), limit),
        )
        return self._table.records(rows)

    def recent_images(self, app: AppKey, releases: int) -> frozenset[str]:
        """Images of the last ``releases`` that succeeded."""
        rows = self._database.read(
            "SELECT images FROM releases WHERE app = ? AND phase IN (?, ?) ORDER BY id DESC LIMIT ?",
            (str(app), Phase.SUCCEEDED.value, Phase.ROLLED_BACK.value, releases),
        )
        return frozenset(image for (text,) in rows for image in parse_words(text).values())

    def interrupted(self, message: str) -> tuple[Release, ...]:
        """Close what a dead process left Running as Error, and name it."""
        now = time_text(self._database.now())

        def work(connection: sqlite3.Connection) -> list[Row]:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM releases WHERE phase = ? ORDER BY app, id",  # noqa: S608 - the same
                (Phase.RUNNING.value,),
            ).fetchall()
            connection.execute(
                "UPDATE releases SET phase = ?, finished_at = ?, message = ? WHERE phase = ?",
                (Phase.ERROR.value, now, message, Phase.RUNNING.value),
            )
            return rows

        closed = self._table.records(self._database.transaction(work))
        return tuple(
            replace(release, phase=Phase.ERROR, message=message, finished_at=parse_time(now)) for release in closed
        )


def _release(row: Row) -> Release:
    return Release(
        app=AppKey.parse(row[0]),
        id=int(row[1]),
        revision=row[2],
        subject=row[3],
        author=row[4],
        plan_id=row[5],
        phase=Phase(row[6]),
        started_at=parse_time(row[7]),
        finished_at=parse_optional_time(row[8]),
        images=parse_words(row[9]),
        initiated_by=row[10],
        trigger=row[11],
        message=row[12],
    )
