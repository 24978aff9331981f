"""A port in front of a server of HTTP that spoils what goes through it: a registry's, or a Git remote's.

A fault is chosen by whoever holds the port and stays until it is taken back. Connections that hang then are cut, as by
the restart of a server.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

_CLONE_NEWNET = 0x40000000


class PortFault(StrEnum):
    """What becomes of a request."""

    NONE = "none"
    REFUSED = "refused"
    """The connection ends before an answer."""
    BROKEN = "503"
    """The server is there and cannot."""
    TOO_MANY = "429"
    """The server would rather not."""
    HANGING = "hanging"
    """Nothing comes, and the connection stays."""
    CUT = "cut"
    """The answer ends after ``keep_bytes`` bytes."""


def _refusal(status: str) -> bytes:
    body = b'{"errors": [{"code": "UNAVAILABLE", "message": "injected"}]}'
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


_REFUSALS = {
    PortFault.BROKEN: _refusal("503 Service Unavailable"),
    PortFault.TOO_MANY: _refusal("429 Too Many Requests"),
}


class FaultyPort:
    """Passes bytes between clients of ``port`` and a server on this machine, until told otherwise."""

    def __init__(self, upstream: int, *, inside: Path | None = None) -> None:
        """``upstream``: the server's port on 127.0.0.1. ``inside``: the network namespace whose 127.0.0.1 listens."""
        self._upstream = upstream
        self._listener = _listener_in(inside) if inside is not None else _listener()
        self.port = int(self._listener.getsockname()[1])
        self.fault = PortFault.NONE
        self.keep_bytes, self.only = 0, b""
        self.spoiled: Counter[PortFault] = Counter()
        self._well = threading.Event()
        self._well.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def spoil(self, fault: PortFault, keep_bytes: int = 0, *, only: str = "") -> None:
        """From now on, every request has this fault; or those ``only`` that have this in their first line."""
        self.fault, self.keep_bytes, self.only = fault, keep_bytes, only.encode()
        if fault is PortFault.HANGING:
            self._well.clear()
        else:
            self._well.set()

    def mend(self) -> None:
        """All goes through again."""
        self.spoil(PortFault.NONE)

    def close(self) -> None:
        """Listen no more."""
        self.mend()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pump, args=(client,), daemon=True).start()

    def _pump(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._upstream)) as server:
            left: int | None = None
            while True:
                for ready in select.select([client, server], [], [], 0.5)[0]:
                    data = ready.recv(65536)
                    if not data:
                        return
                    if ready is client:
                        fault = self.fault if self.only in data.partition(b"\r\n")[0] else PortFault.NONE
                        self.spoiled[fault] += fault is not PortFault.NONE
                        left = self.keep_bytes if fault is PortFault.CUT else None
                        if not self._asked(client, server, data, fault):
                            return
                    else:
                        client.sendall(data if left is None else data[:left])
                        if left is not None and (left := left - len(data)) <= 0:
                            return

    def _asked(self, client: socket.socket, server: socket.socket, data: bytes, fault: PortFault) -> bool:
        """Whether the connection goes on."""
        if fault is PortFault.HANGING:
            self._well.wait()
            return False
        if fault in _REFUSALS:
            client.sendall(_REFUSALS[fault])
            return False
        if fault is PortFault.REFUSED:
            return False
        server.sendall(data)
        return True


def _listener() -> socket.socket:
    made = socket.socket()
    made.bind(("127.0.0.1", 0))
    made.listen(64)
    return made


def _listener_in(namespace: Path) -> socket.socket:
    """Made by a thread that enters the namespace and ends there; a socket belongs to where it was made."""
    made: list[socket.socket] = []
    failed: list[OSError] = []

    def enter() -> None:
        handle = os.open(namespace, os.O_RDONLY)
        try:
            if ctypes.CDLL(None, use_errno=True).setns(handle, _CLONE_NEWNET):
                failed.append(OSError(ctypes.get_errno(), f"setns {namespace}"))
                return
            made.append(_listener())
        finally:
            os.close(handle)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return made[0]


@contextlib.contextmanager
def faulty_port(upstream: int, *, inside: Path | None = None) -> Iterator[FaultyPort]:
    """One that is closed at the end."""
    port = FaultyPort(upstream, inside=inside)
    try:
        yield port
    finally:
        port.close()
