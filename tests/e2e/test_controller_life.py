"""One controller at a time, gone and come back: what is on the engine goes on, and nothing of it is touched."""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.checks import look, recorded
from tests.support.engine import EngineScope
from tests.support.proxy import EngineProxy
from tests.support.scenario import Controller, Shop, free_port, running
from tests.support.waiting import eventually

pytestmark = [pytest.mark.engine, pytest.mark.e2e]


@pytest.fixture(scope="module")
def running_shop(module_scope: EngineScope, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop whose remote is asked every second, so that one that is away is soon noticed and soon found again."""
    made = Shop.create(
        module_scope, tmp_path_factory.mktemp("shop"), port=free_port(), options=("--poll-interval", "1s")
    )
    with running(made.controller):
        yield made


def test_sigterm_ends_it_soon_and_the_containers_go_on(shop: Shop) -> None:
    before = look(shop.scope)
    began = time.monotonic()
    assert shop.controller.stop() == 0
    assert time.monotonic() - began < 10
    assert look(shop.scope) == before
    assert shop.page() == "the first page"
    with recorded(shop.scope) as happened:
        shop.controller.start()
        shop.push({"notes": "x\n"}, "so that a look can be seen")
        shop.eventually_settled()
    assert happened.sentences == []
    assert look(shop.scope) == before


def test_a_second_controller_is_refused_while_the_first_lives_and_takes_over_when_it_is_killed(shop: Shop) -> None:
    before = look(shop.scope)
    second = Controller(shop.scope.name, (shop.repo.remote,), shop.controller.folder.parent / "second")
    refused = second.trimtab("run", "--repo", str(shop.repo.remote), "--listen", "off")
    assert refused.code == 3, refused.text
    assert shop.scope.name in refused.err
    assert shop.controller.running

    shop.controller.kill9()
    try:
        with running(second), recorded(shop.scope) as happened:
            dataclasses.replace(shop, controller=second).eventually_settled()
            assert look(shop.scope) == before
        assert happened.sentences == []
    finally:
        shop.controller.start()
    shop.eventually_settled()


def test_without_its_data_directory_it_knows_its_own_and_changes_nothing(shop: Shop) -> None:
    before, images, data = look(shop.scope), shop.built_images(), shop.born()
    assert shop.controller.stop() == 0
    shutil.rmtree(shop.controller.data_dir)

    with recorded(shop.scope) as happened:
        shop.controller.start()
        shop.eventually_settled()
    assert happened.sentences == [], "nothing was made, changed or removed"
    assert look(shop.scope) == before

    # And it is still the owner: it builds on, and prunes.
    shop.push_page("after the loss")
    shop.eventually_serves("after the loss")
    shop.eventually_settled()
    assert shop.born() == data
    assert len(shop.built_images() - images) == 1
    assert set(look(shop.scope).containers) == set(before.containers)


def test_a_remote_that_is_away_changes_nothing_and_is_followed_again(shop: Shop) -> None:
    away = shop.repo.remote.with_name("away.git")
    before = look(shop.scope)
    shop.repo.remote.rename(away)
    try:
        eventually(
            lambda: shop.controller.status(shop.name)["sync"] == "Unknown", what="it is said that Git cannot be read"
        )
        assert look(shop.scope) == before
        shop.scope.api.remove_container(f"{shop.name}-web-1", force=True)
        shop.eventually_serves("the first page")
        assert shop.controller.trimtab("status", shop.name).code == 0
    finally:
        away.rename(shop.repo.remote)
    # Also without a newer commit: nobody goes on saying that it cannot be read.
    shop.eventually_settled()
    shop.push_page("Git is back")
    shop.eventually_serves("Git is back")
    shop.eventually_settled()


def test_a_second_apply_asks_nothing_of_the_engine_but_how_it_is(
    scope: EngineScope, tmp_path: Path, engine_url: str
) -> None:
    if not engine_url.startswith("unix://"):
        pytest.skip("the proxy that counts is for engines on a local socket")
    proxy = EngineProxy(tmp_path / "engine.sock", engine_url.removeprefix("unix://"))
    try:
        shop = Shop.create(scope, tmp_path, port=free_port())
        shop.controller.environment = {"DOCKER_HOST": proxy.url}
        repo = ("--repo", str(shop.repo.remote))
        first = shop.controller.trimtab("apply", *repo, "--yes")
        assert first.code == 0, first.text
        assert proxy.writes, "the proxy counts"
        assert shop.page() == "the first page"

        proxy.requests.clear()
        before = look(scope)
        second = shop.controller.trimtab("apply", *repo)
        assert second.code == 0, second.text
        assert "nothing to do" in second.out
        assert proxy.requests, "the engine was asked"
        assert proxy.writes == []
        assert look(scope) == before

        planned = shop.controller.trimtab("plan", *repo, "--detailed-exitcode")
        assert planned.code == 0, planned.text
        assert proxy.writes == []
    finally:
        proxy.stop()
