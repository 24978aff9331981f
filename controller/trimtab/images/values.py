"""Reading the loosely typed values of a compose ``build`` mapping; wrong ones are told, never guessed. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)


class WrongValueError(ValueError):
    """A value has a shape that its attribute does not allow."""


def text(value: object) -> str:
    """A scalar as compose spells it; None is empty."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str() | int() | float():
            return str(value)
        case _:
            raise WrongValueError(f"must be text, not {type(value).__name__}")


def flag(value: object) -> bool:
    """A boolean, or its name."""
    match value:
        case None | "" | "false" | "False" | "0" | False:
            return False
        case "true" | "True" | "1" | True:
            return True
        case _:
            raise WrongValueError(f"must be true or false, not {value!r}")


def texts(value: object) -> tuple[str, ...]:
    """A list of scalars, in its order; a mapping's items as ``key=value``."""
    match value:
        case None:
            return ()
        case str():
            return (value,)
        case Mapping():
            return tuple(str(name) if item is None else f"{name}={text(item)}" for name, item in sorted(value.items()))
        case list() | tuple():
            return tuple(text(item) for item in value)
        case _:
            raise WrongValueError(f"must be a list, not {type(value).__name__}")


def mapping(value: object) -> dict[str, str]:
    """A mapping of scalars, or a list of ``key=value``; keys without a value are left out, as Compose does."""
    match value:
        case Mapping():
            return {str(name): text(item) for name, item in sorted(value.items()) if item is not None}
        case _:
            pairs = (item.partition("=") for item in texts(value))
            return dict(sorted((name, item) for name, equals, item in pairs if equals))


def size_bytes(value: object) -> int:
    """A number of bytes: a number, or text with a unit (b, k, m, g, t; powers of 1024)."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if value is None or value == "":
        return 0
    if not (match := _SIZE.fullmatch(text(value).strip())):
        raise WrongValueError(f"must be a size such as 64m, not {value!r}")
    return int(float(match[1]) * _UNITS[match[2].lower()])


def hosts(value: object) -> tuple[tuple[str, str], ...]:
    """``extra_hosts`` in any of its spellings (name=address, name:address, mapping), as (name, address)."""
    found: list[tuple[str, str]] = []
    if isinstance(value, Mapping):
        for name, addresses in value.items():
            listed: Iterable[object] = addresses if isinstance(addresses, list | tuple) else (addresses,)
            found.extend((str(name), text(address)) for address in listed)
    else:
        for item in texts(value):
            name, separator, address = item.partition("=" if "=" in item else ":")
            if not separator or not name or not address:
                raise WrongValueError(f"must be name=address, not {item!r}")
            found.append((name, address.removeprefix("[").removesuffix("]")))
    return tuple(sorted(found))


def limits(value: object) -> tuple[tuple[str, int, int], ...]:
    """``ulimits`` as (name, soft, hard)."""
    if value is None:
        return ()
    if not isinstance(value, Mapping):
        raise WrongValueError(f"must be a mapping, not {type(value).__name__}")
    found = []
    for name, limit in sorted(value.items()):
        both = limit if isinstance(limit, Mapping) else {"soft": limit, "hard": limit}
        try:
            found.append((str(name), int(both["soft"]), int(both["hard"])))
        except (KeyError, TypeError, ValueError):
            raise WrongValueError(f"{name} must be a number, or soft and hard numbers") from None
    return tuple(found)
