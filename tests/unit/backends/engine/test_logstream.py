"""Frames and lines of a container's log, however the bytes arrive."""

from __future__ import annotations

import struct
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from trimtab.backends.engine.logstream import frames, lines
from trimtab.backends.engine.output import _just_after

AT = "2026-01-02T03:04:05.000000001Z"
STREAMS = {1: "stdout", 2: "stderr"}


def frame(kind: int, payload: bytes) -> bytes:
    return struct.pack(">BxxxL", kind, len(payload)) + payload


def message(kind: int, text: bytes, at: str = AT) -> bytes:
    return frame(kind, f"{at} ".encode() + text)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in pairwise(edges)]


texts = st.text(st.characters(blacklist_characters="\n\r", blacklist_categories=["Cs"]), max_size=30)


@given(st.lists(st.tuples(st.sampled_from([1, 2]), texts)), st.lists(st.integers(0, 10_000), max_size=20))
def test_lines_are_the_same_however_the_bytes_arrive(said: list[tuple[int, str]], places: list[int]) -> None:
    data = b"".join(message(kind, text.encode() + b"\n") for kind, text in said)
    assert list(lines(cut(data, places), tty=False)) == [(STREAMS[kind], AT, text) for kind, text in said]


@given(st.lists(texts), st.lists(st.integers(0, 10_000), max_size=20))
def test_a_terminals_lines_have_no_frames(said: list[str], places: list[int]) -> None:
    data = b"".join(f"{AT} {text}\r\n".encode() for text in said)
    assert list(lines(cut(data, places), tty=True)) == [("stdout", AT, text) for text in said]


def test_a_long_line_in_several_messages_is_one_line_again() -> None:
    long = b"x" * 16384
    data = message(1, long) + message(2, b"between\n") + message(1, b"end\n", "2026-01-02T03:04:06.000000000Z")
    assert list(lines([data], tty=False)) == [("stderr", AT, "between"), ("stdout", AT, long.decode() + "end")]
    stamped = f"{AT} ".encode()
    assert list(lines([stamped + long + stamped + long + stamped + b"end\r\n"], tty=True)) == [
        ("stdout", AT, "x" * 32768 + "end")
    ]


def test_a_line_without_an_end_is_shown_at_the_end_and_never_fills_the_memory() -> None:
    assert list(lines([message(1, b"prompt> ")], tty=False)) == [("stdout", AT, "prompt> ")]
    endless = (message(1, b"y" * 16384) for _ in range(200))
    found = list(lines(endless, tty=False))
    assert sum(len(text) for _, _, text in found) == 200 * 16384
    assert max(len(text) for _, _, text in found) <= (1 << 20)


def test_a_frame_that_was_cut_off_is_dropped_and_foreign_bytes_are_shown() -> None:
    assert list(frames([frame(1, b"whole") + frame(1, b"cut")[:-1]])) == [("stdout", b"whole")]
    assert list(lines([message(1, b"\xff\xfe\n")], tty=False)) == [("stdout", AT, "\ufffd\ufffd")]


def test_reading_goes_on_a_nanosecond_later() -> None:
    assert _just_after("1970-01-01T00:00:01.999999999Z") == "2.000000000"
    assert _just_after("1970-01-01T01:00:01.000000000+01:00") == "1.000000001"
