"""Durations, sizes and numbers as compose files write them and as ``docker compose config`` prints them.

Source: Compose Specification, 11-extension.md "Specifying durations" and "Specifying byte values";
the printed forms are those of Go's ``time.Duration.String`` and of ``strconv`` for floats.
"""

from __future__ import annotations

import re
import struct

_NS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # U+00B5, micro sign
    "μs": 1_000,  # U+03BC, Greek mu
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60 * 1_000_000_000,
    "h": 3_600 * 1_000_000_000,
    "d": 86_400 * 1_000_000_000,
    "w": 7 * 86_400 * 1_000_000_000,
}
_PART = re.compile(r"(?P<whole>[0-9]*)(?:\.(?P<fraction>[0-9]*))?(?P<unit>[^0-9.]+)", re.ASCII)
_SIZE = re.compile(
    r"(?P<number>[0-9]+(?:\.[0-9]*)?|\.[0-9]+) ?(?P<suffix>b|[kmgtp](?:i?b)?)?", re.ASCII | re.IGNORECASE
)
_POWERS = {"k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_INT64_MAX = 2**63 - 1
# A float32 is told apart from its neighbours by at most nine digits. Source: IEEE 754.
_FLOAT32_DIGITS = 9
# Go prints a float in exponent form from 1e21 on and below 1e-4. Source: fmt, verb %v.
_GO_MAX_EXPONENT, _GO_MIN_EXPONENT = 21, -4


def parse_duration_ns(text: str) -> int:
    """Nanoseconds of "1m30s", "1.5h", "2d" or "0".

    Raises:
        ValueError: it is not a duration; the text says why.
    """
    sign = -1 if text.startswith("-") else 1
    rest = text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return 0
    if not rest:
        raise ValueError("it is empty")
    total, at = 0, 0
    while at < len(rest):
        part = _PART.match(rest, at)
        if part is None:
            if re.fullmatch(r"[0-9.]+", rest[at:]):
                raise ValueError(f"'{rest[at:]}' has no unit")
            raise ValueError(f"'{rest[at:]}' does not start with a number")
        whole, fraction, unit = part["whole"], part["fraction"] or "", part["unit"]
        if not whole and not fraction:
            raise ValueError("a part of it has no digits")
        if unit not in _NS:
            raise ValueError(f"'{unit}' is not a unit of time")
        total += int(whole or "0") * _NS[unit]
        if fraction:
            total += int(fraction) * _NS[unit] // 10 ** len(fraction)
        at = part.end()
    if total > _INT64_MAX:
        raise ValueError("it is longer than 292 years")
    return sign * total


def parse_duration(text: str) -> float:
    """Seconds of a duration such as "1m30s".

    Raises:
        ValueError: it is not a duration; the text says why.
    """
    return parse_duration_ns(text) / 1_000_000_000


def format_duration(nanoseconds: int) -> str:
    """The canonical form: 90 seconds are "1m30s", nothing is "0s"."""
    sign, rest = ("-" if nanoseconds < 0 else ""), abs(nanoseconds)
    if rest == 0:
        return "0s"
    for unit in ("ns", "µs", "ms"):
        if rest < _NS[unit] * 1000:
            return f"{sign}{_decimal(rest, _NS[unit])}{unit}"
    minutes, below = divmod(rest, _NS["m"])
    hours, minutes = divmod(minutes, 60)
    seconds = f"{_decimal(below, _NS['s'])}s"
    if hours:
        return f"{sign}{hours}h{minutes}m{seconds}"
    return f"{sign}{minutes}m{seconds}" if minutes else f"{sign}{seconds}"


def _decimal(value: int, unit: int) -> str:
    whole, below = divmod(value, unit)
    if not below:
        return str(whole)
    return f"{whole}.{str(below).zfill(len(str(unit)) - 1)}".rstrip("0")


def parse_integer(text: str) -> int:
    """A whole number in decimal, without the blanks and underscores that Python would take.

    Raises:
        ValueError: it is none.
    """
    if not re.fullmatch(r"[-+]?[0-9]+", text, re.ASCII):
        raise ValueError("it is not a whole number")
    return int(text)


def parse_number(text: str) -> float:
    """A finite decimal number, without the blanks and underscores that Python would take.

    Raises:
        ValueError: it is none.
    """
    if not re.fullmatch(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?", text, re.ASCII):
        raise ValueError("it is not a number")
    return float(text)


def parse_size(text: str) -> int:
    """Bytes of "64m", "1.5GiB", "2gb" or "1024"; units are powers of 1024.

    Raises:
        ValueError: it is not a size; the text says why.
    """
    size = _SIZE.fullmatch(text)
    if size is None:
        raise ValueError("it is not a number with one of the units b, k, m, g, t, p")
    suffix = (size["suffix"] or "b").lower()
    # Through a float, as the Compose tools do: 1.1k is 1126 bytes.
    value = int(float(size["number"]) * 1024 ** _POWERS.get(suffix[0], 0))
    if value > _INT64_MAX:
        raise ValueError("it is larger than 8 EiB")
    return value


def float32(value: float) -> float:
    """The number nearest to ``value`` in single precision, with as few digits as tell it apart.

    Raises:
        ValueError: it is too large for single precision.
    """
    single = _rounded(value)
    if single is None:
        raise ValueError("it is too large")
    shorter = (float(f"{single:.{digits}g}") for digits in range(1, _FLOAT32_DIGITS))
    return next((short for short in shorter if _rounded(short) == single), float(f"{single:.{_FLOAT32_DIGITS}g}"))


def _rounded(value: float) -> float | None:
    """``value`` in single precision; None if it is too large."""
    try:
        rounded: float = struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return None
    return rounded


def number_text(value: float) -> str:
    """A number as the Compose tools turn it into text: 1.0 is "1", 1e30 is "1e+30"."""
    if isinstance(value, int):
        return str(value)
    digits, _, exponent = f"{value!r}".partition("e")
    if not exponent and value == int(value):
        digits = str(int(value))
    plain = abs(value)
    if plain and not 10.0**_GO_MIN_EXPONENT <= plain < 10.0**_GO_MAX_EXPONENT:
        mantissa, _, power = f"{value:e}".partition("e")
        shortest = repr(value).partition("e")[0] if "e" in repr(value) else mantissa.rstrip("0").rstrip(".")
        return f"{shortest.removesuffix('.0')}e{power}"
    return format(value, "f").rstrip("0").rstrip(".") if exponent else digits
