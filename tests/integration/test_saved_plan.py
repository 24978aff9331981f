"""A plan that is saved before anything was ever deployed can be carried out; one that is stale cannot."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.support.engine import BASE_IMAGE, EngineScope
from trimtab.cli.main import app

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("ignore::ResourceWarning")]

COMPOSE = """\
name: {name}
services:
  web: {{image: '{image}', init: true, command: [sleep, '1000'], environment: {{DB_PASSWORD: {password}}}}}
"""


def test_a_first_plan_with_a_secret_is_saved_and_applied(scope: EngineScope, tmp_path: Path) -> None:
    folder, saved = tmp_path / "app", tmp_path / "plan.json"
    folder.mkdir()
    place = ["--data-dir", str(tmp_path / "data"), "--installation", scope.name]

    def write(password: str) -> None:
        (folder / "compose.yaml").write_text(COMPOSE.format(name=scope.name, image=BASE_IMAGE, password=password))

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, [*arguments, *place])

    write("horse-battery")
    assert run("plan", str(folder), "--out", str(saved)).exit_code == 0
    assert "horse-battery" not in saved.read_text()
    done = run("apply", "--plan", str(saved), "--yes")
    assert done.exit_code == 0, done.output
    assert f"{scope.name}: Synced, Healthy" in done.output

    assert run("plan", str(folder), "--out", str(saved)).exit_code == 0
    write("staple")
    stale = run("apply", "--plan", str(saved), "--yes")
    assert stale.exit_code == 1
    assert "stale: Git has changed since" in stale.output
