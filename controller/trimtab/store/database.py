"""One SQLite connection that survives its file: rebuilt when broken, continued in memory when the disk refuses.

Everything in it can be made again from Git and labels, so no fault of the file may stop a reconciliation:

* missing, written by a later version, or corrupt: moved aside, begun empty, one warning;
* no space, read-only, locked for too long: a copy in memory takes over, one warning, and every ``RETRY_S`` seconds
  the copy is offered to the disk again;
* deleted while in use: written anew.

A strict database is for a person's command: there a refusal is an error to show, not a thing to outlive.
One connection for all threads, one lock: transactions take microseconds, and ``PRAGMA data_version`` then changes
exactly when another process wrote.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from trimtab.errors import ConfigError, InternalError, TransientError
from trimtab.model.events import Event, EventType
from trimtab.store.files import identity, move_aside, open_file
from trimtab.store.migrate import NewerSchema, migrate

T = TypeVar("T")
# SQLite's values are untyped at this edge; each part's decoder gives them their types.
Row = tuple[Any, ...]

RETRY_S = 30.0
# Tables whose rows are numbered as they come: two counts cannot be merged.
NUMBERED = frozenset({"events", "releases", "requests", "runs", "steps"})

_BROKEN = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_REFUSED = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    }
)


def _primary(error: sqlite3.Error) -> int:
    """The primary result code; extended ones carry it in their low byte."""
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & 0xFF


def _in_memory() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)


class Database:
    """The connection, its lock and its fallbacks."""

    def __init__(
        self, path: Path, *, now: Callable[[], datetime], monotonic_s: Callable[[], float], strict: bool = False
    ) -> None:
        self.now = now
        self.degraded = ""
        self._path = path
        self._monotonic_s = monotonic_s
        self.strict = strict
        self._lock = threading.Lock()
        self._warnings: deque[Event] = deque()
        self._on_warning: Callable[[Event], None] | None = None
        self._retry_at_s = 0.0
        self._seen_version = -1
        self._blank = True
        self._identity: tuple[int, int] | None = None
        self._connection = _in_memory()
        self._open()

    def read(self, sql: str, arguments: Sequence[object] = ()) -> list[Row]:
        """All rows of a query. Raises TransientError when strict and the file cannot be read."""
        return self._carry_out(lambda c: list(c.execute(sql, arguments)), writes=False)

    def write(self, sql: str, arguments: Sequence[object] = ()) -> None:
        """One statement in its own transaction. Raises TransientError when strict and the file refuses."""
        self._carry_out(lambda c: c.execute(sql, arguments), writes=True)

    def transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Carry out ``work`` all or nothing; after a fault of the file once more, on what took its place.

        ``work`` may use nothing but the connection it is given.

        Raises:
            TransientError: strict, and the file refuses.
            InternalError: ``work`` itself is wrong.
        """
        return self._carry_out(work, writes=True)

    def changed_outside(self) -> bool:
        """Whether another connection wrote since this was last asked; the first answer is yes."""
        with self._lock:
            if not self.degraded and not self.strict and identity(self._path) != self._identity:
                self._write_anew()
            try:
                version = int(self._connection.execute("PRAGMA data_version").fetchone()[0])
            except sqlite3.Error:
                # The next use meets the same fault and deals with it.
                return True
            changed = version != self._seen_version
            self._seen_version = version
        self._deliver()
        return changed

    def subscribe(self, on_warning: Callable[[Event], None]) -> None:
        """Tell of faults from now on, and of those that were met before anyone listened."""
        self._on_warning = on_warning
        self._deliver()

    def warn(self, reason: str, message: str) -> None:
        """Tell of something in the file that those who look after this installation should know of."""
        self._warn(reason, message)
        self._deliver()

    def close(self) -> None:
        """Release the file; what is only in memory is offered to the disk a last time."""
        with self._lock:
            if self.degraded:
                self._retry_at_s = self._monotonic_s()
                self._offer_to_disk()
            self._connection.close()
        self._deliver()

    # -- carrying out --------------------------------------------------------------------------------------------

    def _carry_out(self, work: Callable[[sqlite3.Connection], T], *, writes: bool) -> T:
        with self._lock:
            if writes and self.degraded:
                self._offer_to_disk()
            try:
                result = self._attempt(work, writes=writes)
            except sqlite3.Error as error:
                self._replace(error)
                result = self._attempt(work, writes=writes)
        self._deliver()
        return result

    def _attempt(self, work: Callable[[sqlite3.Connection], T], *, writes: bool) -> T:
        if not writes:
            return work(self._connection)
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(self._connection)
            self._connection.execute("COMMIT")
        except BaseException:
            # A full disk may have rolled back by itself.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        return result

    def _replace(self, error: sqlite3.Error) -> None:
        """Put something that works in the place of the connection."""
        code = _primary(error)
        if code not in _BROKEN | _REFUSED:
            raise InternalError(f"the store was asked something it cannot do: {error}") from error
        if self.strict:
            raise self._refusal(error) from error
        if code in _BROKEN:
            self._rebuild(f"it is damaged ({error})", "corrupt")
        else:
            self._continue_in_memory(error)

    def _refusal(self, error: sqlite3.Error) -> TransientError:
        return TransientError(
            f"{self._path} cannot be used now: {error}",
            code="TT6700",
            hint="free disk space, check its permissions, or see whether another program locks it",
        )

    # -- memory instead of disk, and back ------------------------------------------------------------------------

    def _continue_in_memory(self, error: sqlite3.Error | OSError) -> None:
        memory = _in_memory()
        try:
            self._connection.backup(memory)
            migrate(memory)
        except (sqlite3.Error, NewerSchema):
            # What was there cannot be read either: an empty memory still lets everything go on.
            memory.close()
            memory = _in_memory()
            migrate(memory)
            self._blank = True
        self._connection.close()
        self._connection = memory
        self.degraded = str(error)
        self._retry_at_s = self._monotonic_s() + RETRY_S
        self._warn(
            "StoreDegraded",
            f"{self._path} cannot be written ({error}): history and events are kept in memory only and are lost at a"
            " restart; free disk space or check its permissions. Applications are reconciled as before.",
        )

    def _offer_to_disk(self) -> None:
        """From time to time: write the memory's content back and use the file again."""
        if self._monotonic_s() < self._retry_at_s:
            return
        self._retry_at_s = self._monotonic_s() + RETRY_S
        blank = self._blank
        try:
            self._use(self._copied_to_file())
        except sqlite3.Error as error:
            self.degraded = str(error)
            if _primary(error) in _BROKEN:
                with contextlib.suppress(OSError):
                    self._set_aside("corrupt")
        except (OSError, NewerSchema) as error:
            self.degraded = str(error)
        else:
            lost = "the history of the meantime was not kept" if blank else "nothing was lost"
            self._warn("StoreRecovered", f"{self._path} can be written again; {lost}", EventType.NORMAL)

    def _write_anew(self) -> None:
        """Someone deleted or exchanged the file while it was in use."""
        try:
            self._use(self._copied_to_file())
        except (sqlite3.Error, OSError, NewerSchema) as error:
            self._continue_in_memory(error if isinstance(error, (sqlite3.Error, OSError)) else OSError(str(error)))
        else:
            self._warn("StoreRebuilt", f"{self._path} was removed while in use; it has been written again")

    def _copied_to_file(self) -> sqlite3.Connection:
        """A connection to the file, after everything the present connection holds was written to it.

        A memory that never saw the file's content (``_blank``) must not wipe it out: then what is numbered stays as
        the file has it, and only what is known by name is brought up to date.
        """
        connection = open_file(self._path)
        try:
            migrate(connection)
            tables = (str(row[0]) for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'"))
            names = sorted(table for table in tables if not table.startswith("sqlite_"))
            connection.execute("BEGIN IMMEDIATE")
            for table in names:
                if self._blank and table in NUMBERED:
                    continue
                # Other processes leave requests in the file; they stay, ours carry the answers.
                if not self._blank and table != "requests":
                    connection.execute(f"DELETE FROM {table}")  # noqa: S608 - a name from our own schema
                rows = self._connection.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608 - the same
                if rows:
                    marks = ", ".join("?" * len(rows[0]))
                    # The file's own id of the installation is the true one.
                    clash = "IGNORE" if self._blank and table == "facts" else "REPLACE"
                    connection.executemany(f"INSERT OR {clash} INTO {table} VALUES ({marks})", rows)  # noqa: S608
            connection.execute("COMMIT")
        except BaseException:
            connection.close()
            raise
        return connection

    def _use(self, connection: sqlite3.Connection) -> None:
        self._connection.close()
        self._connection = connection
        self._identity = identity(self._path)
        self._seen_version = -1
        self._blank = False
        self.degraded = ""

    # -- opening and rebuilding ----------------------------------------------------------------------------------

    def _open(self) -> None:
        try:
            self._use(self._checked())
        except NewerSchema as error:
            self._rebuild(f"a later version of Trimtab wrote it (schema {error})", f"schema-{error}")
        except sqlite3.Error as error:
            if _primary(error) in _BROKEN:
                self._rebuild(f"it is damaged ({error})", "corrupt")
            elif self.strict:
                raise self._refusal(error) from error
            else:
                self._continue_in_memory(error)
        except IsADirectoryError:
            self._rebuild("a directory is in its place", "directory")
        except OSError as error:
            raise ConfigError(
                f"the data directory {self._path.parent} cannot be used: {error.strerror or error}",
                hint="choose another data directory, or give this user the right to write there",
            ) from error

    def _checked(self) -> sqlite3.Connection:
        connection = open_file(self._path)
        try:
            migrate(connection)
            # Stops at the first problem; a few milliseconds for what we keep.
            verdict = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
            if verdict != "ok":
                damaged = sqlite3.DatabaseError(verdict)
                damaged.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
                raise damaged
        except BaseException:
            connection.close()
            raise
        return connection

    def _rebuild(self, why: str, suffix: str) -> None:
        """Move the file aside and begin an empty one."""
        try:
            aside = self._set_aside(suffix)
            self._use(self._checked())
        except (sqlite3.Error, OSError) as error:
            self._connection.close()
            self._connection = _in_memory()
            self._blank = True
            self._continue_in_memory(error)
            return
        self._warn(
            "StoreRebuilt",
            f"{self._path} could not be used: {why}. It was moved to {aside.name} and an empty one was begun: history"
            " and events are gone, the state of every application is found again from Git and the engine's labels.",
        )

    def _set_aside(self, suffix: str) -> Path:
        return move_aside(self._path, f"{suffix}-{self.now():%Y%m%dT%H%M%S}")

    # -- telling -------------------------------------------------------------------------------------------------

    def _warn(self, reason: str, message: str, kind: EventType = EventType.WARNING) -> None:
        self._warnings.append(Event(at=self.now(), reason=reason, message=message, type=kind))

    def _deliver(self) -> None:
        """Never under the lock: whoever listens may well store what it hears."""
        while self._on_warning is not None:
            try:
                event = self._warnings.popleft()
            except IndexError:
                return
            self._on_warning(event)
