"""The database as a file: opened privately, recognised, moved aside."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

# How long a writer of another process is waited for. Our transactions take microseconds.
BUSY_TIMEOUT_MS = 5_000
# After a checkpoint the write-ahead log is cut back to this, so that one busy hour does not keep its space for ever.
WAL_LIMIT_BYTES = 4 * 1024 * 1024
SUFFIXES = ("", "-wal", "-shm")


def open_file(path: Path) -> sqlite3.Connection:
    """A connection in autocommit mode, usable from any thread; the file is made readable by its owner only.

    Raises:
        OSError: the directory or the file cannot be made.
        sqlite3.Error: it is no database, or SQLite cannot use it.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA journal_mode = WAL")
        # With a write-ahead log, NORMAL cannot corrupt; a power cut may lose the last transactions, which I8 allows,
        # and a commit costs no fsync. Source: the chapter on this pragma in SQLite's documentation.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}")
        connection.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def identity(path: Path) -> tuple[int, int] | None:
    """What tells whether ``path`` still is the file that was opened; None when there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def move_aside(path: Path, suffix: str) -> Path:
    """Rename the file and what belongs to it; the first free name is taken.

    Raises:
        OSError: the directory does not allow it.
    """
    aside, number = path.with_name(f"{path.name}.{suffix}"), 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.{suffix}-{number}")
    for ending in SUFFIXES:
        part = path.with_name(path.name + ending)
        if part.exists():
            part.rename(aside.with_name(aside.name + ending))
    return aside
