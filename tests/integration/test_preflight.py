"""The look before the first change, on a real engine: what it costs, and what a registry says through it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.engine import BASE_IMAGE, EngineScope
from tests.support.noimages import empty_registry
from tests.support.rig import Rig, application, project
from trimtab.backends.engine.client import EngineClient
from trimtab.backends.engine.driver import EngineDriver
from trimtab.backends.engine.preflight import EnginePreflight
from trimtab.images.probe import RegistryProbe
from trimtab.model.application import Application
from trimtab.model.change import Change

pytestmark = pytest.mark.engine


@pytest.fixture
def client(engine_url: str) -> Iterator[EngineClient]:
    made = EngineClient(engine_url)
    yield made
    made.close()


@pytest.fixture
def driver(client: EngineClient, scope: EngineScope) -> Iterator[EngineDriver]:
    made = EngineDriver(client, installation=scope.name, seal_key=b"a key for tests, of 32 bytes.....")
    yield made
    made.close()


def changes(app: Application) -> tuple[Change, ...]:
    return Rig().plan(app).changes


def test_a_plan_without_new_images_costs_no_call(
    client: EngineClient, driver: EngineDriver, scope: EngineScope
) -> None:
    foreign = scope.api.create_container(
        BASE_IMAGE,
        ["sleep", "60"],
        name=f"{scope.name}-foreign",
        labels=scope.labels,
        ports=[80],
        host_config=scope.api.create_host_config(port_bindings={80: ("127.0.0.1", None)}),
    )
    scope.api.start(foreign["Id"])
    held = scope.api.inspect_container(foreign["Id"])["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"]
    port = {"target": 80, "published": held, "protocol": "tcp"}
    app = application(project({"web": {"image": BASE_IMAGE, "ports": [port]}}, name=scope.name))
    observed = driver.observe(images=[BASE_IMAGE])
    preflight = EnginePreflight(driver.items, RegistryProbe(client.raw), local=True, min_free_bytes=1)
    calls = client.calls.total
    found = preflight.findings(changes(app), observed)
    assert client.calls.total == calls
    assert [diagnostic.code for diagnostic in found] == ["TT3013"]
    assert f"{scope.name}-foreign" in found[0].message


def test_a_registry_that_has_no_such_image_is_asked_once(client: EngineClient, engine_url: str) -> None:
    if not engine_url.startswith("unix://"):
        pytest.skip("the registry is on this machine")
    with empty_registry() as address:
        probe, calls = RegistryProbe(client.raw), client.calls.snapshot()
        for _ in range(3):
            refusal = probe.refusal(f"{address}/none:1")
            assert refusal is not None
            assert refusal.code == "TT4202"
        asked = client.calls.snapshot() - calls
        assert {call: count for call, count in asked.items() if "distribution" in call} == {
            "GET /distribution/{}/json": 1
        }


def test_a_registry_that_does_not_answer_says_nothing(client: EngineClient) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        assert RegistryProbe(client.raw).refusal(f"127.0.0.1:{nobody.getsockname()[1]}/none:1") is None


def test_free_space_is_seen_where_the_engines_files_are(client: EngineClient, driver: EngineDriver) -> None:
    observed = driver.observe()
    if not (Path(observed.facts.root_dir) / "containers").is_dir():
        pytest.skip("the engine's files are elsewhere")
    app = application(project({"web": {"image": "nowhere.invalid/none:1"}}))

    class Silent:
        def refusal(self, ref: str) -> None:
            return None

    found = EnginePreflight(driver.items, Silent(), local=True, min_free_bytes=1 << 60).findings(changes(app), observed)
    assert [diagnostic.code for diagnostic in found] == ["TT3016"]
    elsewhere = replace(observed, facts=replace(observed.facts, root_dir="/nowhere"))
    preflight = EnginePreflight(driver.items, Silent(), local=True, min_free_bytes=1 << 60)
    assert preflight.findings(changes(app), elsewhere) == ()
