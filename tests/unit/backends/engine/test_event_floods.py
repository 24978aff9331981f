"""Ten thousand events of somebody else's: nothing of ours is missed, and the engine is asked next to nothing."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.waiting import eventually
from trimtab.backends.engine.client import EngineClient
from trimtab.backends.engine.driver import EngineDriver
from trimtab.backends.engine.labels import labels_for
from trimtab.model.events import EngineEvent
from trimtab.model.keys import AppKey, Kind, ResourceKey

KEY = b"a key for tests, of 32 bytes....."
OURS = ResourceKey(AppKey("default", "shop"), Kind.CONTAINER, "web", 1)
LABELS = labels_for(OURS, name="shop-web-1", digest="d", revision="r", installation="i", seal_key=KEY)
SECONDS = 1_800_000_000


def event(action: str, handle: str, number: int, **attributes: str) -> bytes:
    told = {
        "Type": "container",
        "Action": action,
        "Actor": {"ID": handle, "Attributes": {"name": handle[:8], **attributes}},
        "timeNano": SECONDS * 1_000_000_000 + number,
    }
    return json.dumps(told).encode() + b"\n"


class Engine:
    """Has one container of ours and tells of what ``say`` is given; everything that is asked is counted."""

    def __init__(self, path: Path) -> None:
        self.asked: Counter[str] = Counter()
        self.streams: list[socket.socket] = []
        self.there = True
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(32)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            stack.enter_context(client)
            while request := client.recv(65536):
                path = request.split()[1].decode().partition("?")[0].partition("/v1.41")[2] or "/_ping"
                self.asked[path if "0123" not in path else "/containers/other/json"] += 1
                if path == "/events":
                    client.sendall(
                        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                    )
                    stack.pop_all()
                    self.streams.append(client)
                    return
                status, body = self._answer(path)
                head = f"HTTP/1.1 {status}\r\nApi-Version: 1.41\r\nContent-Type: application/json\r\n"
                client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    def _answer(self, path: str) -> tuple[str, bytes]:
        container = {"Id": "web", "Name": "/shop-web-1", "Names": ["/shop-web-1"], "State": {"Status": "running"}}
        match path:
            case "/_ping":
                return "200 OK", b"{}"
            case "/info":
                return "200 OK", b'{"ID": "e", "SystemTime": "2026-01-01T00:00:00Z", "ServerVersion": "20.10.24"}'
            case "/containers/json":
                return "200 OK", json.dumps([{**container, "Labels": LABELS}] if self.there else []).encode()
            case "/containers/web/json" if self.there:
                return "200 OK", json.dumps({**container, "Config": {"Labels": LABELS}}).encode()
            case "/networks":
                return "200 OK", b"[]"
            case "/volumes":
                return "200 OK", b'{"Volumes": []}'
        return "404 Not Found", b'{"message": "No such container"}'

    def say(self, *lines: bytes) -> None:
        """Tell of these, in one piece."""
        chunk = b"".join(lines)
        self.streams[-1].sendall(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = Engine(tmp_path / "e.sock")
    yield made
    made.listener.shutdown(socket.SHUT_RDWR)
    made.listener.close()
    for stream in made.streams:
        stream.close()


@pytest.fixture
def driver(tmp_path: Path, engine: Engine) -> Iterator[EngineDriver]:
    made = EngineDriver(EngineClient(f"unix://{tmp_path}/e.sock", environment={}), installation="i", seal_key=KEY)
    yield made
    made.close()


def test_ten_thousand_events_of_others_cost_no_call_and_ours_is_seen(engine: Engine, driver: EngineDriver) -> None:
    seen: list[EngineEvent] = []
    driver.watch(seen.append)
    eventually(lambda: engine.streams, what="the stream is connected", every_s=0.01)
    eventually(lambda: seen, what="it is told", every_s=0.01)
    assert OURS in driver.observe().live
    before, began = engine.asked.copy(), time.process_time()
    lives = [("create", "start", "die", "destroy")] * 2500
    for number, actions in enumerate(lives):
        engine.say(*(event(action, f"0123{number:060}", 4 * number + n) for n, action in enumerate(actions)))
    engine.there = False
    engine.say(event("die", "web", 10_001, **LABELS), event("destroy", "web", 10_002, **LABELS))
    eventually(lambda: seen[-1].action == "destroy", what="ours is told of", every_s=0.01)
    assert [told.action for told in seen[1:]] == ["die", "destroy"]
    assert OURS not in driver.observe().live
    assert dict(engine.asked - before) == {"/containers/web/json": 1}
    # A busy machine takes what it takes; this is no more than the reading of ten thousand lines of JSON.
    assert time.process_time() - began < 10


def test_very_many_new_objects_are_looked_at_together(engine: Engine, driver: EngineDriver) -> None:
    driver.watch(lambda _told: None)
    eventually(lambda: engine.streams, what="the stream is connected", every_s=0.01)
    driver.observe()
    before = engine.asked.copy()
    for number in range(1000):
        engine.say(event("create", f"0123{number:060}", number))
    engine.say(event("oom", "web", 1001, **LABELS))

    def looked() -> bool:
        driver.observe()
        return engine.asked["/containers/json"] > before["/containers/json"]

    eventually(looked, what="it is looked at everything", every_s=0.05)
    assert (engine.asked - before)["/containers/other/json"] <= 100


def test_what_is_no_event_ends_the_stream_and_another_is_opened(engine: Engine, driver: EngineDriver) -> None:
    seen: list[EngineEvent] = []
    driver.watch(seen.append)
    eventually(lambda: seen, what="the stream is connected", every_s=0.01)
    engine.say(b"<html>502 Bad Gateway</html>\n")
    eventually(lambda: len(engine.streams) == 2, what="another stream is opened", timeout_s=10, every_s=0.01)
    eventually(
        lambda: [told.action for told in seen] == ["connected", "disconnected", "reconnected"], what="it is told"
    )
    # Cut in the middle of a line, with the end of the connection.
    engine.say(event("die", "web", 5, **LABELS)[:40])
    engine.streams[-1].shutdown(socket.SHUT_RDWR)
    eventually(lambda: len(engine.streams) == 3, what="a third one", timeout_s=10, every_s=0.01)
    eventually(lambda: seen[-1].action == "reconnected", what="it is told")
    assert OURS in driver.observe().live
    engine.say(event("die", "web", 6, **LABELS))
    eventually(lambda: seen[-1].action == "die", what="events flow", timeout_s=20)
