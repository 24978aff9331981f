"""`scripts/up --down` removes what the demo made, keeps its data unless told, and touches nothing of anybody else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import docker
import pytest

from tests.support.engine import BASE_IMAGE, EngineScope

pytestmark = pytest.mark.engine
PROGRAM = Path(__file__).resolve().parents[3] / "scripts" / "lib" / "demo.py"


def labels(scope: EngineScope, name: str, kind: str) -> dict[str, str]:
    return {"trimtab.dev/installation": scope.name, "trimtab.dev/kind": kind, "trimtab.dev/object": name}


def down(scope: EngineScope, *arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, PROGRAM, "down", scope.name, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.split()


def test_down(docker_api: docker.APIClient, scope: EngineScope) -> None:
    web, data, files, front = (
        f"{scope.name}-web-1",
        f"{scope.name}_data",
        f"{scope.name}_files",
        f"{scope.name}_front",
    )
    docker_api.create_container(BASE_IMAGE, ["true"], name=web, labels=labels(scope, web, "container"))
    docker_api.create_network(front, labels=labels(scope, front, "network"))
    docker_api.create_volume(data, labels=labels(scope, data, "volume"))
    docker_api.create_volume(files, labels=labels(scope, files, "content"))
    key, lock = f"trimtab_{scope.name}", f"trimtab_{scope.name}_lock"
    for name, kind in ((key, "installation"), (lock, "lock")):
        docker_api.create_volume(name, labels={"trimtab.dev/installation": scope.name, "trimtab.dev/kind": kind})
    copied, other = f"x-{scope.name}", f"{scope.name}-other-1"
    docker_api.create_container(BASE_IMAGE, ["true"], name=copied, labels=labels(scope, web, "container"))
    elsewhere = labels(scope, other, "container") | {"trimtab.dev/installation": f"{scope.name}x"}
    docker_api.create_container(BASE_IMAGE, ["true"], name=other, labels=elsewhere)

    assert down(scope) == [data]
    assert {container["Names"][0] for container in scope.containers()} == {f"/{copied}", f"/{other}"}
    assert scope.networks() == []
    assert {volume["Name"] for volume in scope.volumes()} == {data, key}, "the key stays with the data"

    assert down(scope) == [data], "a second time finds the same"
    assert down(scope, "--volumes") == []
    assert scope.volumes() == []
    assert down(scope, "--volumes") == []
