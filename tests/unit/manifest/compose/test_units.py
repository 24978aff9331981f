from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.manifest.compose.units import (
    float32,
    format_duration,
    number_text,
    parse_duration,
    parse_duration_ns,
    parse_integer,
    parse_number,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "seconds", "printed"),
    [
        ("0", 0, "0s"),
        ("1m30s", 90, "1m30s"),
        ("90s", 90, "1m30s"),
        ("1.5h", 5400, "1h30m0s"),
        ("2d", 172_800, "48h0m0s"),
        ("1w", 604_800, "168h0m0s"),
        ("500ms", 0.5, "500ms"),
        ("1.5s", 1.5, "1.5s"),
        ("100us", 0.0001, "100µs"),
        ("100µs", 0.0001, "100µs"),
        ("7ns", 7e-9, "7ns"),
        ("-5s", -5, "-5s"),
        ("+5s", 5, "5s"),
        (".5s", 0.5, "500ms"),
        ("1h5s", 3605, "1h0m5s"),
        ("61.001s", 61.001, "1m1.001s"),
    ],
)
def test_durations_are_read_and_printed(text: str, seconds: float, printed: str) -> None:
    assert parse_duration(text) == pytest.approx(seconds)
    assert format_duration(parse_duration_ns(text)) == printed


@pytest.mark.parametrize("text", ["", "-", "5", "soon", "5 s", ".s", "1x", "s", "1..5s", "1s5", "999999999999h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_duration_ns(text)


@given(st.integers(-(2**63) + 1, 2**63 - 1))
def test_a_printed_duration_is_read_back(nanoseconds: int) -> None:
    assert parse_duration_ns(format_duration(nanoseconds)) == nanoseconds


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1024", 1024),
        ("64m", 64 * 1024**2),
        ("64M", 64 * 1024**2),
        ("64mb", 64 * 1024**2),
        ("64MiB", 64 * 1024**2),
        ("1.5g", 3 * 1024**3 // 2),
        ("1.1k", 1126),
        ("10 kb", 10240),
        ("2t", 2 * 1024**4),
        ("1p", 1024**5),
        ("5b", 5),
        (".5k", 512),
        ("7.", 7),
    ],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "lots", "-1", "1x", "1kbb", "1bb", "1 2", "10  k", "0x10", "1_000", "9000p"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_size(text)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_single_precision_is_kept_with_few_digits(number: float) -> None:
    short = float32(number)
    assert struct.pack("f", short) == struct.pack("f", number)
    assert float(f"{short:.9g}") == short


def test_single_precision_drops_what_it_cannot_hold() -> None:
    assert float32(0.1) == 0.1
    assert float32(0.123456789) == 0.12345679
    assert float32(1.3644169484905433e-05) == 1.36441695e-05
    with pytest.raises(ValueError, match="too large"):
        float32(1e300)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (1.0, "1"),
        (1.5, "1.5"),
        (-2.25, "-2.25"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (1.5e30, "1.5e+30"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (0.0000125, "1.25e-05"),
        (0.0, "0"),
        (123456789.5, "123456789.5"),
    ],
)
def test_numbers_as_text(value: float, text: str) -> None:
    assert number_text(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_as_text_is_the_same_number(value: float) -> None:
    assert float(number_text(value)) == value


@pytest.mark.parametrize("text", [" 1", "1_0", "", "1.5", "one", "٣"])
def test_whole_numbers_are_read_strictly(text: str) -> None:
    assert parse_integer("-5") == -5
    with pytest.raises(ValueError, match="whole number"):
        parse_integer(text)


@pytest.mark.parametrize("text", [" 1", "1_0", "", "nan", "inf", "1e", "."])
def test_numbers_are_read_strictly(text: str) -> None:
    assert parse_number("1.5e2") == 150
    with pytest.raises(ValueError, match="not a number"):
        parse_number(text)
