"""The engine dies under the controller: it says so, and all runs again by itself when that is back (I11)."""

from __future__ import annotations

import contextlib
from pathlib import Path

import docker
import pytest

from tests.support import engine, own_engine
from tests.support.engine import EngineScope
from tests.support.gitrepo import GitRepo
from tests.support.scenario import PATIENCE_S, Controller, Shop, running
from tests.support.waiting import eventually

pytestmark = [pytest.mark.engine, pytest.mark.e2e, pytest.mark.alone]

COMPOSE = """\
name: {name}
services:
  web: &service
    image: {image}
    init: true
    stop_grace_period: 1s
    command: [sh, -c, "test -e /data/born || head -c 12 /dev/urandom | base64 >/data/born; exec sleep 86400"]
    volumes: ["data:/data"]
volumes: {{data: {{}}}}
"""


def test_it_recovers_from_an_engine_that_was_killed(docker_api: docker.APIClient, tmp_path: Path) -> None:
    if (reason := own_engine.why_none()) is not None:
        pytest.skip(reason)
    name = EngineScope(docker_api).name
    files = {"compose.yaml": COMPOSE.format(name=name, image=engine.BASE_IMAGE)}
    repo = GitRepo.create(tmp_path, files, name=name)
    with own_engine.own_engine(name, docker_api) as own:
        controller = Controller(name, (repo.remote,), tmp_path / "controller", environment={"DOCKER_HOST": own.url})
        with running(controller), contextlib.ExitStack() as stack:
            api = stack.enter_context(contextlib.closing(engine.connect(own.url)))
            shop = Shop(EngineScope(api, name), name, repo, controller, None)
            shop.eventually_settled()
            before = shop.containers()
            with contextlib.closing(engine.connect(own.url)) as looking:
                run = looking.exec_create(f"{name}-web-1", ["cat", "/data/born"])
                born = looking.exec_start(run["Id"])

            own.kill9()
            eventually(
                lambda: [m for (m,) in controller.ask("SELECT message FROM events WHERE reason = 'EngineUnavailable'")],
                what="it is said that the engine is away",
            )
            assert controller.running
            own.start()

            eventually(
                lambda: [m for (m,) in controller.ask("SELECT message FROM events WHERE reason = 'EngineRecovered'")],
                what="it is said that the engine is back",
            )
            shop = Shop(
                EngineScope(stack.enter_context(contextlib.closing(engine.connect(own.url))), name),
                name,
                repo,
                controller,
                None,
            )
            eventually(
                lambda: [c.running for c in shop.containers().values()] == [True],
                what="the container runs again",
                timeout_s=PATIENCE_S,
            )
            shop.eventually_settled()
            assert {c.id for c in shop.containers().values()} == {c.id for c in before.values()}, (
                "started, not made anew"
            )
            run = shop.scope.api.exec_create(f"{name}-web-1", ["cat", "/data/born"])
            assert shop.scope.api.exec_start(run["Id"]) == born

            # Both at once: the new controller meets an engine that knows its volumes by name only, until it looks.
            controller.kill9()
            own.kill9()
            own.start()
            controller.start()
            shop.scope = EngineScope(stack.enter_context(contextlib.closing(engine.connect(own.url))), name)
            shop.eventually_settled()
            assert {c.id for c in shop.containers().values()} == {c.id for c in before.values()}
