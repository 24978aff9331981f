"""The latest status of each application as JSON: for other processes, and for when the controller is down."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping
from typing import Any

from trimtab.model.keys import AppKey, Kind, ResourceKey
from trimtab.model.status import AppCondition, AppStatus, HealthStatus, Phase, ResourceStatus, SyncStatus
from trimtab.store.codec import json_text, optional_time_text, parse_optional_time, parse_time, time_text
from trimtab.store.database import Database, Row
from trimtab.store.rows import Table

_REVISIONS = ("desired_revision", "applied_revision", "healthy_revision")


class Statuses:
    """ports.StatusBoard."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._table = Table(database, "statuses", ("app",), _status)

    def put(self, status: AppStatus) -> None:
        """Replace it."""
        self._database.write(
            "INSERT OR REPLACE INTO statuses (app, at, status) VALUES (?, ?, ?)",
            (str(status.app), time_text(self._database.now()), json_text(_encoded(status))),
        )

    def get(self, app: AppKey) -> AppStatus | None:
        """One application's."""
        return self._table.first(self._database.read("SELECT app, status FROM statuses WHERE app = ?", (str(app),)))

    def all(self) -> tuple[AppStatus, ...]:
        """Everyone's, in key order."""
        found = self._table.records(self._database.read("SELECT app, status FROM statuses"))
        return tuple(sorted(found, key=lambda status: status.app))

    def move_on(self, apps: Collection[AppKey], revision: str, *, applied: bool) -> None:
        """Name a newer commit that wants the same; all or none."""
        fields = _REVISIONS if applied else _REVISIONS[:1]
        paths = ", ".join(f"'$.{field}', ?" for field in fields)
        change = f"UPDATE statuses SET status = json_set(status, {paths}), at = ? WHERE app = ? AND json_valid(status)"  # noqa: S608 - constants
        now = time_text(self._database.now())
        rows = [(*[revision] * len(fields), now, str(app)) for app in apps]

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany(change, rows)

        self._database.transaction(work)

    def drop(self, app: AppKey) -> None:
        """The application is gone."""
        self._database.write("DELETE FROM statuses WHERE app = ?", (str(app),))


# Fields that are plain text; the others have their own spelling below.
_TEXTS = (
    "message",
    "target",
    "desired_revision",
    "applied_revision",
    "healthy_revision",
    "failed_revision",
    "suspended",
    "contended",
)


def _encoded(status: AppStatus) -> Mapping[str, object]:
    return {
        **{name: getattr(status, name) for name in _TEXTS},
        "sync": status.sync.value,
        "health": status.health.value,
        "phase": None if status.phase is None else status.phase.value,
        "since": optional_time_text(status.since),
        "observed_at": optional_time_text(status.observed_at),
        "resources": [
            {
                "kind": item.key.kind.value,
                "name": item.key.name,
                "replica": item.key.replica,
                "engine_name": item.name,
                "sync": item.sync.value,
                "health": item.health.value,
                "message": item.message,
            }
            for item in status.resources
        ],
        "conditions": [
            {
                "type": item.type,
                "status": item.status,
                "reason": item.reason,
                "message": item.message,
                "changed_at": time_text(item.changed_at),
            }
            for item in status.conditions
        ],
    }


def _status(row: Row) -> AppStatus:
    """A status that another version wrote may lack what came later; the next pass writes it anew."""
    app, data = AppKey.parse(row[0]), json.loads(row[1])
    phase = data.get("phase")
    return AppStatus(
        app=app,
        **{name: str(data.get(name, "")) for name in _TEXTS},
        sync=SyncStatus(data["sync"]),
        health=HealthStatus(data["health"]),
        phase=None if phase is None else Phase(phase),
        since=parse_optional_time(data.get("since")),
        observed_at=parse_optional_time(data.get("observed_at")),
        resources=tuple(_resource(app, item) for item in data.get("resources", ())),
        conditions=tuple(_condition(item) for item in data.get("conditions", ())),
    )


def _condition(data: Mapping[str, Any]) -> AppCondition:
    return AppCondition(
        type=str(data["type"]),
        status=str(data["status"]),
        reason=str(data.get("reason", "")),
        message=str(data.get("message", "")),
        changed_at=parse_time(data["changed_at"]),
    )


def _resource(app: AppKey, data: Mapping[str, Any]) -> ResourceStatus:
    return ResourceStatus(
        key=ResourceKey(app, Kind(data["kind"]), str(data["name"]), int(data.get("replica", 0))),
        name=str(data["engine_name"]),
        sync=SyncStatus(data["sync"]),
        health=HealthStatus(data["health"]),
        message=str(data.get("message", "")),
    )
