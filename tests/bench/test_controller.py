"""Issue 2, Speed: what a running controller costs, and how soon it acts."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.bench.conftest import Projects
from tests.bench.contenders import Call, Watching, as_installed, trimtab, watching
from tests.bench.figures import Figures
from tests.bench.project import compose_text, service_name
from tests.bench.rawapi import PROJECT, RawApi
from tests.support.gitrepo import GitRepo
from tests.support.waiting import eventually
from trimtab.model.keys import AppKey
from trimtab.model.status import HealthStatus
from trimtab.model.trigger import Trigger, TriggerKind
from trimtab.runtime.clock import SystemClock
from trimtab.store.sqlite import SqliteStore

pytestmark = [pytest.mark.bench, pytest.mark.engine]

MEBIBYTE = 1024 * 1024
PASSES = 200


@pytest.fixture
def watched(tmp_path: Path, engine_url: str, projects: Projects, services: int) -> Iterator[Watching]:
    """A controller at rest over as many containers as the project has services."""
    name = projects.name("w")
    with watching(tmp_path, name, name, engine_url, compose_text(services)) as one:
        one.at_rest(300.0)
        yield one


def test_a_running_controller(watched: Watching, raw: RawApi, figures: Figures, services: int, rounds: int) -> None:
    nothing_to_do(watched, figures, services)
    push_to_first_call(watched, figures, services, rounds * 4)
    killed_container(watched, raw, figures, services, rounds * 3)


def nothing_to_do(one: Watching, figures: Figures, services: int) -> None:
    """A pass that finds everything as it should be asks the engine nothing."""
    took, calls = [], []
    for _ in range(PASSES):
        trigger = Trigger(kind=TriggerKind.FOLLOW_UP, at=SystemClock().now())
        before, began = len(one.controller.seen), time.perf_counter()
        one.controller.reconciler.reconcile(one.app, trigger, threading.Event())
        took.append((time.perf_counter() - began) * 1000)
        calls.append(sum(call.thread == threading.get_ident() for call in one.controller.seen[before:]))
    figures.add(f"a pass with nothing to do, {services} containers", "ms", took, target=10.0)
    figures.add("the engine calls of such a pass", "calls", calls, target=0.0)
    # On an engine that others use, a container of theirs that comes or goes is looked at once.
    assert sum(count == 0 for count in calls) > PASSES * 0.8


def push_to_first_call(one: Watching, figures: Figures, services: int, times: int) -> None:
    """From the move of a local branch to the first request that changes something because of it."""
    delays = []
    for number in range(times):
        moved = one.push(compose_text(services, {number % services}, f"p{number}"))
        one.released(one.repo.head())
        first = next(call for call in one.calls_since(moved) if call.method != "GET")
        delays.append((first.began - moved) * 1000)
        one.at_rest()
    figures.add(f"push to the engine's first call, one of {services} changed", "ms", delays, target=150.0)


def killed_container(one: Watching, raw: RawApi, figures: Figures, services: int, times: int) -> None:
    """From a kill to the container running again, without the time that the engine takes to start it."""
    beyond, starts = [], []
    for number in range(min(times, services)):
        name = f"{one.app.name}-{service_name(services - 1 - number)}-1"
        container = raw("GET", f"/containers/{name}/json")["Id"]
        killed = time.time()
        raw("POST", f"/containers/{container}/kill")
        start = eventually(partial(first_start, one, killed), what=f"{name} is started again", every_s=0.02)
        one.at_rest()
        assert raw("GET", f"/containers/{container}/json")["State"]["Running"]
        beyond.append(start.began - killed)
        starts.append(start.seconds)
    figures.add("a killed container running again, beyond the engine's own start", "s", beyond, target=0.5)
    figures.add("the engine's own start of it", "s", starts)


def first_start(one: Watching, moment: float) -> Call:
    """The first start of a container after a moment, once it is over."""
    starts = [call for call in one.calls_since(moment) if call.kind == "/containers/{}/start"]
    assert starts, "none yet"
    return starts[0]


def test_memory_and_idle_cpu(  # noqa: PLR0917 - fixtures
    tmp_path: Path, engine_url: str, raw: RawApi, projects: Projects, figures: Figures, services: int, idle_s: float
) -> None:
    containers, name = services * 2, projects.name("m")
    repo = GitRepo.create(tmp_path, {"compose.yaml": compose_text(containers)}, name=name)
    data = tmp_path / "data"
    command = trimtab("run", "--repo", str(repo.remote), "--data-dir", str(data), "--installation", name)
    with (tmp_path / "run.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--listen", "127.0.0.1:0"], env=as_installed(engine_url), stdout=log, stderr=log
        )
    try:
        await_healthy(process, data, name, tmp_path / "run.log")
        assert len(raw.listed("/containers/json", f"{PROJECT}={name}")) == containers
        # Threads of the deployment end after their idle time; what stays is what the controller is.
        time.sleep(min(idle_s, 35.0))
        before, began = cpu_s(process.pid), time.monotonic()
        time.sleep(idle_s)
        used = (cpu_s(process.pid) - before) / (time.monotonic() - began) * 100
        memory = memory_of(process.pid)
        figures.add(f"resident memory of `trimtab run`, {containers} containers", "MiB", memory["VmRSS"], target=80.0)
        figures.add("the most it ever had", "MiB", memory["VmHWM"])
        figures.add(f"CPU of `trimtab run` at rest, over {idle_s:.0f} s", "% of a core", used, target=0.5)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def await_healthy(process: subprocess.Popen[bytes], data: Path, name: str, log: Path) -> None:
    """Until the controller says that all is well."""
    eventually((data / "trimtab.db").exists, what="the store is made")
    store = SqliteStore(data, SystemClock(), strict=True)

    def healthy() -> bool:
        if process.poll() is not None:
            raise RuntimeError(log.read_text(encoding="utf-8")[-3000:])
        status = store.statuses.get(AppKey("default", name))
        return status is not None and status.health is HealthStatus.HEALTHY

    try:
        eventually(healthy, what=f"{name} healthy", timeout_s=300.0, every_s=0.5)
    finally:
        store.close()


def cpu_s(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_of(pid: int) -> dict[str, float]:
    """MiB by the kernel's names."""
    lines = (line.split() for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines())
    return {words[0].rstrip(":"): int(words[1]) * 1024 / MEBIBYTE for words in lines if words[0].startswith("Vm")}


def test_help_is_quick(engine_url: str, figures: Figures) -> None:
    environment, took = as_installed(engine_url), []
    for _ in range(6):
        began = time.perf_counter()
        subprocess.run(trimtab("--help"), env=environment, capture_output=True, check=True)
        took.append(time.perf_counter() - began)
    figures.add("trimtab --help", "s", took[1:], target=0.3, note=f"first time {took[0]:.2f} s")
