"""`scripts/up --down` removes what the demo made, keeps its data unless told, and touches nothing of anybody else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import docker
import pytest

from tests.support.engine import BASE_IMAGE, EngineScope
from tests.support.gitrepo import GitRepo

pytestmark = pytest.mark.engine
PROGRAM = Path(__file__).resolve().parents[3] / "scripts" / "lib" / "demo.py"


def labels(scope: EngineScope, name: str, kind: str, revision: str) -> dict[str, str]:
    return {
        "trimtab.dev/installation": scope.name,
        "trimtab.dev/app": scope.name,
        "trimtab.dev/kind": kind,
        "trimtab.dev/object": name,
        "trimtab.dev/revision": revision,
    }


def down(repo: GitRepo, *arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, PROGRAM, "down", str(repo.remote), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.split()


def test_down(docker_api: docker.APIClient, scope: EngineScope, tmp_path: Path) -> None:
    repo = GitRepo.create(tmp_path, {"a": scope.name})
    revision = repo.head()
    web, data, files, front = (
        f"{scope.name}-web-1",
        f"{scope.name}_data",
        f"{scope.name}_files",
        f"{scope.name}_front",
    )
    docker_api.create_container(BASE_IMAGE, ["true"], name=web, labels=labels(scope, web, "container", revision))
    docker_api.create_network(front, labels=labels(scope, front, "network", revision))
    docker_api.create_volume(data, labels=labels(scope, data, "volume", revision))
    docker_api.create_volume(files, labels=labels(scope, files, "content", revision))
    copied = f"x-{scope.name}"
    docker_api.create_container(BASE_IMAGE, ["true"], name=copied, labels=labels(scope, web, "container", revision))
    other = f"{scope.name}-other-1"
    elsewhere = labels(scope, other, "container", "0" * 40) | {"trimtab.dev/installation": f"{scope.name}x"}
    docker_api.create_container(BASE_IMAGE, ["true"], name=other, labels=elsewhere)

    assert down(repo) == [data]
    assert {container["Names"][0] for container in scope.containers()} == {f"/{copied}", f"/{other}"}
    assert scope.networks() == []
    assert [volume["Name"] for volume in scope.volumes()] == [data]

    assert down(repo) == [data], "a second time finds the same"
    assert down(repo, "--volumes") == []
    assert scope.volumes() == []
    assert down(repo, "--volumes") == []
