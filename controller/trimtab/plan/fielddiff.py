"""Differences between two JSON-like trees, leaf by leaf, as JSON pointers. Pure and ordered."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping


class Absent:
    """The value of a field that one side does not have."""

    def __repr__(self) -> str:
        return "(not set)"


ABSENT = Absent()


def escape(name: str) -> str:
    """A mapping key as a JSON pointer token (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def unescape(token: str) -> str:
    """The opposite of ``escape``."""
    return token.replace("~1", "/").replace("~0", "~")


def leaves(value: object, whole: Collection[str] = (), pointer: str = "") -> Iterator[tuple[str, object]]:
    """Every leaf with its pointer; lists, empty mappings and the pointers in ``whole`` are leaves."""
    if isinstance(value, Mapping) and value and pointer not in whole:
        for key in sorted(value):
            yield from leaves(value[key], whole, f"{pointer}/{escape(str(key))}")
    elif not (isinstance(value, Mapping) and not value and pointer == ""):
        yield pointer, value


def differences(want: object, have: object, whole: Collection[str] = ()) -> tuple[tuple[str, object, object], ...]:
    """(pointer, wanted, found) for every leaf that differs, in pointer order; ABSENT where a side has none."""
    wanted, found = dict(leaves(want, whole)), dict(leaves(have, whole))
    pointers = sorted({*wanted, *found})
    return tuple(
        (pointer, wanted.get(pointer, ABSENT), found.get(pointer, ABSENT))
        for pointer in pointers
        if not _same(wanted.get(pointer, ABSENT), found.get(pointer, ABSENT))
    )


def _same(wanted: object, found: object) -> bool:
    if isinstance(wanted, list | tuple) and isinstance(found, list | tuple):
        return list(wanted) == list(found)
    return wanted is found or bool(wanted == found)
