"""JSON whose shape nobody promises, such as an engine's answers: read as what it should be, or as nothing. Pure."""

from __future__ import annotations

from collections.abc import Mapping


def mapping(value: object) -> Mapping[str, object]:
    """A mapping; empty when it is none."""
    return value if isinstance(value, Mapping) else {}


def section(data: Mapping[str, object], name: str) -> Mapping[str, object]:
    """A mapping inside a mapping; empty when there is none."""
    return mapping(data.get(name))


def members(value: object) -> list[object]:
    """The members of a list; none when it is no list."""
    return list(value) if isinstance(value, list | tuple) else []


def rows(value: object) -> list[Mapping[str, object]]:
    """The mappings in a list."""
    return [row for row in members(value) if isinstance(row, Mapping)]


def strings(value: object) -> list[str]:
    """The members of a list as text."""
    return [str(item) for item in members(value)]


def texts(value: object) -> dict[str, str]:
    """A mapping of text to text, in the order of its keys."""
    found = mapping(value)
    return {str(key): str(found[key]) for key in sorted(found)}


def integer(value: object) -> int:
    """A whole number; 0 when it is none."""
    return value if isinstance(value, int) else 0


def plain(value: object) -> object:
    """JSON with sorted keys, without members that say nothing."""
    if isinstance(value, Mapping):
        return {str(k): plain(value[k]) for k in sorted(value) if value[k] not in (None, "", [], {})}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value
