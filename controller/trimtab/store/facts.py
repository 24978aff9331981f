"""Small facts about this installation: cursors, what was declared and run last."""

from __future__ import annotations

from trimtab.store.database import Database


class InstallationFacts:
    """ports.Facts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str) -> str | None:
        """One fact."""
        rows = self._database.read("SELECT value FROM facts WHERE name = ?", (name,))
        return str(rows[0][0]) if rows else None

    def put(self, name: str, value: str) -> None:
        """Remember it."""
        self._database.write("INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)", (name, value))
