"""From a fresh checkout to a running shop with one command, twice; and nothing is left when it is taken down."""

from __future__ import annotations

import os
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.support.checkout import borrow_packages, fresh_checkout
from tests.support.gitrepo import git
from tests.support.scenario import free_port
from tests.support.waiting import eventually

pytestmark = [pytest.mark.engine, pytest.mark.e2e]

# As scripts/lib/demo.sh names it.
DEMO = "trimtab.dev/installation=demo"


@pytest.fixture
def checkout(docker_api: docker.APIClient, tmp_path: Path) -> Iterator[Path]:
    """A fresh checkout; its demo is taken down at the end."""
    if _left(docker_api) or docker_api.containers(all=True, filters={"name": "^/shop-"}):
        pytest.skip("a shop or another demo is on this engine already, and its names are taken")
    made = fresh_checkout(tmp_path / "trimtab")
    borrow_packages(made)
    yield made
    _up(made, "--down", "--volumes")


def _left(api: docker.APIClient) -> dict[str, list[str]]:
    """What is on the engine of the demo."""
    filters = {"label": DEMO}
    volumes: list[dict[str, Any]] = api.volumes(filters=filters)["Volumes"] or []
    found = {
        "containers": [item["Names"][0] for item in api.containers(all=True, filters=filters)],
        "networks": [item["Name"] for item in api.networks(filters=filters)],
        "volumes": [item["Name"] for item in volumes],
        "images": [str(item["RepoTags"]) for item in api.images(filters={"label": "trimtab.dev/built-by=demo"})],
    }
    return {kind: names for kind, names in found.items() if names}


def _up(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        ["scripts/up", *arguments],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def _page(port: int, path: str = "") -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def test_up_check_twice_then_down_leaves_nothing(checkout: Path, docker_api: docker.APIClient) -> None:
    port = free_port()
    first = _up(checkout, "--check", "--port", str(port))
    assert first.returncode == 0, first.stdout + first.stderr
    assert "Small parts that turn great ships" in _page(port)
    assert '"tiller"' in _page(port, "cgi-bin/api/catalogue")
    assert '"taken"' in _page(port, "cgi-bin/api/orders")
    before = sorted((item["Id"], item["State"]) for item in docker_api.containers(filters={"label": DEMO}))
    assert len(before) == 4
    assert not (checkout / "demo" / "controller.pid").exists(), "the controller was stopped, the containers go on"

    again = _up(checkout, "--check")
    assert again.returncode == 0, again.stdout + again.stderr
    assert sorted((item["Id"], item["State"]) for item in docker_api.containers(filters={"label": DEMO})) == before

    # The shop, pushed to by the user's own clone, and followed by the next run.
    clone = checkout / "demo" / "shop"
    page = clone / "services" / "web" / "site" / "index.html"
    page.write_text(page.read_text(encoding="utf-8").replace("Small parts", "Tiny parts"), encoding="utf-8")
    git(clone, "commit", "--quiet", "--all", "--message=Tiny parts")
    git(clone, "push", "--quiet")
    pushed = _up(checkout, "--check")
    assert pushed.returncode == 0, pushed.stdout + pushed.stderr
    eventually(lambda: "Tiny parts" in _page(port), what="the edited page answers")
    after = {item["Id"] for item in docker_api.containers(filters={"label": DEMO})}
    assert len(after & {item for item, _ in before}) == 3, "only web was replaced"

    down = _up(checkout, "--down")
    assert down.returncode == 0, down.stdout + down.stderr
    kept = _left(docker_api)
    assert set(kept) == {"volumes"}, kept
    assert "shop_orders" in kept["volumes"]
    assert "shop_orders" in down.stdout
    assert not (checkout / "demo").exists()

    gone = _up(checkout, "--down", "--volumes")
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert _left(docker_api) == {}
