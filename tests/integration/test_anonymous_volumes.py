"""I3: data has no name, too. What a container wrote to an anonymous volume is there after it was replaced."""

from __future__ import annotations

from pathlib import Path

import docker
import pytest
from typer.testing import CliRunner, Result

from tests.support.engine import BASE_IMAGE, EngineScope
from trimtab.cli.main import app

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("ignore::ResourceWarning")]

COMPOSE = """\
name: {name}
services:
  plain:
    {{image: '{image}', init: true, command: [sleep, '1000'], stop_grace_period: 1s, volumes: [/data],
     environment: {{V: '{version}'}}}}
  built:
    {{build: ., init: true, command: [sleep, '1000'], stop_grace_period: 1s, environment: {{V: '{version}'}}}}
"""


def _volumes(api: docker.APIClient, container: str) -> dict[str, str]:
    mounts = api.inspect_container(container)["Mounts"]
    return {mount["Destination"]: mount["Name"] for mount in mounts if mount["Type"] == "volume"}


def _run(api: docker.APIClient, container: str, *command: str) -> str:
    made = api.exec_create(container, list(command))
    return api.exec_start(made["Id"]).decode()


def test_i3_anonymous_volumes_go_over_to_the_replacement(
    docker_api: docker.APIClient, scope: EngineScope, tmp_path: Path
) -> None:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "Dockerfile").write_text(f"FROM {BASE_IMAGE}\nVOLUME /state\n")

    def apply(version: str) -> Result:
        (folder / "compose.yaml").write_text(COMPOSE.format(name=scope.name, image=BASE_IMAGE, version=version))
        place = ["--data-dir", str(tmp_path / "data"), "--installation", scope.name, "--no-wait", "--yes"]
        return CliRunner().invoke(app, ["apply", str(folder), *place])

    first = apply("1")
    assert first.exit_code == 0, first.output
    plain, built = f"{scope.name}-plain-1", f"{scope.name}-built-1"
    _run(docker_api, plain, "sh", "-c", "echo kept > /data/x")
    _run(docker_api, built, "sh", "-c", "echo kept > /state/x")
    ids = {name: docker_api.inspect_container(name)["Id"] for name in (plain, built)}
    before = _volumes(docker_api, plain) | _volumes(docker_api, built)
    assert set(before) == {"/data", "/state"}

    again = apply("2")
    assert again.exit_code == 0, again.output
    assert "volume" in again.output
    assert all(docker_api.inspect_container(name)["Id"] != ids[name] for name in ids)
    assert _volumes(docker_api, plain) | _volumes(docker_api, built) == before
    assert _run(docker_api, plain, "cat", "/data/x") == "kept\n"
    assert _run(docker_api, built, "cat", "/state/x") == "kept\n"

    third = apply("2")
    assert third.exit_code == 0, third.output
    assert third.output.strip() == f"{scope.name}: nothing to do"
    # They carry no label of the test's.
    for container in (plain, built):
        docker_api.remove_container(container, force=True)
    for volume in before.values():
        docker_api.remove_volume(volume)
