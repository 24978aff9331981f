"""The HTTP side over a real engine: plans of what is there, and the output of containers as it comes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import docker
import httpx
import pytest

from tests.support.engine import BASE_IMAGE, EngineScope
from tests.support.gitrepo import GitRepo
from tests.support.waiting import eventually
from trimtab import wiring
from trimtab.backends.engine.output import ApplicationOutput
from trimtab.config import Config, RepositoryConfig
from trimtab.model.keys import AppKey
from trimtab.model.status import AppStatus, HealthStatus, SyncStatus
from trimtab.observability.events import EventFanOut
from trimtab.observability.metrics import Metrics
from trimtab.runtime.carry import Carrier
from trimtab.runtime.clock import SystemClock
from trimtab.web.server import serve
from trimtab.wiring.readside import ReadSide

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("ignore::ResourceWarning")]

COMPOSE = """\
services:
  web:
    image: {image}
    init: true
    command: [sh, -c, "echo started; exec sleep 86400"]
"""


@pytest.fixture
def address(scope: EngineScope, tmp_path: Path) -> Iterator[str]:
    """A server whose application's plan was not carried out yet."""
    repo = GitRepo.create(tmp_path, {f"{scope.name}/compose.yaml": COMPOSE.format(image=BASE_IMAGE)})
    config, clock, metrics = Config(data_dir=tmp_path / "data", installation=scope.name), SystemClock(), Metrics()
    store, engine = wiring.open_store(config), wiring.open_engine(config, keep_key=True)
    planner = wiring.open_planner(engine, store, config)
    repository = wiring.open_repository(RepositoryConfig(url=repo.url), config)
    catalog = wiring.open_catalog([repository], store, config, planner)
    catalog.refresh(repository)
    key, events = AppKey.parse(scope.name), EventFanOut(store.events, metrics)
    store.statuses.put(AppStatus(app=key, sync=SyncStatus.OUT_OF_SYNC, health=HealthStatus.MISSING))
    engine.driver.watch(lambda _event: None)
    reading = ReadSide(
        store=store,
        catalog=catalog,
        planner=planner,
        events=events,
        metrics=metrics,
        clock=clock,
        ping_engine=engine.client.ping,
        repositories_ready=lambda: "",
        open_output=partial(ApplicationOutput, engine.driver),
    )
    server = serve("127.0.0.1:0", reading)
    try:
        before = httpx.get(f"{server.address}/api/v1/applications/default/{key}/plan", trust_env=False).json()
        assert {(c["verb"], c["kind"]) for c in before["changes"]} == {("create", "network"), ("create", "container")}
        view = catalog.view(key)
        assert view is not None
        assert view.application is not None
        assert view.snapshot is not None
        desired = planner.desired(view.application, view.snapshot)
        look = planner.look(key, desired, application=view.application, snapshot=view.snapshot)
        assert look.plan.id == before["planId"]
        carried = Carrier(engine.driver, store, events, clock).carry_out(
            look, cancelled=threading.Event(), trigger="test"
        )
        assert carried.done, carried.error
        yield server.address
    finally:
        server.stop()
        catalog.close()
        engine.close()
        store.close()


def test_the_plan_is_empty_once_it_was_carried_out_and_tells_drift(
    address: str, scope: EngineScope, docker_api: docker.APIClient
) -> None:
    place = f"{address}/api/v1/applications/default/{scope.name}"
    assert httpx.get(f"{address}/readyz", trust_env=False).status_code == 200
    assert httpx.get(f"{place}/plan", trust_env=False).json()["empty"] is True
    docker_api.remove_container(f"{scope.name}-web-1", force=True)

    def drift() -> bool:
        changes = httpx.get(f"{place}/plan", trust_env=False).json()["changes"]
        return [(c["verb"], c["reason"]) for c in changes] == [("create", "missing")]

    eventually(drift, what="the plan says that the container is missing")


def test_a_log_is_followed_over_a_restart_and_ends_with_its_reader(
    address: str, scope: EngineScope, docker_api: docker.APIClient
) -> None:
    place = f"{address}/api/v1/applications/default/{scope.name}/logs"
    assert httpx.get(place, trust_env=False).text == "web-1 | started\n"
    assert httpx.get(f"{place}?service=nobody", trust_env=False).status_code == 404
    with (
        httpx.Client(timeout=60, trust_env=False) as client,
        client.stream("GET", f"{place}?follow=true") as answer,
    ):
        lines = answer.iter_lines()
        assert next(lines) == "web-1 | started"
        docker_api.restart(f"{scope.name}-web-1", timeout=1)
        assert next(lines) == "web-1 | started"
    eventually(
        lambda: not [t for t in threading.enumerate() if t.name.startswith("trimtab-log")],
        what="nobody reads that log any more",
    )
