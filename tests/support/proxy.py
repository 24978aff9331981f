"""A unix socket in front of the engine's that a test can cut, freeze and close, and that counts what is asked.

What shall go wrong with single requests, and when, is told in tests/support/faults.py.
"""

from __future__ import annotations

import contextlib
import json
import re
import select
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

# A client sends the head of a request as one piece, and no second request before the first is answered.
REQUEST_LINE = re.compile(rb"(GET|HEAD|POST|PUT|DELETE) (\S+) HTTP/1\.[01]\r\n")
READS = ("GET ", "HEAD ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoiled:
    """What becomes of one request and its answer; with the defaults, nothing.

    Attributes:
        delay_s: before the engine hears of it.
        reset: the connection ends before the engine hears of it.
        answered: in place of the engine's answer, after it carried the request out.
        keep_bytes: of the engine's answer; then the connection ends. None: all of it.
        silent: after the first piece of the answer, its head, nothing comes any more, and the connection stays.
    """

    delay_s: float = 0.0
    reset: bool = False
    answered: bytes = b""
    keep_bytes: int | None = None
    silent: bool = False


# What a rule says to a request ("POST /v1.41/containers/create?name=x"): None passes it on, bytes are the answer that
# it gets without the engine hearing of it, and ``Spoiled`` says more.
Rule = Callable[[str], bytes | Spoiled | None]
# The request is passed on and carried out, and its answer is lost.
LOST = Spoiled(keep_bytes=0)


def answer(status: int, message: str, content_type: str = "application/json") -> bytes:
    """A whole answer of HTTP, as the engine words its errors; as text, as a proxy in front of it words its own."""
    body = json.dumps({"message": message}) if content_type == "application/json" else message
    head = f"HTTP/1.1 {status} No\r\nContent-Type: {content_type}\r\nConnection: close\r\n"
    return f"{head}Content-Length: {len(body.encode())}\r\n\r\n{body}".encode()


def _passes(_request: str) -> bytes | Spoiled | None:
    return None


class EngineProxy:
    """Passes bytes between clients of ``path`` and the engine's socket until told otherwise.

    ``requests`` holds every request's method and address, oldest first; ``rule`` may answer in the engine's place.
    """

    def __init__(self, path: Path, upstream: str) -> None:
        self.path = path
        self._upstream = upstream
        self.requests: list[str] = []
        self.rule: Rule = _passes
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._moving = threading.Event()
        self._moving.set()
        self.start()

    @property
    def url(self) -> str:
        """For DOCKER_HOST."""
        return f"unix://{self.path}"

    @property
    def writes(self) -> list[str]:
        """The requests that ask for more than to be told something."""
        return [request for request in self.requests if not request.startswith(READS)]

    def start(self) -> None:
        """Accept connections."""
        self.path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen(32)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def stop(self) -> None:
        """Refuse new connections and cut those there are: the engine is being restarted."""
        self.refuse()
        self.cut()

    def refuse(self) -> None:
        """Refuse new connections and keep those there are: the engine is being stopped."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        self.path.unlink(missing_ok=True)

    def cut(self) -> None:
        """End every connection; new ones are accepted."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def freeze(self) -> None:
        """Keep every connection open and move no more bytes: the engine hangs."""
        self._moving.clear()

    def thaw(self) -> None:
        """Move bytes again."""
        self._moving.set()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self._upstream)
            except OSError:
                # The engine is away: to its clients this looks as if its socket had just been closed.
                client.close()
                server.close()
                continue
            with self._lock:
                self._pairs = [pair for pair in self._pairs if pair[0].fileno() >= 0]
                self._pairs.append((client, server))
            threading.Thread(target=self._pump, args=(client, server), daemon=True).start()

    def _pump(self, client: socket.socket, server: socket.socket) -> None:
        pair = _Pair(client, server)
        with client, server, contextlib.suppress(OSError):
            while True:
                for ready in select.select([client, server], [], [], 0.5)[0]:
                    data = ready.recv(65536)
                    self._moving.wait()
                    if not data:
                        return
                    if ready is server:
                        going_on = pair.answered(data)
                    elif line := REQUEST_LINE.match(data):
                        request = b" ".join(line.groups()).decode()
                        self.requests.append(request)
                        going_on = pair.asked(data, self.rule(request))
                    else:
                        server.sendall(data)
                        going_on = True
                    if not going_on:
                        return


@dataclass(slots=True)
class _Pair:
    """One connection and what becomes of the request on it; what it returns is whether the connection goes on."""

    client: socket.socket
    server: socket.socket
    spoiled: Spoiled = field(default_factory=Spoiled)
    left: int = 0
    answers: int = 0

    def asked(self, data: bytes, told: bytes | Spoiled | None) -> bool:
        if isinstance(told, bytes):
            _end(self.client, told)
            return False
        self.spoiled = told or Spoiled()
        self.left = self.spoiled.keep_bytes or 0
        if self.spoiled.reset:
            return False
        time.sleep(self.spoiled.delay_s)
        self.server.sendall(data)
        return True

    def answered(self, data: bytes) -> bool:
        if self.spoiled.answered:
            _end(self.client, self.spoiled.answered)
            return False
        self.answers += 1
        if self.spoiled.keep_bytes is None:
            if not self.spoiled.silent or self.answers == 1:
                self.client.sendall(data)
            return True
        self.client.sendall(data[: self.left])
        self.left -= len(data)
        return self.left > 0


def _end(client: socket.socket, refusal: bytes) -> None:
    """Answer and hang up, after the rest of the request was read: it may still be on its way."""
    client.sendall(refusal)
    client.shutdown(socket.SHUT_WR)
    while client.recv(65536):
        pass
