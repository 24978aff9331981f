"""Numbers and lists as people read them. Pure."""

from __future__ import annotations

from collections.abc import Mapping

_BINARY = (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))
_NS = (("h", 3600 * 10**9), ("m", 60 * 10**9), ("s", 10**9), ("ms", 10**6), ("us", 10**3))


def human(value: object, unit: str = "") -> str:  # noqa: PLR0911 - one line a kind of value
    """A field's value for a reader; None is "(not set)"."""
    if value is None:
        return "(not set)"
    if isinstance(value, int) and not isinstance(value, bool):
        match unit:
            case "bytes":
                return _bytes(value)
            case "ns":
                return _duration(value)
            case "nanocpus":
                return f"{value / 10**9:g} CPUs"
            case _:
                return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping) and unit == "restart":
        tries = value.get("MaximumRetryCount")
        return f"{value.get('Name')}:{tries}" if tries else str(value.get("Name"))
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {human(item)}" for key, item in sorted(value.items())) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(human(item) for item in value) + "]"
    text = str(value)
    return text or '""'


def _bytes(size: int) -> str:
    for name, factor in _BINARY:
        if size >= factor:
            number = size / factor
            return f"{number:.0f} {name}" if number == int(number) else f"{number:.1f} {name}"
    return f"{size} B"


def _duration(nanoseconds: int) -> str:
    for name, factor in _NS:
        if nanoseconds >= factor and nanoseconds % factor == 0:
            return f"{nanoseconds // factor}{name}"
    return f"{nanoseconds}ns"


def ago(seconds: float) -> str:
    """How long ago, roughly: 40 s, 3 min, 2 h, 5 d."""
    for name, factor in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= factor:
            return f"{int(seconds // factor)} {name}"
    return f"{max(0, int(seconds))} s"
