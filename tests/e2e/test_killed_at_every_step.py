"""kill -9 of the controller at every step of a sync (I2): the next start converges; nothing is doubled or lost."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.checks import look
from tests.support.engine import EngineScope
from tests.support.scenario import PAGE, Controller, Shop, inside
from tests.support.waiting import eventually

pytestmark = [pytest.mark.engine, pytest.mark.e2e]


def _begun(controller: Controller, run: int) -> tuple[int, int]:
    """How many steps of the runs after ``run`` were begun, and how many of those runs are over."""
    rows = controller.ask(
        "SELECT (SELECT count(*) FROM steps WHERE run > ?), "
        " (SELECT count(*) FROM runs WHERE run > ? AND finished_at > '')",
        run,
        run,
    )
    return (rows[0][0], rows[0][1]) if rows else (0, 0)


def kill_at_step(controller: Controller, step: int, run: int) -> bool:
    """Kill it as soon as the journal has the step of that number; False when the sync was over before."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert controller.running, controller.log[-2000:]
        begun, over = _begun(controller, run)
        if begun >= step:
            controller.kill9()
            return True
        if over:
            return False
        # Steps take from one millisecond on; this is the grain of the kill, not a wait for anything.
        time.sleep(0.001)
    raise AssertionError(f"step {step} neither came nor did the sync end: {controller.log[-2000:]}")


def stands_as_in_git(shop: Shop, page: str) -> None:
    """Exactly the objects of the compose file, each once, serving ``page``."""
    shop.eventually_settled()
    there = look(shop.scope)
    assert set(there.containers) == {f"{shop.name}-web-1", f"{shop.name}-store-1"}
    assert all(running for _, _, running in there.containers.values())
    assert set(there.networks) == {f"{shop.name}_front"}
    assert set(there.volumes) == {f"{shop.name}_data"}
    assert inside(shop.scope, f"{shop.name}-store-1", "wget", "-qO-", "http://web:8080/index.html") == page


@pytest.fixture
def still_shop(scope: EngineScope, tmp_path: Path) -> Iterator[Shop]:
    """A shop whose controller was not started yet, and is stopped at the end, whatever happened to it."""
    made = Shop.create(scope, tmp_path)
    yield made
    if made.controller.running:
        made.controller.kill9()
    made.controller.show_log()


def test_killed_at_every_step_of_the_first_sync(still_shop: Shop) -> None:
    """Each time, everything is as it was before the first start."""
    shop, step = still_shop, 1
    while True:
        shop.controller.start()
        killed = kill_at_step(shop.controller, step, 0)
        if killed:
            shop.controller.start()
        stands_as_in_git(shop, "the first page")
        shop.controller.kill9()
        if not killed:
            break
        shop.scope.sweep()
        shutil.rmtree(shop.controller.data_dir)
        step += 1
    assert step > 6, "a network, a volume, an image and two containers take more steps than that"


def test_killed_at_every_step_of_a_change_and_of_its_way_back(still_shop: Shop) -> None:
    """Each push changes the page (a new image, started first) and the store, which has the volume to itself."""
    shop, step = still_shop, 1
    shop.controller.start()
    stands_as_in_git(shop, "the first page")
    data = shop.born()
    while True:
        page = f"page {step}"
        command = (shop.repo.path / "compose.yaml").read_text(encoding="utf-8")
        seconds = 86400 + step
        changed = command.replace(f"sleep {seconds - 1}", f"sleep {seconds}")
        run = shop.controller.last_run()
        shop.push({PAGE: f"{page}\n", "compose.yaml": changed}, page)
        killed = kill_at_step(shop.controller, step, run)
        if killed:
            shop.controller.start()
        stands_as_in_git(shop, page)
        assert shop.born() == data, "the volume has its data"
        if not killed:
            break
        step += 1
    eventually(lambda: len(shop.built_images()) <= step + 1, what="no image is built twice")
    assert step > 6
