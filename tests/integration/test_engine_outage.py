"""An engine that restarts, hangs or is away is noticed, told, survived (I11): a real one, behind a socket to cut."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.support.driving import KEY, Driving
from tests.support.engine import EngineScope
from tests.support.proxy import EngineProxy, Spoiled
from tests.support.waiting import eventually
from trimtab.backends.engine import driver as driver_module
from trimtab.backends.engine import events as events_module
from trimtab.backends.engine.client import EngineClient
from trimtab.backends.engine.driver import EngineDriver
from trimtab.backends.engine.events import EventStream
from trimtab.errors import BackendUnavailable
from trimtab.model.events import EngineEvent
from trimtab.model.keys import Kind

pytestmark = [
    pytest.mark.engine,
    # docker-py drops a unix socket whose connect failed without closing it; the collector does.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def proxy(tmp_path: Path, engine_url: str) -> Iterator[EngineProxy]:
    if not engine_url.startswith("unix://"):
        pytest.skip("the proxy is for engines on a local socket")
    made = EngineProxy(tmp_path / "engine.sock", engine_url.removeprefix("unix://"))
    yield made
    made.thaw()
    made.stop()
    # Here, where the mark above applies, and not in somebody else's test.
    gc.collect()


@pytest.fixture
def drive(scope: EngineScope, proxy: EngineProxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Driving]:
    # Waits of half a minute, shortened: what is proved is that they end.
    monkeypatch.setattr(driver_module, "EventStream", lambda *a, **k: EventStream(*a, **k, idle_s=1.0))
    client = EngineClient(proxy.url, timeout_s=2.0)
    driver = EngineDriver(client, installation=scope.name, seal_key=KEY)
    yield Driving(scope.name, client, driver)
    driver.close()


def _watch(drive: Driving) -> list[EngineEvent]:
    seen: list[EngineEvent] = []
    drive.driver.watch(seen.append)
    eventually(lambda: seen, what="the stream is connected")
    assert [e.action for e in seen] == ["connected"]
    return seen


def _told(seen: list[EngineEvent], action: str) -> bool:
    return any(e.kind == "engine" and e.action == action for e in seen)


def test_a_restart_is_survived_and_what_happened_meanwhile_is_seen(
    drive: Driving, proxy: EngineProxy, docker_api: docker.APIClient
) -> None:
    container = drive.do(drive.container())["id"]
    seen = _watch(drive)
    assert drive.live(Kind.CONTAINER, "web") is not None
    proxy.stop()
    eventually(lambda: _told(seen, "disconnected"), what="it is told that the engine is away", timeout_s=10)
    with pytest.raises(BackendUnavailable):
        drive.driver.observe(drive.app)
    docker_api.remove_container(container)
    proxy.start()
    eventually(lambda: _told(seen, "reconnected"), what="it is told that the engine is back", timeout_s=15)
    assert drive.live(Kind.CONTAINER, "web") is None
    again = drive.do(drive.container())["id"]
    eventually(lambda: any(e.handle == again for e in seen), what="events flow again", timeout_s=10)


def test_a_hanging_engine_is_noticed(drive: Driving, proxy: EngineProxy) -> None:
    seen = _watch(drive)
    proxy.freeze()
    began = time.monotonic()
    with pytest.raises(BackendUnavailable):
        drive.driver.observe(drive.app, fresh=True)
    eventually(lambda: _told(seen, "disconnected"), what="the hanging stream is noticed", timeout_s=15)
    assert time.monotonic() - began < 20
    proxy.thaw()
    eventually(lambda: _told(seen, "reconnected"), what="it works again", timeout_s=20)


def test_silence_is_no_outage(drive: Driving, proxy: EngineProxy) -> None:
    lost: list[object] = []
    # Of a kind that nobody's tests have: there is silence, whatever others do on this engine.
    stream = EventStream(
        drive.client,
        on_event=lost.append,
        on_connected=lambda: None,
        on_disconnected=lost.append,
        kinds=("node",),
        idle_s=0.5,
    )
    stream.start()
    try:
        eventually(lambda: drive.client.calls.snapshot()["GET /_ping"] >= 2, what="silence was checked twice")
        assert lost == []
        assert stream.connected.is_set()
    finally:
        stream.stop()


def test_a_stream_that_only_seems_to_be_open_is_opened_anew_and_what_it_did_not_tell_is_known(
    drive: Driving, proxy: EngineProxy, docker_api: docker.APIClient
) -> None:
    """The other end is gone without a word, as behind a firewall that forgot the connection: no event, no end."""
    half_open: list[str] = []

    def swallows_the_first(request: str) -> Spoiled | None:
        if "/events" not in request or half_open:
            return None
        half_open.append(request)
        return Spoiled(silent=True)

    proxy.rule = swallows_the_first
    seen = _watch(drive)
    container = drive.do(drive.container())["id"]
    assert drive.live(Kind.CONTAINER, "web") is not None
    docker_api.remove_container(container)
    eventually(lambda: drive.live(Kind.CONTAINER, "web") is None, what="the removal is known", timeout_s=10)
    assert [event.action for event in seen if event.handle == container] == ["create", "destroy"]
    assert not _told(seen, "disconnected"), "the engine was well all the time"
    assert len(half_open) == 1


def test_a_kept_connection_that_was_cut_is_opened_again(drive: Driving, proxy: EngineProxy) -> None:
    drive.driver.observe(drive.app)
    proxy.cut()
    time.sleep(0.1)
    assert drive.driver.observe(drive.app, fresh=True).live == {}


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_hundred_reconnections_leave_nothing_behind(
    drive: Driving, proxy: EngineProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measured with 1,000: ten descriptors and four threads at the first as at the last."""
    monkeypatch.setattr(events_module, "_FIRST_PAUSE_S", 0.001)
    seen = _watch(drive)

    def connections() -> int:
        return sum(e.kind == "engine" and e.action != "disconnected" for e in seen)

    def held() -> tuple[int, int]:
        return _descriptors(), threading.active_count()

    at_first = held()
    for number in range(1, 101):
        proxy.cut()
        eventually(lambda number=number: connections() > number, what=f"connection {number}", every_s=0.002)  # type: ignore[misc]
    eventually(lambda: held() <= at_first, what=f"descriptors and threads are back at {at_first}", timeout_s=10)


def test_threads_that_ended_leave_no_connections(drive: Driving) -> None:
    drive.client.ping()
    before = _descriptors()
    for _ in range(20):
        thread = threading.Thread(target=drive.client.ping)
        thread.start()
        thread.join()
    # The newest one is closed when the next one comes; each has two ends and the proxy's other two, in this process.
    eventually(lambda: _descriptors() <= before + 4, what="their sockets are closed", timeout_s=10)
