"""Small facts about this installation: its id, cursors."""

from __future__ import annotations

import sqlite3
import uuid

from trimtab.store.database import Database

_ID = "installation-id"


class InstallationFacts:
    """ports.Facts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def installation_id(self) -> str:
        """Made at the first start; two processes that start at once agree on one."""

        def work(connection: sqlite3.Connection) -> str:
            connection.execute("INSERT OR IGNORE INTO facts (name, value) VALUES (?, ?)", (_ID, uuid.uuid4().hex[:12]))
            return str(connection.execute("SELECT value FROM facts WHERE name = ?", (_ID,)).fetchone()[0])

        return self.get(_ID) or self._database.transaction(work)

    def adopt_installation_id(self, installation_id: str) -> None:
        """Take over the id that the engine's labels still carry when the database was lost."""
        self.put(_ID, installation_id)

    def get(self, name: str) -> str | None:
        """One fact."""
        rows = self._database.read("SELECT value FROM facts WHERE name = ?", (name,))
        return str(rows[0][0]) if rows else None

    def put(self, name: str, value: str) -> None:
        """Remember it."""
        self._database.write("INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)", (name, value))
