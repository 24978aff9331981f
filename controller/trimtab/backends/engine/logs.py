"""A container's output as lines: the engine's multiplexed stream taken apart, and the last lines for error messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from trimtab.backends.engine.client import EngineClient
from trimtab.backends.engine.logstream import frames
from trimtab.errors import TrimtabError

if TYPE_CHECKING:
    from requests import Response

TAIL_LINES = 30
_LINE_LENGTH = 1000


def plain_lines(response: Response, *, tty: bool = False) -> Iterator[str]:
    """Lines of stdout and stderr as they come; a terminal's output has no frames."""
    rest, chunks = b"", response.iter_content(chunk_size=None)
    for piece in chunks if tty else (payload for _, payload in frames(chunks)):
        *lines, rest = (rest + piece).split(b"\n")
        yield from (_text(line) for line in lines)
    if rest:
        yield _text(rest)


def tail(client: EngineClient, container_id: str, lines: int = TAIL_LINES) -> tuple[str, ...]:
    """A container's last lines; empty where its log driver keeps none, because this only adorns an error."""
    params = {"stdout": "1", "stderr": "1", "tail": str(lines)}
    try:
        inspect = client.call("GET", f"/containers/{container_id}/json", what="inspect container", key=container_id)
        path = f"/containers/{container_id}/logs"
        with client.open("GET", path, what="read the log", key=container_id, params=params, timeout_s=5.0) as response:
            return tuple(plain_lines(response, tty=bool(inspect["Config"].get("Tty"))))[-lines:]
    except (TrimtabError, OSError):
        return ()


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r")[:_LINE_LENGTH]
