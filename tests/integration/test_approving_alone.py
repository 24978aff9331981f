"""Without a controller: what is held is approved with one command and carried out by the next; archives included."""

from __future__ import annotations

import re
from pathlib import Path

import docker
import pytest
from typer.testing import CliRunner

from tests.support.engine import BASE_IMAGE, EngineScope
from trimtab.cli import requests
from trimtab.cli.main import app

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("ignore::ResourceWarning")]


def test_a_volume_goes_with_an_approval_and_without_a_controller(
    docker_api: docker.APIClient, scope: EngineScope, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "NOBODY_S", 0.1)
    folder, data = tmp_path / "app", str(tmp_path / "data")
    folder.mkdir()
    file, volume = folder / "compose.yaml", f"{scope.name}_data"

    def run(*words: str) -> str:
        done = CliRunner().invoke(app, [*words])
        assert done.exit_code == 0, done.output
        return done.output

    place = ["--data-dir", data, "--installation", scope.name]
    service = f"{{image: '{BASE_IMAGE}', init: true, command: [sleep, '1000'], stop_grace_period: 1s%s}}"
    plain = f"name: {scope.name}\nservices:\n  db: {service}\n"
    file.write_text(plain % ", volumes: ['data:/data']" + "volumes: {data: {}}\n")
    run("apply", str(folder), *place, "--no-wait", "--yes")
    file.write_text(plain % "")
    run("apply", str(folder), *place, "--no-wait", "--yes")
    held = run("plan", str(folder), *place)
    found = re.search(rf"trimtab approve {scope.name} ([0-9a-f]{{12}})", held)
    assert found, held
    assert docker_api.inspect_volume(volume)
    assert "approved" in run("approve", scope.name, found[1], "--data-dir", data)
    assert "archived first" in run("plan", str(folder), *place)
    run("apply", str(folder), *place, "--no-wait", "--yes")
    with pytest.raises(docker.errors.NotFound):
        docker_api.inspect_volume(volume)
    [archive] = (tmp_path / "data" / "archives").iterdir()
    assert {file.name for file in archive.iterdir()} == {"volume.tar", "SHA256SUMS", "manifest.json"}
    assert "nothing to do" in run("apply", str(folder), *place, "--no-wait", "--yes")
