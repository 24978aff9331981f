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
    return tuple(sorted(_differing(want, have, whole, ""), key=_pointer))


def _differing(
    want: object, have: object, whole: Collection[str], pointer: str
) -> Iterator[tuple[str, object, object]]:
    """Both trees at once: what is equal as a whole, which is nearly everything, is not looked into."""
    if _same(want, have):
        return
    if isinstance(want, Mapping) and isinstance(have, Mapping) and want and have and pointer not in whole:
        for key in {**want, **have}:
            below = f"{pointer}/{escape(str(key))}"
            yield from _differing(want.get(key, ABSENT), have.get(key, ABSENT), whole, below)
        return
    wanted = {} if want is ABSENT else dict(leaves(want, whole, pointer))
    found = {} if have is ABSENT else dict(leaves(have, whole, pointer))
    for leaf in {**wanted, **found}:
        yield leaf, wanted.get(leaf, ABSENT), found.get(leaf, ABSENT)


def _pointer(difference: tuple[str, object, object]) -> str:
    return difference[0]


def _same(wanted: object, found: object) -> bool:
    if isinstance(wanted, list | tuple) and isinstance(found, list | tuple):
        return list(wanted) == list(found)
    return wanted is found or bool(wanted == found)
