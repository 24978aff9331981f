"""The three facts of each application and its inventory: what was last carried out, object by object."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

from trimtab.model.keys import AppKey, Kind, ResourceKey
from trimtab.model.records import AppliedObject, AppliedState
from trimtab.store.codec import json_text, parse_optional_time, parse_time, parse_words, time_text
from trimtab.store.database import Database, Row
from trimtab.store.rows import Table

_REVISIONS = ("desired_revision", "applied_revision", "healthy_revision")


class Applied:
    """ports.AppliedStates."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._states = Table(database, "applied", ("app",), _state)
        self._objects = Table(database, "objects", ("app", "kind", "name", "replica"), _object)

    def get(self, app: AppKey) -> AppliedState:
        """What is known; the empty state for a stranger."""
        rows = self._database.read("SELECT * FROM applied WHERE app = ?", (str(app),))
        return self._states.first(rows) or AppliedState(app=app)

    def put(self, state: AppliedState) -> None:
        """Remember it; ``updated_at`` is set here."""
        self._database.write(
            "INSERT OR REPLACE INTO applied VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                str(state.app),
                state.desired_revision,
                state.desired_digest,
                state.applied_revision,
                state.applied_digest,
                state.healthy_revision,
                state.healthy_digest,
                json_text(state.healthy_images),
                state.failed_revision,
                state.failed_digest,
                state.failed_reason,
                state.tried,
                time_text(self._database.now()),
                state.previous_revision,
                state.previous_digest,
                json_text(state.previous_images),
                time_text(state.applied_at) if state.applied_at is not None else None,
            ),
        )

    def move_on(self, apps: Collection[AppKey], revision: str, *, applied: bool) -> None:
        """Name a newer commit that wants the same; all or none."""
        columns = _REVISIONS if applied else _REVISIONS[:1]
        names = ", ".join(f"{column} = ?" for column in columns)
        change = f"UPDATE applied SET {names}, updated_at = ? WHERE app = ?"  # noqa: S608 - constants
        now = time_text(self._database.now())
        rows = [(*[revision] * len(columns), now, str(app)) for app in apps]

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany(change, rows)

        self._database.transaction(work)

    def apps(self) -> tuple[AppKey, ...]:
        """Applications with a state or an object, sorted."""
        rows = self._database.read("SELECT app FROM applied UNION SELECT app FROM objects")
        return tuple(sorted(AppKey.parse(app) for (app,) in rows))

    def objects(self, app: AppKey) -> Mapping[ResourceKey, AppliedObject]:
        """Its inventory, in key order."""
        rows = self._database.read(
            "SELECT app, kind, name, replica, engine_name, digest, handle FROM objects WHERE app = ?", (str(app),)
        )
        found = self._objects.records(rows)
        return MappingProxyType({one.key: one for one in sorted(found, key=lambda one: one.key)})

    def record(self, objects: Sequence[AppliedObject]) -> None:
        """Add or replace objects, all or none."""
        rows = [
            (
                str(item.key.app),
                item.key.kind.value,
                item.key.name,
                item.key.replica,
                item.name,
                item.digest,
                item.handle,
            )
            for item in objects
        ]

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

        self._database.transaction(work)

    def forget(self, keys: Sequence[ResourceKey]) -> None:
        """Drop objects whose removal is confirmed."""
        rows = [(str(key.app), key.kind.value, key.name, key.replica) for key in keys]

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany("DELETE FROM objects WHERE app = ? AND kind = ? AND name = ? AND replica = ?", rows)

        self._database.transaction(work)

    def drop(self, app: AppKey) -> None:
        """Forget an application and its inventory."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM objects WHERE app = ?", (str(app),))
            connection.execute("DELETE FROM applied WHERE app = ?", (str(app),))

        self._database.transaction(work)


def _state(row: Row) -> AppliedState:
    return AppliedState(
        app=AppKey.parse(row[0]),
        desired_revision=row[1],
        desired_digest=row[2],
        applied_revision=row[3],
        applied_digest=row[4],
        healthy_revision=row[5],
        healthy_digest=row[6],
        healthy_images=parse_words(row[7]),
        failed_revision=row[8],
        failed_digest=row[9],
        failed_reason=row[10],
        tried=int(row[11]),
        updated_at=parse_time(row[12]),
        previous_revision=row[13],
        previous_digest=row[14],
        previous_images=parse_words(row[15]),
        applied_at=parse_optional_time(row[16]),
    )


def _object(row: Row) -> AppliedObject:
    app, kind, name, replica, engine_name, digest, handle = row
    key = ResourceKey(AppKey.parse(app), Kind(kind), name, int(replica))
    return AppliedObject(key=key, name=engine_name, digest=digest, handle=handle)
