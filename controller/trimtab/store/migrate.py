"""Brings a database to the newest schema by the numbered files in migrations/, each applied once, all or nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from functools import cache
from importlib import resources


class NewerSchema(Exception):
    """The file was written by a later version of Trimtab."""


@cache
def migrations() -> tuple[tuple[int, str], ...]:
    """(number, SQL) of every migration, in order; the numbers have no gaps."""
    folder = resources.files("trimtab.store") / "migrations"
    scripts = sorted((f.name, f.read_text("utf-8")) for f in folder.iterdir() if f.name.endswith(".sql"))
    return tuple((int(name.partition("_")[0]), text) for name, text in scripts)


def _statements(script: str) -> Iterator[str]:
    """Single statements: ``executescript`` would commit before the first and so lose the all or nothing."""
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""


def migrate(connection: sqlite3.Connection) -> None:
    """Apply what is missing. Safe when two processes do it at once: the second finds nothing left to do.

    Raises:
        NewerSchema: the file knows more than this program.
        sqlite3.Error: it cannot be written.
    """
    newest = migrations()[-1][0]
    if _version(connection) == newest:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Asked again under the lock: another process may just have finished.
        version = _version(connection)
        if version > newest:
            raise NewerSchema(str(version))
        for number, script in migrations():
            if number > version:
                for statement in _statements(script):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")
    except BaseException:
        # A full disk may have rolled back already.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
