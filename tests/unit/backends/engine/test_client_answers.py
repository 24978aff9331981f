"""Answers that end too early: an outage, and never an answer that says nothing."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from trimtab.backends.engine.client import EngineClient
from trimtab.errors import BackendUnavailable

PING = b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nOK"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
BODY = b'{"Labels": {"a": "b"}}\n'
WHOLE = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY


class Engine:
    """Gives every request but a ping the same answer."""

    def __init__(self, path: Path) -> None:
        self.answer = WHOLE
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(8)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client, contextlib.suppress(OSError):
                while request := client.recv(65536):
                    client.sendall(PING if b"_ping" in request else self.answer)
                    if b"_ping" not in request:
                        break


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = Engine(tmp_path / "e.sock")
    yield made
    made.listener.shutdown(socket.SHUT_RDWR)
    made.listener.close()


@pytest.fixture
def client(tmp_path: Path, engine: Engine) -> Iterator[EngineClient]:
    made = EngineClient(f"unix://{tmp_path}/e.sock", environment={})
    yield made
    made.close()


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_I11_an_answer_that_was_cut_off_anywhere_is_an_outage(
    client: EngineClient, engine: Engine, method: str
) -> None:
    """I11: whatever the engine's answer lacks, it is waited for; nothing is concluded from a part."""
    assert client.call(method, "/volumes/v", what="read") == {"Labels": {"a": "b"}}
    for length in range(len(WHOLE)):
        engine.answer = WHOLE[:length]
        with pytest.raises(BackendUnavailable, match="read"):
            client.call(method, "/volumes/v", what="read")


def test_a_document_that_ends_with_the_connection_is_whole(client: EngineClient, engine: Engine) -> None:
    engine.answer = HEAD + b"\r\n" + BODY
    assert client.call("GET", "/volumes/v", what="read") == {"Labels": {"a": "b"}}


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_no_content_is_no_part_of_an_answer(client: EngineClient, engine: Engine, status: str) -> None:
    engine.answer = f"HTTP/1.1 {status}\r\n\r\n".encode()
    assert client.call("POST", "/containers/c/start", what="start") is None
