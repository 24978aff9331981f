"""Files of a commit in containers: exactly those, never changed under one that runs. On the real engine."""

from __future__ import annotations

from pathlib import Path

import docker
import pytest
from typer.testing import CliRunner, Result

from tests.support.engine import BASE_IMAGE, EngineScope
from tests.support.scenario import inside
from trimtab.cli.main import app

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("ignore::ResourceWarning")]

COMPOSE = """\
name: {name}
services:
  web:
    image: '{image}'
    init: true
    command: [sleep, '1000']
    stop_grace_period: 1s
    volumes: ['./pages:/pages:ro']
    configs: [{{source: words, target: /words}}]
    healthcheck: {{test: [CMD, test, -e, /pages/well], interval: 1s, timeout: 5s, retries: 2}}
configs: {{words: {{file: ./words.txt}}}}
"""


def test_files_are_those_of_the_commit_and_the_one_before_keeps_its_own(
    docker_api: docker.APIClient, scope: EngineScope, tmp_path: Path
) -> None:
    folder = tmp_path / "app"
    web = f"{scope.name}-web-1"

    def apply(words: str, **pages: str) -> Result:
        (folder / "pages").mkdir(parents=True, exist_ok=True)
        for there in (folder / "pages").iterdir():
            there.unlink()
        for name, text in pages.items():
            (folder / "pages" / name).write_text(text)
        (folder / "words.txt").write_text(words)
        (folder / "compose.yaml").write_text(COMPOSE.format(name=scope.name, image=BASE_IMAGE))
        place = ["--data-dir", str(tmp_path / "data"), "--installation", scope.name, "--yes"]
        return CliRunner().invoke(app, ["apply", str(folder), *place])

    def seen() -> list[str]:
        return inside(scope, web, "sh", "-c", "cat /words; for f in /pages/*; do echo; cat $f; done").split("\n")

    assert apply("words of 1", a="1", b="1", well="").exit_code == 0
    first = docker_api.inspect_container(web)["Id"]
    assert seen() == ["words of 1", "1", "1"]

    # The new one never gets well: what the old one reads has not changed under it.
    failed = apply("words of 2", a="2", c="2")
    assert failed.exit_code == 1, failed.output
    assert docker_api.inspect_container(web)["Id"] == first
    assert seen() == ["words of 1", "1", "1"]

    third = apply("words of 3", a="3", c="3", well="")
    assert third.exit_code == 0, third.output
    assert docker_api.inspect_container(web)["Id"] != first
    assert seen() == ["words of 3", "3", "3"]
    assert inside(scope, web, "ls", "/pages").split() == ["a", "c", "well"]
