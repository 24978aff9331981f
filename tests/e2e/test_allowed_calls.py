"""Behind a socket proxy that allows only the calls of docs/reference/engine-api.md everything works; none is idle."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.engine import EngineScope
from tests.support.proxy import EngineProxy, answer
from tests.support.scenario import Shop, running
from tests.support.waiting import eventually
from trimtab.backends.engine.client import path_kind

pytestmark = [pytest.mark.engine, pytest.mark.e2e]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "engine-api.md"
_ROW = re.compile(r"^\| `([A-Z]+ [^`]+)` \| (\w+)", re.MULTILINE)
CONFIG = "configs: {words: {content: hello}}\n"


def documented() -> dict[str, str]:
    """The calls of the page and when each is made: always, or for what."""
    return dict(_ROW.findall(PAGE.read_text(encoding="utf-8")))


def call_of(request: str) -> str:
    """A request in the words of the page."""
    method, _, path = request.partition(" ")
    return f"{method} {path_kind(path)}"


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
    refused: list[str] = []

    def guard(request: str) -> bytes | None:
        if call_of(request) in allowed:
            return None
        refused.append(request)
        return answer(403, "Forbidden", "text/plain")

    proxy.rule = guard
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
