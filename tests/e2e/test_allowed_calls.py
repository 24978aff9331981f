"""Behind a socket proxy that allows only the calls of docs/reference/engine-api.md everything works; none is idle."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.allowed import call_of, documented, features, guarded
from tests.support.composed import Composed
from tests.support.engine import BASE_IMAGE, EngineScope
from tests.support.proxy import EngineProxy, answer
from tests.support.scenario import Controller, Shop, inside, running
from tests.support.waiting import eventually

pytestmark = [pytest.mark.engine, pytest.mark.e2e]

HOOKED = """\
name: {name}
{moved}services:
  migrate:
    image: {image}
    command: [echo, migrated]
    x-trimtab: {{hook: PreSync}}
  db:
    image: {image}
    init: true
    command: [sleep, "86400"]
    stop_grace_period: 1s
    volumes: ["{volume}:/data"]
    post_start: [{{command: [touch, /data/born]}}]
    pre_stop: [{{command: [touch, /data/stopped]}}]
volumes: {{{volume}: {{}}}}
"""
MOVED = "x-trimtab: {moved: [{kind: Volume, from: old, to: new}]}\n"
CONFIG = "configs: {words: {content: hello}}\n"


@pytest.fixture
def proxy(tmp_path: Path, engine_url: str) -> Iterator[EngineProxy]:
    if not engine_url.startswith("unix://"):
        pytest.skip("the proxy is for engines on a local socket")
    made = EngineProxy(tmp_path / "engine.sock", engine_url.removeprefix("unix://"))
    yield made
    made.stop()


def test_plan_apply_heal_and_delete_need_only_the_documented_calls(
    scope: EngineScope, proxy: EngineProxy, tmp_path: Path
) -> None:
    allowed = documented()
    refused = guarded(proxy)
    shop = Shop.create(scope, tmp_path)
    shop.controller.environment = {"DOCKER_HOST": proxy.url}
    text = (shop.repo.path / "compose.yaml").read_text(encoding="utf-8")
    text = text.replace("    volumes: [", "    configs: [words]\n    volumes: [") + CONFIG
    shop.push({"compose.yaml": text}, "with a file")
    said = shop.controller.trimtab("plan", str(shop.repo.path))
    assert (said.code, refused) == (0, []), said.text
    said = shop.controller.trimtab("apply", str(shop.repo.path), "--yes")
    assert (said.code, refused) == (0, []), said.text
    with running(shop.controller):
        shop.eventually_settled()
        # Drift of each sort: gone, stopped, changed, detached.
        shop.scope.api.remove_container(f"{shop.name}-web-1", force=True)
        shop.eventually_tells("DriftDetected")
        shop.eventually_settled()
        shop.scope.api.stop(f"{shop.name}-store-1", timeout=1)
        shop.scope.api.update_container(f"{shop.name}-web-1", mem_limit=64 << 20, memswap_limit=64 << 20)
        network = f"{shop.name}_front"
        shop.scope.api.disconnect_container_from_network(f"{shop.name}-store-1", network)
        shop.eventually_settled()
        # Built and replaced, and taken away.
        shop.push_page("another")
        shop.eventually_settled()
        shop.push({"compose.yaml": None}, "away")
        eventually(lambda: not shop.scope.containers(), what="all of it is gone")
        eventually(lambda: not shop.scope.networks(), what="its network is gone")
    assert refused == []
    asked = {call_of(request) for request in proxy.requests}
    assert {call for call, when in allowed.items() if when == "always"} <= asked


def test_adopting_needs_no_others(scope: EngineScope, proxy: EngineProxy, tmp_path: Path) -> None:
    project = Composed(scope, scope.name)
    project.network()
    volume = project.volume("data")
    running_id = project.container("web", host={"binds": [f"{volume}:/data:rw"]})
    folder = tmp_path / "app"
    controller = Controller(scope.name, (), tmp_path / "c", environment={"DOCKER_HOST": proxy.url})
    refused = guarded(proxy)
    said = controller.trimtab("adopt", "--generate", "--project", scope.name, "--out", str(folder / "compose.yaml"))
    assert (said.code, refused) == (0, []), said.text
    assert BASE_IMAGE in (folder / "compose.yaml").read_text(encoding="utf-8")
    said = controller.trimtab("adopt", str(folder), "--yes")
    assert (said.code, refused) == (0, []), said.text
    assert [item["Id"] for item in scope.containers()] == [running_id]


def test_hooks_moves_and_archives_need_what_the_page_says_they_add(
    scope: EngineScope, proxy: EngineProxy, tmp_path: Path
) -> None:
    """Everything else is refused, be it allowed to others."""
    said_of = {
        name: calls
        for name, calls in features().items()
        if name.startswith(("hooks", "`post_start`", "`trimtab adopt`"))
    }
    assert len(said_of) == 3
    allowed = {call for call, when in documented().items() if when == "always"}.union(*said_of.values())
    refused: list[str] = []

    def guard(request: str) -> bytes | None:
        if call_of(request) in allowed:
            return None
        refused.append(request)
        return answer(403, "Forbidden", "text/plain")

    proxy.rule = guard
    controller = Controller(scope.name, (), tmp_path / "c", environment={"DOCKER_HOST": proxy.url})
    folder = tmp_path / "app"
    folder.mkdir()
    for volume, moved in (("old", ""), ("new", MOVED)):
        text = HOOKED.format(name=scope.name, image=BASE_IMAGE, volume=volume, moved=moved)
        (folder / "compose.yaml").write_text(text, encoding="utf-8")
        said = controller.trimtab("apply", str(folder), "--yes")
        assert (said.code, refused) == (0, []), said.text
    data = inside(scope, f"{scope.name}-db-1", "ls", "/data").split()
    assert data == ["born", "stopped"]
    said = controller.trimtab("delete", scope.name, "--volumes", "--yes")
    approvals = re.findall(r"--approve [0-9a-f]+", said.text)
    said = controller.trimtab("delete", scope.name, "--volumes", "--yes", *" ".join(approvals).split())
    assert (said.code, refused) == (0, []), said.text
    left = [volume["Name"] for volume in scope.volumes() if volume["Name"].startswith(f"{scope.name}_")]
    assert left == []
