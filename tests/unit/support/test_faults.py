"""The proxy and its faults, with a small server in the engine's place: what comes back, and what was carried out."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.faults import AtCall, ByChance, Fault, kind_of
from tests.support.proxy import EngineProxy

BODY = b"x" * 4000


class Engine:
    """Answers every request with the same, and keeps what it heard."""

    def __init__(self, path: Path) -> None:
        self.heard: list[str] = []
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
            threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            if head := client.recv(65536).decode():
                self.heard.append(" ".join(head.split()[:2]))
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY))


class Client(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("engine", timeout=10)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(str(self.path))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = Engine(tmp_path / "e.sock")
    yield made
    made.listener.close()


@pytest.fixture
def proxy(tmp_path: Path, engine: Engine) -> Iterator[EngineProxy]:
    made = EngineProxy(tmp_path / "p.sock", str(tmp_path / "e.sock"))
    yield made
    made.stop()


def ask(proxy: EngineProxy, method: str = "POST", path: str = "/v1.41/containers/create?name=w1") -> tuple[int, bytes]:
    client = Client(proxy.path)
    try:
        client.request(method, path)
        answer = client.getresponse()
        return answer.status, answer.read()
    finally:
        client.close()


@pytest.mark.parametrize(("fault", "heard"), [(Fault.REFUSED, 0), (Fault.BROKEN, 1)])
def test_an_error_before_or_after_the_engine_heard_of_it(
    proxy: EngineProxy, engine: Engine, fault: Fault, heard: int
) -> None:
    proxy.rule = AtCall("POST /containers/create", fault)
    status, body = ask(proxy)
    assert (status, b"injected" in body) == (500, True)
    assert len(engine.heard) == heard
    assert ask(proxy) == (200, BODY), "only once"


@pytest.mark.parametrize(("fault", "heard"), [(Fault.RESET, 0), (Fault.LOST, 1), (Fault.TRUNCATED, 1)])
def test_a_connection_that_ends_before_or_after_the_engine_heard_of_it(
    proxy: EngineProxy, engine: Engine, fault: Fault, heard: int
) -> None:
    proxy.rule = AtCall("create", fault, seed=3)
    with pytest.raises((http.client.HTTPException, OSError)):
        ask(proxy)
    assert len(engine.heard) == heard


def test_the_nth_call_of_a_kind_and_no_other(proxy: EngineProxy, engine: Engine) -> None:
    proxy.rule = AtCall("POST", Fault.REFUSED, nth=2)
    assert [ask(proxy, method)[0] for method in ("GET", "POST", "GET", "POST", "POST")] == [200, 200, 200, 500, 200]
    assert len(engine.heard) == 4


def test_an_engine_that_is_away_does_not_end_the_proxy(proxy: EngineProxy, engine: Engine, tmp_path: Path) -> None:
    engine.listener.shutdown(socket.SHUT_RDWR)
    engine.listener.close()
    (tmp_path / "e.sock").unlink()
    with pytest.raises((http.client.HTTPException, OSError)):
        ask(proxy)
    again = Engine(tmp_path / "e.sock")
    assert ask(proxy) == (200, BODY)
    again.listener.close()


def test_the_same_seed_gives_the_same_faults_in_whatever_order_threads_ask() -> None:
    requests = [f"{m} /v1.41/containers/{'ab' * 32}/{verb}" for m in ("GET", "POST") for verb in ("json", "start")]
    one, other, third = ByChance("7", 0.5), ByChance("7", 0.5), ByChance("8", 0.5)
    first = [one(request) for _ in range(20) for request in requests]
    for request in requests:
        for _ in range(20):
            other(request)
            third(request)
    assert len(first) == 80
    assert sorted(one.told) == sorted(other.told) != sorted(third.told)
    assert set(one.injected) == set(Fault)


def test_what_differs_from_run_to_run_is_no_part_of_a_kind() -> None:
    assert kind_of(f"POST /v1.43/containers/{'0a' * 32}/stop?t=1") == "POST /containers/{}/stop"
    assert kind_of("GET /_ping") == "GET /_ping"
