"""One container's log as timed lines: the engine's frames taken apart, lines put together again across them.

Timestamps are always asked for: they order the lines of several containers, and they tell where to go on after a
connection ended. Pure, but for the iterable of bytes that it is given.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator

# Source: Engine API, ContainerAttach: stream type, three zeros, length (big endian), then that many bytes.
_FRAME = struct.Struct(">BxxxL")
_STREAMS = {1: "stdout", 2: "stderr"}
# Source: moby, jsonmessage.RFC3339NanoFixed, which every log message is prefixed with.
_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(?:Z|[+-]\d\d:\d\d)) ")
# Source: moby daemon/logger/copier.go: a longer line is stored as several messages of this size.
_MESSAGE_BYTES = 16 * 1024
# A program that never ends its line must not fill our memory.
_LINE_BYTES = 1 << 20

# stream, time, text
Line = tuple[str, str, str]


def lines(chunks: Iterable[bytes], *, tty: bool) -> Iterator[Line]:
    """Lines as they come; a terminal's output has no frames and one stream."""
    return _terminal(chunks) if tty else _framed(chunks)


def frames(chunks: Iterable[bytes]) -> Iterator[tuple[str, bytes]]:
    """Stream and payload of each complete frame; one that was cut off at the end is dropped."""
    buffer = bytearray()
    for chunk in chunks:
        buffer += chunk
        while len(buffer) >= _FRAME.size:
            kind, length = _FRAME.unpack_from(buffer)
            end = _FRAME.size + length
            if len(buffer) < end:
                break
            yield _STREAMS.get(kind, "stdout"), bytes(buffer[_FRAME.size : end])
            del buffer[:end]


def _framed(chunks: Iterable[bytes]) -> Iterator[Line]:
    """Each frame is one message, which is a line or a part of a long one."""
    begun: dict[str, tuple[str, bytes]] = {}
    for stream, payload in frames(chunks):
        at, text = _stamped(payload)
        first_at, before = begun.pop(stream, (at, b""))
        text = before + text
        if text.endswith(b"\n") or len(text) >= _LINE_BYTES:
            for line in text.removesuffix(b"\n").split(b"\n"):
                yield stream, first_at, _text(line)
        else:
            begun[stream] = (first_at, text)
    for stream, (at, text) in begun.items():
        yield stream, at, _text(text)


def _terminal(chunks: Iterable[bytes]) -> Iterator[Line]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        if len(rest) >= _LINE_BYTES:
            whole, rest = [*whole, rest], b""
        for line in whole:
            yield _unwrapped(line)
    if rest:
        yield _unwrapped(rest)


def _unwrapped(line: bytes) -> Line:
    """A terminal's line without the times that stand before each of its messages."""
    at, text = _stamped(line)
    parts = []
    while len(text) > _MESSAGE_BYTES and (stamp := _STAMP.match(text, _MESSAGE_BYTES)):
        parts.append(text[:_MESSAGE_BYTES])
        text = text[stamp.end() :]
    return "stdout", at, _text(b"".join([*parts, text]))


def _stamped(message: bytes) -> tuple[str, bytes]:
    stamp = _STAMP.match(message)
    return (stamp[1].decode("ascii"), message[stamp.end() :]) if stamp else ("", message)


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r")
