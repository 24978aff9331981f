"""``trimtab terminate`` ends a sync within a moment, whatever it is in the middle of, and what ran before runs on."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.support.engine import EngineScope
from tests.support.proxy import EngineProxy, Spoiled
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
