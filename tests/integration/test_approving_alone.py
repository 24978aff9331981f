"""Without a controller: what is held is approved with one command and carried out by the next; archives included."""

from __future__ import annotations

import re
from pathlib import Path

import docker
import pytest
from typer.testing import CliRunner

from tests.support.engine import BASE_IMAGE, EngineScope
from tests.support.gitrepo import GitRepo
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
    run("exec", *place, f"{scope.name}/db", "--", "sh", "-c", "echo precious > /data/f; chown 7:7 /data/f")
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

    # Wanted again: put back by name, found by the application; never over what is there.
    other = f"{scope.name}_beside"
    assert "verified" in run("archives", "restore", archive.name, "--volume", other, *place)
    again = CliRunner().invoke(app, ["archives", "restore", archive.name, "--volume", other, *place])
    assert again.exit_code == 1
    assert "nothing is put over data" in again.stderr
    assert "verified" in run("archives", "restore", volume, *place)
    with pytest.raises(docker.errors.NotFound):
        docker_api.inspect_volume(f"{volume}.filling")
    file.write_text(plain % ", volumes: ['data:/data']" + "volumes: {data: {}}\n")
    assert "create   volume" not in run("plan", str(folder), *place)
    run("apply", str(folder), *place, "--no-wait", "--yes")
    used = CliRunner().invoke(app, ["archives", "restore", volume, *place])
    assert used.exit_code == 1
    assert f"{scope.name}-db-1 uses it" in used.stderr
    assert "precious" in run("exec", *place, f"{scope.name}/db", "--", "cat", "/data/f")


def test_what_is_held_is_not_waited_for(docker_api: docker.APIClient, scope: EngineScope, tmp_path: Path) -> None:
    docker_api.create_volume(f"{scope.name}_data", labels=dict(scope.labels))
    file = tmp_path / "compose.yaml"
    service = f"{{image: '{BASE_IMAGE}', volumes: ['data:/data']}}"
    file.write_text(f"name: {scope.name}\nservices: {{db: {service}}}\nvolumes: {{data: {{}}}}\n")
    done = CliRunner().invoke(
        app, ["apply", str(tmp_path), "--yes", "--data-dir", str(tmp_path / "d"), "--installation", scope.name]
    )
    assert done.exit_code == 3, done.output
    assert "TT3010" in done.output


def test_what_may_be_a_renamed_application_is_held_by_plan_and_apply(scope: EngineScope, tmp_path: Path) -> None:
    text = (
        f"services: {{db: {{image: '{BASE_IMAGE}', init: true, command: [sleep, '1000'], volumes: ['data:/data']}}}}\n"
    )
    repo = GitRepo.create(tmp_path, {f"{scope.name}-old/compose.yaml": text + "volumes: {data: {}}\n"})
    place = ["--repo", repo.url, "--data-dir", str(tmp_path / "d"), "--installation", scope.name]
    done = CliRunner().invoke(app, ["apply", "--yes", "--no-wait", *place])
    assert done.exit_code == 0, done.output
    repo.deploy(
        {f"{scope.name}-old/compose.yaml": None, f"{scope.name}-new/compose.yaml": text + "volumes: {data: {}}\n"}
    )
    planned = CliRunner().invoke(app, ["plan", *place])
    assert planned.exit_code == 0, planned.output
    assert "TT3205" in planned.stdout
    assert f"{scope.name}-old is no longer in Git" in planned.stderr
    held = CliRunner().invoke(app, ["apply", "--yes", *place])
    assert held.exit_code == 3, held.output
    assert [item["Name"] for item in scope.volumes() if item["Name"].endswith("_data")] == [f"{scope.name}-old_data"]
