"""Build keys that failed: none is tried twice with the same inputs."""

from __future__ import annotations

import sqlite3

from trimtab.model.keys import AppKey
from trimtab.model.records import FailedBuild
from trimtab.store.codec import parse_time, time_text
from trimtab.store.database import Database, Row
from trimtab.store.rows import Table

# Old keys cannot come back except by a revert to a commit that never built: one more try is no harm.
KEEP = 1_000


class BuildFailures:
    """ports.FailedBuilds."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._table = Table(database, "failed_builds", ("build_key",), _failed)

    def add(self, failed: FailedBuild) -> None:
        """Remember one; the oldest are dropped."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT OR REPLACE INTO failed_builds (build_key, app, message, at) VALUES (?, ?, ?, ?)",
                (failed.build_key, str(failed.app), failed.message, time_text(failed.at)),
            )
            connection.execute(
                "DELETE FROM failed_builds WHERE build_key NOT IN"
                " (SELECT build_key FROM failed_builds ORDER BY at DESC, build_key LIMIT ?)",
                (KEEP,),
            )

        self._database.transaction(work)

    def get(self, build_key: str) -> FailedBuild | None:
        """Whether it failed before."""
        query = "SELECT build_key, app, message, at FROM failed_builds WHERE build_key = ?"
        return self._table.first(self._database.read(query, (build_key,)))

    def clear(self, app: AppKey) -> None:
        """A person asked for another try."""
        self._database.write("DELETE FROM failed_builds WHERE app = ?", (str(app),))


def _failed(row: Row) -> FailedBuild:
    build_key, app, message, at = row
    return FailedBuild(build_key=build_key, app=AppKey.parse(app), message=message, at=parse_time(at))
