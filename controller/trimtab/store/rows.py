"""Rows as records. One that cannot be read is dropped and told of: what it said is found again, or not needed.

Another version may have written it, or a disk may have lost a bit; nothing of that may stop a pass (I8, I12).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

from trimtab.errors import TrimtabError
from trimtab.store.database import Database, Row

T = TypeVar("T")
# What reading a value of another kind, or the lack of one, ends in.
UNREADABLE = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError)


class Table(Generic[T]):
    """One table's rows, which begin with the columns of ``key``; ``record`` makes what a row says of them."""

    def __init__(self, database: Database, name: str, key: Sequence[str], record: Callable[[Row], T]) -> None:
        self._database = database
        self._name = name
        self._key = tuple(key)
        self._record = record

    def records(self, rows: Iterable[Row]) -> tuple[T, ...]:
        """What the rows say, without those that say nothing that can be understood."""
        found: list[T] = []
        for row in rows:
            try:
                found.append(self._record(row))
            except UNREADABLE as error:
                self._drop(row[: len(self._key)], error)
        return tuple(found)

    def first(self, rows: Iterable[Row]) -> T | None:
        """What the first of them says that can be read."""
        return next(iter(self.records(rows)), None)

    def _drop(self, key: Row, error: Exception) -> None:
        which = " ".join(str(value) for value in key)
        said = f"{type(error).__name__}: {error}"
        self._database.warn(
            "StoreRowDropped",
            f"{which} in {self._name} cannot be read ({said}): it is left out, and made anew where it is needed",
        )
        if self._database.strict:
            # A command looks on; whose rows these are deals with them.
            return
        where = " AND ".join(f"{column} IS ?" for column in self._key)
        try:
            self._database.write(f"DELETE FROM {self._name} WHERE {where}", key)  # noqa: S608 - our own names
        except TrimtabError:
            # It is met again by the next one who reads it.
            return
