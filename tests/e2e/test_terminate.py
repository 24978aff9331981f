"""``trimtab terminate`` ends a sync within a moment, whatever it is in the middle of, and what ran before runs on."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.support.engine import BASE_IMAGE, EngineScope
from tests.support.faulty_port import FaultyPort, PortFault, faulty_port
from tests.support.proxy import EngineProxy, Spoiled
from tests.support.pushed import Pushed
from tests.support.registry import running_registry
from tests.support.scenario import Shop, running
from tests.support.waiting import eventually

pytestmark = [pytest.mark.engine, pytest.mark.e2e]

# From the command's answer to the end of the sync: a moment of the product's own, and a busy machine's on top.
SOON_S = 8.0


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory, engine_url: str) -> Iterator[EngineProxy]:
    if not engine_url.startswith("unix://"):
        pytest.skip("the proxy is for engines on a local socket")
    made = EngineProxy(tmp_path_factory.mktemp("engine") / "engine.sock", engine_url.removeprefix("unix://"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def running_shop(
    module_scope: EngineScope, proxy: EngineProxy, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    """A shop whose controller reaches the engine through the proxy."""
    made = Shop.create(module_scope, tmp_path_factory.mktemp("shop"))
    made.controller.environment = {"DOCKER_HOST": proxy.url}
    with running(made.controller):
        yield made


@pytest.fixture
def shop(running_shop: Shop) -> Shop:
    return running_shop.is_at_its_first_version()


def is_terminated_soon(shop: Shop, run: int) -> None:
    before = len(shop.controller.events(shop.name, "SyncTerminated"))
    said = shop.controller.trimtab("terminate", shop.name)
    told_at = time.monotonic()
    assert (said.code, "told to stop" in said.text) == (0, True), said.text
    eventually(
        lambda: len(shop.controller.events(shop.name, "SyncTerminated")) > before,
        what="the sync has ended",
        timeout_s=SOON_S,
    )
    assert time.monotonic() - told_at < SOON_S
    assert shop.controller.last_run() == run + 1, "it is not begun again by itself"


def test_in_the_middle_of_a_call_that_the_engine_does_not_answer(shop: Shop, proxy: EngineProxy) -> None:
    before, run = shop.containers(), shop.controller.last_run()
    asked: list[str] = []

    def hangs(request: str) -> Spoiled | None:
        if request.startswith("POST ") and "/containers/create" in request:
            asked.append(request)
            return Spoiled(delay_s=25.0)
        return None

    proxy.rule = hangs
    try:
        shop.push(shop.edit("GREETING: hello", "GREETING: again"), "stuck")
        eventually(lambda: asked, what="the engine was asked")
        is_terminated_soon(shop, run)
    finally:
        proxy.rule = lambda _request: None
        proxy.cut()
    assert shop.containers() == before


def test_while_it_waits_for_a_health_check(shop: Shop) -> None:
    before, run = shop.containers(), shop.controller.last_run()
    shop.push(shop.edit("retries: 2}", "retries: 2, start_period: 90s}") | {"web/site/well": None}, "never well")
    eventually(
        lambda: any("AwaitHealthy" in step for step in shop.controller.steps(after_run=run)), what="it waits for health"
    )
    is_terminated_soon(shop, run)
    eventually(lambda: shop.containers() == before, what="the replacement is taken away again")


def test_in_a_hook_of_a_service(shop: Shop) -> None:
    before, run = shop.containers(), shop.controller.last_run()
    shop.push(
        shop.edit("environment: {GREETING: hello}", "post_start: [{command: [sleep, '90']}]\n    environment: {A: b}"),
        "a long hook",
    )
    eventually(lambda: any("ExecHook" in step for step in shop.controller.steps(after_run=run)), what="the hook runs")
    is_terminated_soon(shop, run)
    eventually(lambda: shop.containers() == before, what="the replacement is taken away again")


MIGRATE = """
  migrate:
    image: {image}
    init: true
    command: [sh, -c, "echo migrating; sleep {seconds}; echo migrated"]
    stop_grace_period: 1s
    x-trimtab: {{hook: PreSync}}
  tell:
    image: {image}
    command: [echo, "it failed"]
    x-trimtab: {{hook: SyncFail}}
"""


def test_in_a_hook_which_is_stopped_and_runs_again_in_the_next_sync(shop: Shop) -> None:
    """As Argo CD does: a hook that runs goes, no hook of a failure is begun, and another sync begins anew."""
    before, run = shop.containers(), shop.controller.last_run()
    text = (shop.repo.path / "compose.yaml").read_text(encoding="utf-8")
    hooked = text.replace(
        "networks: {front: {}}", MIGRATE.format(image=BASE_IMAGE, seconds=90) + "networks: {front: {}}"
    )
    shop.push({"compose.yaml": hooked, "web/site/migrated": "1"}, "a long migration")
    eventually(lambda: _migrations(shop, "running"), what="the migration runs")
    is_terminated_soon(shop, run)
    assert shop.containers() == before, "neither the migration nor anything of the new version"
    told = shop.controller.ask("SELECT name, outcome, log FROM task_runs WHERE task = 'migrate'")
    assert [(outcome, log.split()) for _, outcome, log in told] == [("Terminated", ["migrating"])]
    assert "Terminated" in shop.controller.trimtab("jobs", shop.name).out
    assert not shop.controller.ask("SELECT name FROM task_runs WHERE task = 'tell'")
    # The very same release, asked for by hand, and left alone: the migration is begun once more.
    asked = subprocess.Popen(shop.controller.command("sync", shop.name), env=shop.controller.variables())
    try:
        eventually(lambda: _migrations(shop, "running"), what="the migration runs again")
    finally:
        asked.kill()
        asked.wait()
    shop.push({"compose.yaml": hooked.replace("sleep 90", "sleep 0")}, "a short one")
    # A newer commit does not end a migration: it waits for it. A person does.
    eventually(lambda: shop.controller.last_run() == run + 3, what="the newer commit is being carried out")
    assert _migrations(shop, "running")
    is_terminated_soon(shop, run + 2)
    assert not _migrations(shop)
    assert shop.controller.trimtab("sync", shop.name).code == 0
    shop.eventually_settled()
    assert shop.controller.ask("SELECT outcome FROM task_runs WHERE task = 'migrate' ORDER BY at DESC LIMIT 1") == [
        ("Succeeded",)
    ]


def _migrations(shop: Shop, status: str = "") -> list[str]:
    filters = {"name": f"{shop.name}-migrate-", **({"status": status} if status else {})}
    return [item["Id"] for item in shop.scope.api.containers(all=True, filters=filters)]


def test_in_a_build(shop: Shop) -> None:
    before, run = shop.containers(), shop.controller.last_run()
    # So many seconds that nobody else sleeps for them.
    seconds = 90_000 + int(shop.name[-4:], 16)
    dockerfile = shop.edit("COPY site /srv", f"RUN sleep {seconds}\nCOPY site /srv", "web/Dockerfile")
    shop.push(dockerfile, "a long build")
    eventually(lambda: _sleepers(seconds), what="it is being built", timeout_s=60)
    is_terminated_soon(shop, run)
    assert shop.containers() == before
    eventually(lambda: not _sleepers(seconds), what="the build has ended on the engine, too", timeout_s=30)


def _sleepers(seconds: int) -> list[str]:
    """Processes: what BuildKit's steps run is in no list of containers."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found += [entry.parent.name] if entry.read_bytes() == f"sleep\0{seconds}\0".encode() else []
    return found


def test_in_a_pull_which_is_done_by_the_next_sync(shop: Shop, hanging: tuple[FaultyPort, Pushed]) -> None:
    port, pushed = hanging
    before, run = shop.containers(), shop.controller.last_run()
    name = f"{shop.name}-pulled"
    pushed.name = name
    pushed.push("1", {"RELEASE": "1"})
    ref = f"127.0.0.1:{port.port}/{name}:1"
    try:
        # What asks for the manifest before the plan begins has its answer; no layer ever comes.
        port.spoil(PortFault.HANGING, only="/blobs/")
        shop.push(shop.edit(f"image: {BASE_IMAGE}", f"image: {ref}"), "a registry that hangs")
        eventually(
            lambda: any("PullImage" in s for s in shop.controller.steps(after_run=run)), what="it is being pulled"
        )
        is_terminated_soon(shop, run)
        assert shop.containers() == before
        port.mend()
        assert shop.controller.trimtab("sync", shop.name).code == 0
        shop.eventually_settled()
        assert shop.container("store").image == ref
        assert shop.container("web") == before[f"{shop.name}-web-1"]
    finally:
        port.mend()


@pytest.fixture
def hanging(docker_api: docker.APIClient, registry_server: str, tmp_path: Path) -> Iterator[tuple[FaultyPort, Pushed]]:
    """A registry of this machine behind a port that spoils."""
    with (
        running_registry(registry_server, tmp_path / "registry") as server,
        faulty_port(int(server.address.rpartition(":")[2])) as port,
    ):
        yield port, Pushed.create(docker_api, server.address, "none")


def test_when_nothing_runs_it_says_what_is_waited_for(shop: Shop) -> None:
    window = "{kind: allow, schedule: '0 0 1 1 *', duration: 1m}"
    settings = f"x-trimtab: {{syncPolicy: {{windows: [{window}]}}}}\n"
    shop.push(shop.edit("volumes: {data: {}}\n", f"volumes: {{data: {{}}}}\n{settings}") | {"web/site/x": "y"}, "later")
    shop.eventually_says("waits for the window that opens")
    said = shop.controller.trimtab("terminate", shop.name)
    assert "no sync is running; it waits for the window that opens" in said.text
    # A newer commit does not wait for what the older one waited for.
    shop.push(Shop.files(shop.name, None) | {"web/site/x": None, "web/site/z": "z"}, "without a window")
    shop.eventually_settled()
