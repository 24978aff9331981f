"""Waiting for containers: what ends it, how soon, and what it says when it goes wrong. On the real engine."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from tests.support.driving import Driving, driving
from tests.support.engine import EngineScope
from trimtab.backends.engine.steps import (
    AwaitCompleted,
    AwaitHealthy,
    AwaitRunning,
    Existing,
    RemoveContainer,
    StopContainer,
)
from trimtab.errors import Conflict, DeadlineExceeded, TransientError, UnhealthyRelease

pytestmark = pytest.mark.engine
NS = 1_000_000_000


@pytest.fixture(scope="module")
def drive(module_scope: EngineScope, engine_url: str) -> Iterator[Driving]:
    with driving(module_scope.name, engine_url) as made:
        yield made


def _check(command: str, **more: int) -> dict[str, object]:
    return {"Test": ["CMD-SHELL", command], "Interval": NS // 2, "Timeout": 2 * NS, "Retries": 2, **more}


def test_running(drive: Driving) -> None:
    container, step = drive.run("runs")
    began = time.monotonic()
    drive.do(AwaitRunning(container=Existing(container), name=step.name))
    assert time.monotonic() - began < 3
    container, step = drive.run("ends", Config={"Cmd": ["sh", "-c", "echo last words; exit 3"]})
    with pytest.raises(UnhealthyRelease, match="exit code 3") as caught:
        drive.do(AwaitRunning(container=Existing(container), name=step.name, settle_s=1))
    assert caught.value.log_tail == ("last words",)


def test_what_somebody_stops_while_it_is_waited_for_is_no_fault_of_the_release(drive: Driving) -> None:
    check = _check("false", Retries=100)
    container, step = drive.run("stopped", Config={"Cmd": ["sleep", "600"], "Healthcheck": check})
    stopping = threading.Timer(1.0, drive.do, [StopContainer(container=Existing(container), name=step.name, grace_s=0)])
    stopping.start()
    with pytest.raises(Conflict, match="ended from outside"):
        drive.do(AwaitHealthy(container=Existing(container), name=step.name))
    stopping.join()
    container, step = drive.run("own", Config={"Cmd": ["sh", "-c", "sleep 0.5; exit 255"], "Healthcheck": check})
    with pytest.raises(UnhealthyRelease, match="exit code 255"):
        drive.do(AwaitHealthy(container=Existing(container), name=step.name))


def test_a_crash_loop_is_no_running(drive: Driving) -> None:
    loop = {"NetworkMode": "none", "RestartPolicy": {"Name": "always", "MaximumRetryCount": 0}}
    container, step = drive.run("loops", Config={"Cmd": ["sh", "-c", "sleep 0.3; exit 1"]}, HostConfig=loop)
    with pytest.raises(UnhealthyRelease, match="exited right after"):
        drive.do(AwaitRunning(container=Existing(container), name=step.name, settle_s=5))
    drive.do(_kill(container, step.name))


def test_healthy_is_noticed_by_its_event(drive: Driving) -> None:
    check = _check("test -e /tmp/ok")
    command = ["sh", "-c", "sleep 1; touch /tmp/ok; sleep 600"]
    container, step = drive.run("healthy", Config={"Cmd": command, "Healthcheck": check})
    before = drive.client.calls.snapshot()
    drive.do(AwaitHealthy(container=Existing(container), name=step.name))
    asked = (drive.client.calls.snapshot() - before)["GET /containers/{}/json"]
    assert asked <= 8
    # Once more, with earlier restarts or not: healthy is healthy.
    drive.do(AwaitHealthy(container=Existing(container), name=step.name))


def test_unhealthy_says_why(drive: Driving) -> None:
    command = ["sh", "-c", "echo from the log; sleep 600"]
    container, step = drive.run(
        "ill", Config={"Cmd": command, "Healthcheck": _check("echo cannot reach the store; exit 1")}
    )
    with pytest.raises(UnhealthyRelease, match="cannot reach the store") as caught:
        drive.do(AwaitHealthy(container=Existing(container), name=step.name))
    assert caught.value.log_tail == ("from the log",)


def test_an_exit_a_deadline_and_no_check(drive: Driving) -> None:
    container, step = drive.run(
        "dies", Config={"Cmd": ["sh", "-c", "sleep 0.5"], "Healthcheck": _check("false", StartPeriod=60 * NS)}
    )
    with pytest.raises(UnhealthyRelease, match="before it became healthy: exit code 0"):
        drive.do(AwaitHealthy(container=Existing(container), name=step.name))
    container, step = drive.run("slow", Config={"Healthcheck": _check("false", StartPeriod=60 * NS)})
    with pytest.raises(UnhealthyRelease, match="did not become healthy within 1 s"):
        drive.do(AwaitHealthy(container=Existing(container), name=step.name), timeout_s=1.0)
    container, step = drive.run("unchecked")
    with pytest.raises(UnhealthyRelease, match="no health check"):
        drive.do(AwaitHealthy(container=Existing(container), name=step.name))


def test_completed(drive: Driving) -> None:
    container, step = drive.run("job", Config={"Cmd": ["sh", "-c", "sleep 0.5; exit 0"]})
    drive.do(AwaitCompleted(container=Existing(container), name=step.name))
    container, step = drive.run("failing", Config={"Cmd": ["sh", "-c", "echo oh; exit 9"]})
    with pytest.raises(UnhealthyRelease, match="exit code 9") as caught:
        drive.do(AwaitCompleted(container=Existing(container), name=step.name))
    assert caught.value.log_tail == ("oh",)
    container, step = drive.run("endless")
    with pytest.raises(DeadlineExceeded, match="did not complete within"):
        drive.do(AwaitCompleted(container=Existing(container), name=step.name), timeout_s=0.5)


def test_cancelling_returns_soon(drive: Driving) -> None:
    container, step = drive.run("cancelled")
    cancelled = threading.Event()
    threading.Timer(0.5, cancelled.set).start()
    began = time.monotonic()
    with pytest.raises(TransientError, match="cancelled"):
        drive.do(AwaitCompleted(container=Existing(container), name=step.name), cancelled=cancelled)
    assert time.monotonic() - began < 3


def test_removed_meanwhile(drive: Driving) -> None:
    container, step = drive.run("removed")
    threading.Timer(0.5, lambda: drive.do(_kill(container, step.name))).start()
    with pytest.raises((Conflict, UnhealthyRelease)):
        drive.do(AwaitCompleted(container=Existing(container), name=step.name), timeout_s=20)


def _kill(container: str, name: str) -> RemoveContainer:
    return RemoveContainer(container=Existing(container), name=name, force=True)
