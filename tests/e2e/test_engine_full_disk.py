"""The engine's own disk is full: it is said where, what runs goes on, nothing half done stays, room is enough (I11).

The engine is one of the test's own, all of whose data is on a small disk. Preflight, which would rather not begin, is
told that nothing has to be free.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import docker
import pytest

from tests.support import engine, own_engine, small_disk
from tests.support.engine import BASE_IMAGE, EngineScope
from tests.support.faulty_port import faulty_port
from tests.support.gitrepo import GitRepo
from tests.support.own_engine import NETWORK_NAMESPACES, OwnEngine
from tests.support.pushed import Pushed
from tests.support.registry import running_registry
from tests.support.scenario import Controller, Shop, inside, running
from tests.support.waiting import eventually

pytestmark = [pytest.mark.engine, pytest.mark.e2e, pytest.mark.alone]

DISK_KIB, MORE_KIB, LEFT_KIB = 96 << 10, 192 << 10, 2 << 10
BIG_BYTES = 6_000_000
COMPOSE = """\
name: {name}
services:
  web:
    build: ./web
    init: true
    stop_grace_period: 1s
    command: [sleep, "86400"]
    configs: [{{source: words, target: /words}}]
  store:
    image: {image}
    init: true
    stop_grace_period: 1s
    command: [sh, -c, "test -e /data/born || head -c {size} /dev/urandom >/data/born; exec sleep 86400"]
    healthcheck: {{test: [CMD, test, -s, /data/born], interval: 1s}}
    volumes: ["{volume}:/data"]
configs: {{words: {{file: words.txt}}}}
volumes: {{{volume}: {{}}}}
"""
PULLED = """\
services:
  pulled: {{image: {image}, init: true, stop_grace_period: 1s, command: [sleep, "86400"]}}
"""
MOVED = """\
x-trimtab: {moved: [{kind: Volume, from: data, to: kept}]}
"""


@dataclass(slots=True)
class Small:
    """A shop on an engine with a small disk, and a registry that this engine reaches."""

    own: OwnEngine
    shop: Shop
    pushed: Pushed
    port: int

    def compose(self, volume: str = "data", *, pulled: str = "") -> str:
        text = COMPOSE.format(name=self.shop.name, image=BASE_IMAGE, size=BIG_BYTES, volume=volume)
        return text.replace("services:\n", PULLED.format(image=pulled)) if pulled else text

    def says_no_space(self, run: int, step: str) -> None:
        """A step of that kind has failed in a run since ``run``, and says of what it ran out, and of what to do."""

        def failed() -> list[str]:
            rows = self.shop.controller.ask("SELECT text, error FROM steps WHERE run > ?", run)
            return [error for text, error in rows if text.startswith(step) and "no space left on device" in error]

        told = eventually(failed, what=f"{step} says that no space is left", timeout_s=90)
        assert "docker system df" in told[0], told

    def sum_of(self, service: str, file: str) -> str:
        return inside(self.shop.scope, f"{self.shop.name}-{service}-1", "sha256sum", file).split()[0]


@pytest.fixture
def small(docker_api: docker.APIClient, registry_server: str, tmp_path: Path) -> Iterator[Small]:
    if (reason := own_engine.why_none()) is not None:
        pytest.skip(reason)
    name = EngineScope(docker_api).name
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(running_registry(registry_server, tmp_path / "registry"))
        pushed = Pushed.create(docker_api, server.address, "pulled")
        own = stack.enter_context(own_engine.own_engine(name, docker_api, disk_kib=DISK_KIB))
        inner = NETWORK_NAMESPACES / own.name
        port = stack.enter_context(faulty_port(int(server.address.rpartition(":")[2]), inside=inner)).port
        repo = GitRepo.create(tmp_path, None, name=name)
        environment = {"DOCKER_HOST": own.url, "TRIMTAB_MIN_FREE_MIB": "0"}
        controller = Controller(name, (repo.remote,), tmp_path / "controller", environment=environment)
        api = stack.enter_context(contextlib.closing(engine.connect(own.url)))
        made = Small(own, Shop(EngineScope(api, name), name, repo, controller, None), pushed, port)
        dockerfile = f"FROM {BASE_IMAGE}\nCOPY page /page\n"
        made.shop.push(
            {"compose.yaml": made.compose(), "web/Dockerfile": dockerfile, "web/page": "1", "words.txt": "few\n"}
        )
        with running(controller):
            made.shop.eventually_settled()
            yield made


def test_I4_I6_I11_a_full_disk_of_the_engine_changes_nothing_and_is_recovered_from(small: Small) -> None:
    """A build, a pull and a content volume; a kill of the controller on top of it; then the copy of a volume."""
    shop, run = small.shop, small.shop.controller.last_run()
    before, random = shop.containers(), Random(1)
    born = small.sum_of("store", "/data/born")
    page, words = random.randbytes(BIG_BYTES), random.randbytes(BIG_BYTES // 2).hex()
    small.pushed.push("1", {}, random.randbytes(BIG_BYTES))
    pulled = f"127.0.0.1:{small.port}/pulled:1"

    small_disk.leave(small.own.data, LEFT_KIB)
    shop.push({"compose.yaml": small.compose(pulled=pulled), "web/page": page, "words.txt": words}, "too much")
    for step in ("BuildImage", "PullImage", "CreateContent"):
        small.says_no_space(run, step)
    shop.eventually_says("no space left on device")
    shop.controller.kill9()
    small_disk.fill(small.own.data)
    shop.controller.start()
    eventually(lambda: shop.controller.last_run() > run + 1, what="it is tried again", timeout_s=60)
    assert shop.containers() == before, "what ran runs on, untouched"

    small_disk.resize(small.own.data, MORE_KIB)
    shop.eventually_settled()
    assert small.sum_of("web", "/page") == hashlib.sha256(page).hexdigest()
    assert small.sum_of("web", "/words") == hashlib.sha256(words.encode()).hexdigest(), "whole, not what was begun"
    assert shop.container("store").id == before[f"{shop.name}-store-1"].id

    # The copy of a volume runs out of space in its middle: the old one is used again, and the copy is made anew.
    run, store = shop.controller.last_run(), shop.container("store")
    small_disk.leave(small.own.data, LEFT_KIB)
    shop.push({"compose.yaml": small.compose("kept", pulled=pulled) + MOVED}, "another name for the volume")
    small.says_no_space(run, "CopyVolume")
    eventually(lambda: shop.container("store").running, what="the old one runs again on the old volume")
    assert shop.container("store").id == store.id
    assert small.sum_of("store", "/data/born") == born
    small_disk.resize(small.own.data, MORE_KIB + (64 << 10))
    shop.eventually_settled()
    assert small.sum_of("store", "/data/born") == born
    (mount,) = shop.scope.api.inspect_container(f"{shop.name}-store-1")["Mounts"]
    assert mount["Name"] == f"{shop.name}_kept"
    assert not [v for v in shop.scope.volumes() if v["Name"].endswith(".filling")]
