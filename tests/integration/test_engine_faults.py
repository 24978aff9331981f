"""An engine that fails, hangs or is stuck: each operation ends within its deadline, says so, and can be done again."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.support.driving import KEY, Driving
from tests.support.engine import EngineScope
from tests.support.proxy import LOST, EngineProxy, Spoiled, answer
from tests.support.waiting import eventually
from trimtab.backends.engine import container_calls
from trimtab.backends.engine.client import EngineClient
from trimtab.backends.engine.driver import EngineDriver
from trimtab.backends.engine.steps import (
    AwaitCompleted,
    AwaitHealthy,
    AwaitRunning,
    ConnectNetwork,
    Existing,
    RemoveContainer,
    RemoveNetwork,
    RenameContainer,
    RestartContainer,
    StartContainer,
    StopContainer,
    UpdateContainer,
)
from trimtab.errors import BackendUnavailable, ConfigError, Conflict, TransientError
from trimtab.model.keys import Kind

pytestmark = [
    pytest.mark.engine,
    # docker-py drops a unix socket whose connect failed without closing it; the collector does.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
# The longest that a call may take here: enough for a create on a busy machine.
DEADLINE_S = 5.0


@pytest.fixture
def proxy(tmp_path: Path, engine_url: str) -> Iterator[EngineProxy]:
    if not engine_url.startswith("unix://"):
        pytest.skip("the proxy is for engines on a local socket")
    made = EngineProxy(tmp_path / "engine.sock", engine_url.removeprefix("unix://"))
    yield made
    made.thaw()
    made.stop()


@pytest.fixture
def drive(scope: EngineScope, proxy: EngineProxy) -> Iterator[Driving]:
    client = EngineClient(proxy.url, timeout_s=DEADLINE_S)
    driver = EngineDriver(client, installation=scope.name, seal_key=KEY)
    yield Driving(scope.name, client, driver)
    driver.close()


def _steps(drive: Driving) -> list[tuple[str, Callable[[], Any], Callable[[dict[str, Any]], bool]]]:
    """Steps that each write once: name, the step, and whether a container's inspect shows that it was done."""
    container = Existing(drive.run(HostConfig={"NetworkMode": "bridge", "Init": True})[0])
    name = f"{drive.name}-web-1"
    front = f"{drive.name}_front"
    endpoint = {"Aliases": ["web"]}
    return [
        ("networks/create", drive.network, lambda _: True),
        ("volumes/create", drive.volume, lambda _: True),
        (
            "connect",
            lambda: ConnectNetwork(container=container, name=name, network=front, endpoint=endpoint),
            lambda c: front in c["NetworkSettings"]["Networks"],
        ),
        (
            "update",
            lambda: UpdateContainer(container=container, name=name, host_config={"CpuShares": 77}),
            lambda c: c["HostConfig"]["CpuShares"] == 77,
        ),
        (
            "rename",
            lambda: RenameContainer(container=container, name=f"{name}-old"),
            lambda c: c["Name"] == f"/{name}-old",
        ),
        (
            "restart",
            lambda: RestartContainer(container=container, name=name, grace_s=0),
            lambda c: c["State"]["Running"],
        ),
        (
            "stop",
            lambda: StopContainer(container=container, name=name, grace_s=0),
            lambda c: not c["State"]["Running"],
        ),
        ("start", lambda: StartContainer(container=container, name=name), lambda c: c["State"]["Running"]),
    ]


@pytest.mark.parametrize("fault", [answer(500, "something broke in the engine"), LOST], ids=["500", "answer lost"])
def test_each_step_that_failed_can_be_done_again(
    drive: Driving, proxy: EngineProxy, docker_api: docker.APIClient, fault: bytes | Spoiled
) -> None:
    for word, step, done in _steps(drive):
        made = step()
        proxy.rule = lambda request, word=word: fault if request.startswith("POST") and f"/{word}" in request else None
        if fault != LOST:
            with pytest.raises(BackendUnavailable, match="something broke in the engine") as caught:
                drive.do(made)
            assert drive.name in caught.value.message
            assert caught.value.hint
        else:
            # Some look whether it was done after all, and are content.
            with contextlib.suppress(TransientError):
                drive.do(made)
        proxy.rule = lambda _: None
        drive.do(made)
        found = docker_api.containers(all=True, filters={"name": drive.name})
        assert len(found) == 1
        assert done(docker_api.inspect_container(found[0])), word
    assert len(docker_api.networks(names=[f"{drive.name}_front"])) == 1


def test_a_create_whose_answer_was_lost_makes_no_second_container(
    drive: Driving, proxy: EngineProxy, docker_api: docker.APIClient
) -> None:
    proxy.rule = lambda request: LOST if "/containers/create" in request else None
    step = drive.container()
    with pytest.raises(BackendUnavailable, match=step.name):
        drive.do(step)
    (made,) = docker_api.containers(all=True, filters={"name": step.name})
    proxy.rule = lambda _: None
    assert drive.do(step)["id"] == made["Id"]


@pytest.mark.parametrize("verb", ["create", "start", "update", "inspect", "await"])
def test_a_hang_ends_at_the_deadline(
    drive: Driving, proxy: EngineProxy, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    container_id, step = drive.run()
    # A start may take two minutes; what is proved is that it ends.
    monkeypatch.setattr(container_calls, "STARTING_S", DEADLINE_S)
    container = Existing(container_id)
    work: dict[str, Callable[[], object]] = {
        "create": lambda: drive.do(drive.container("other")),
        "start": lambda: drive.do(StartContainer(container=container, name=step.name)),
        "update": lambda: drive.do(UpdateContainer(container=container, name=step.name, host_config={"CpuShares": 77})),
        "inspect": lambda: drive.driver.observe(drive.app, fresh=True),
        "await": lambda: drive.do(AwaitHealthy(container=container, name=step.name), timeout_s=300),
    }
    proxy.freeze()
    began = time.monotonic()
    with pytest.raises(BackendUnavailable, match=r"no answer from the engine in time|does not answer") as caught:
        work[verb]()
    assert time.monotonic() - began < 3 * DEADLINE_S
    assert caught.value.hint
    proxy.thaw()
    eventually(lambda: drive.driver.observe(drive.app, fresh=True).live, what="it works again")


def test_a_container_that_is_being_removed_for_ever_is_given_up(
    drive: Driving, proxy: EngineProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container_calls, "REMOVAL_S", 1.0)
    made, step = drive.do(drive.container())["id"], drive.container()
    stuck = answer(409, f"removal of container {made} is already in progress")
    proxy.rule = lambda request: stuck if request.startswith("DELETE") else None
    began = time.monotonic()
    with pytest.raises(Conflict, match="has been removing it for over 1 s") as caught:
        drive.do(RemoveContainer(container=Existing(made), name=step.name, force=True))
    assert time.monotonic() - began < 4
    assert f"docker rm -f {made[:12]}" in caught.value.hint
    proxy.rule = lambda _: None
    drive.do(RemoveContainer(container=Existing(made), name=step.name, force=True))


def test_a_network_with_endpoints_that_nobody_has_is_reported_at_once(drive: Driving, proxy: EngineProxy) -> None:
    step = drive.network()
    handle = drive.do(step)["id"]
    stuck = answer(403, f"error while removing network: network {step.name} id {handle} has active endpoints")
    proxy.rule = lambda request: stuck if request.startswith("DELETE") else None
    tries = len(proxy.requests)
    with pytest.raises(Conflict, match="nothing is attached to it") as caught:
        drive.do(RemoveNetwork(handle=handle, name=step.name))
    assert "restart" in caught.value.hint
    assert len(proxy.requests) - tries == 2, "asked once, and looked once"


def test_a_proxy_that_forbids_a_call_is_told_apart_from_the_engine(drive: Driving, proxy: EngineProxy) -> None:
    barred = answer(
        403,
        "<html><body><h1>403 Forbidden</h1>\nRequest forbidden by administrative rules.\n</body></html>",
        "text/html",
    )
    proxy.rule = lambda request: barred if request.startswith("POST") else None
    with pytest.raises(ConfigError, match="in front of the engine forbids it") as caught:
        drive.do(drive.network())
    assert "engine-api.md" in caught.value.hint


@pytest.mark.parametrize("wait", [AwaitHealthy, AwaitRunning, AwaitCompleted])
def test_an_engine_that_goes_away_ends_a_wait(drive: Driving, proxy: EngineProxy, wait: Any) -> None:
    check = {"Test": ["CMD", "false"], "Interval": 1_000_000_000, "Retries": 100, "StartPeriod": 600_000_000_000}
    container_id, step = drive.run(Config={"Healthcheck": check})
    threading.Timer(1.0, proxy.stop).start()
    began = time.monotonic()
    with pytest.raises(TransientError, match=r"engine (does not answer|ended)"):
        drive.do(wait(container=Existing(container_id), name=step.name), timeout_s=300)
    assert time.monotonic() - began < 15
    proxy.start()
    eventually(lambda: drive.live(Kind.CONTAINER, "web"), what="it works again")


def test_events_that_are_cut_over_and_over_lose_nothing(
    drive: Driving, proxy: EngineProxy, docker_api: docker.APIClient
) -> None:
    seen: list[object] = []
    drive.driver.watch(seen.append)
    eventually(lambda: seen, what="the stream is connected")
    stop = threading.Event()

    def cutting() -> None:
        while not stop.wait(0.15):
            proxy.cut()

    cutter = threading.Thread(target=cutting)
    cutter.start()
    try:
        made = [
            docker_api.create_container(
                "busybox:1.36", name=f"{drive.name}-x-{n}", labels={"trimtab.test/run": drive.name}
            )
            for n in range(6)
        ]
        for container in made[:3]:
            docker_api.remove_container(container["Id"])
    finally:
        stop.set()
        cutter.join()
    left = {(Kind.CONTAINER, f"{drive.name}-x-{n}") for n in (3, 4, 5)}

    def found() -> bool:
        foreign = drive.driver.observe(drive.app).foreign
        return {k for k in foreign if drive.name in str(k)} == left

    eventually(found, what="what was made and removed is known", timeout_s=20)
