"""The base image that the scripts build where no registry can be reached is good for the demo and the tests."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import docker
import pytest

from tests.support.engine import EngineScope

pytestmark = pytest.mark.engine
PROGRAM = Path(__file__).resolve().parents[3] / "scripts" / "lib" / "engine.py"
BUSYBOX = Path("/bin/busybox")


def ask(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, PROGRAM, *arguments], capture_output=True, text=True, check=False)


def test_an_image_built_from_busybox_static_runs_a_shell(docker_api: docker.APIClient, scope: EngineScope) -> None:
    if ask("is-static", str(BUSYBOX)).returncode:
        pytest.skip("there is no statically linked busybox on this machine")
    tag = f"{scope.name}-base:1"
    assert ask("has-image", tag).returncode == 1
    built = ask("build-base", tag, str(BUSYBOX))
    assert built.returncode == 0, built.stdout
    assert ask("has-image", tag).returncode == 0

    script = "touch /tmp/x && id -un && for tool in httpd wget nc timeout; do command -v $tool || exit 1; done"
    container = docker_api.create_container(tag, ["sh", "-c", script], labels=dict(scope.labels))["Id"]
    docker_api.start(container)
    assert docker_api.wait(container)["StatusCode"] == 0
    assert docker_api.logs(container).decode().splitlines()[0] == "root"


def test_a_dynamic_program_is_not_taken_for_a_static_one() -> None:
    assert ask("is-static", os.path.realpath("/bin/ls")).returncode == 1
    assert ask("is-static", "/nonexistent").returncode == 1
    assert ask("is-static", __file__).returncode == 1


def test_an_engine_that_is_not_there_is_said_in_a_line(engine_url: str) -> None:
    assert ask("ping", engine_url).returncode == 0
    gone = ask("ping", "unix:///nonexistent/docker.sock")
    assert gone.returncode == 1
    assert "No such file" in gone.stdout


def test_an_image_that_no_registry_has_is_not_pulled() -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        done = subprocess.run(
            [sys.executable, PROGRAM, "pull", "localhost:1/none:1"],
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == 1
        assert done.stdout.strip()
