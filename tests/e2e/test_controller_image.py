"""The project's own Dockerfile and compose file: built, started, and at work on the engine whose socket it has.

Nothing is fetched: the base image and the packages are this machine's (tests/support/image.py).
"""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import give_up
from tests.support import image
from tests.support.engine import BASE_IMAGE, EngineScope
from tests.support.gitrepo import GitRepo
from tests.support.scenario import PATIENCE_S, Controller, free_port, inside
from tests.support.waiting import eventually

pytestmark = [pytest.mark.engine, pytest.mark.e2e]

SOCKET = "/var/run/docker.sock"
# What a user would put beside a copy of manifests/compose.yaml: the repository is local here, so it is mounted. And
# whoever applies holds the lock that the new one needs to be healthy by the image's own check, which is run by hand.
OVERRIDE = """\
services:
  controller:
    environment: {{TRIMTAB_SETTLE: 0.5s}}
    healthcheck: {{test: [CMD, test, -d, /var/lib/trimtab], interval: 1s}}
    volumes: ["{remote}:/repo.git:ro"]
"""
WEB = """\
name: {name}-web
services:
  web:
    image: {image}
    init: true
    command: [httpd, -f, -p, "8080", -h, /site]
    stop_grace_period: 1s
    ports: ["127.0.0.1:{port}:8080"]
    volumes: ["./site:/site:ro"]
    configs: [{{source: words, target: /etc/words}}]
configs: {{words: {{file: ./words.txt}}}}
"""


@dataclass
class Installed:
    """A checkout in a repository with an application beside it, and the controller that was started from it."""

    scope: EngineScope
    repo: GitRepo
    outside: Controller
    api_port: int
    web_port: int

    @property
    def name(self) -> str:
        return f"{self.scope.name}-ctl-controller-1"

    def inspect(self) -> dict[str, Any]:
        found: dict[str, Any] = self.scope.api.inspect_container(self.name)
        return found

    def runs(self, *words: str) -> tuple[int, str]:
        """A command in the container: its exit code and all that it prints."""
        made = self.scope.api.exec_create(self.name, list(words))
        text: bytes = self.scope.api.exec_start(made["Id"])
        return int(self.scope.api.exec_inspect(made["Id"])["ExitCode"]), text.decode()

    def page(self) -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.web_port}/index.html", timeout=5) as answer:
                text: str = answer.read().decode()
        except OSError as error:
            return str(error)
        return text

    def statuses(self) -> dict[str, tuple[str, str]]:
        """Sync and health of every application, by the published port."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.api_port}/api/v1/applications", timeout=5) as answer:
            told = json.load(answer)
        return {item["name"]: (item["sync"]["status"], item["health"]["status"]) for item in told["applications"]}

    def log(self) -> str:
        text: bytes = self.scope.api.logs(self.name)
        return text.decode(errors="replace")[-3000:]


@pytest.fixture
def installed(scope: EngineScope, tmp_path: Path, engine_url: str) -> Iterator[Installed]:
    if engine_url != f"unix://{SOCKET}":
        pytest.skip("the compose file mounts the system's socket")
    if (reason := image.why_none()) is not None:
        give_up(reason)
    base = f"{scope.name}/python:test"
    image.build_base(scope.api, base)
    api_port, web_port = free_port(), free_port()
    repo = GitRepo.create(tmp_path, name=scope.name)
    image.write_checkout(repo.path)
    manifest = (image.ROOT / "manifests" / "compose.yaml").read_text(encoding="utf-8")
    settings = {
        "PYTHON_IMAGE": base,
        "TRIMTAB_IMAGE": f"{scope.name}/trimtab:test",
        "TRIMTAB_REPO": "file:///repo.git",
        "TRIMTAB_INSTALLATION": scope.name,
        "TRIMTAB_PORT": str(api_port),
        "TRIMTAB_USER": "trimtab",
        "DOCKER_GID": str(Path(SOCKET).stat().st_gid),
    }
    repo.deploy(
        {
            # The one change: a name of its own, on an engine that others use.
            "manifests/compose.yaml": manifest.replace("name: trimtab\n", f"name: {scope.name}-ctl\n"),
            "manifests/compose.override.yaml": OVERRIDE.format(remote=repo.remote),
            "manifests/.env": "".join(f"{name}={value}\n" for name, value in settings.items()),
            "web/compose.yaml": WEB.format(name=scope.name, image=BASE_IMAGE, port=web_port),
            "web/site/index.html": "hello\n",
            "web/words.txt": "first words\n",
        }
    )
    # Others' directories are not theirs to look into: the container's user has to get at the repository.
    for folder in (*repo.remote.parents[:3], repo.remote):
        folder.chmod(folder.stat().st_mode | 0o055)
    outside = Controller(scope.name, (repo.remote,), tmp_path / "outside")
    made = Installed(scope, repo, outside, api_port, web_port)
    yield made
    if any(made.name in name for item in scope.containers() for name in item["Names"]):
        sys.stdout.write(made.log())


def test_the_image_is_built_and_does_its_work_in_a_container(installed: Installed) -> None:
    said = installed.outside.trimtab(
        # Who waited until it runs well would hold the lock that it needs for that.
        "apply",
        "--repo",
        str(installed.repo.remote),
        "--path",
        "manifests",
        "--yes",
        "--no-wait",
        timeout_s=400.0,
    )
    assert said.code == 0, said.text
    found = installed.inspect()
    assert found["Config"]["User"] == "trimtab"
    assert found["HostConfig"]["ReadonlyRootfs"]

    # It deploys what lies beside it: files that only Git has, mounted on an engine that does not see the controller's.
    eventually(lambda: installed.page() == "hello\n", what="the page is served", timeout_s=PATIENCE_S)
    web = f"{installed.scope.name}-web-web-1"
    assert inside(installed.scope, web, "cat", "/etc/words") == "first words"
    both = {f"{installed.scope.name}-{name}": ("Synced", "Healthy") for name in ("ctl", "web")}
    eventually(lambda: installed.statuses() == both, what="all is well, itself as well", timeout_s=PATIENCE_S)
    assert installed.inspect()["Id"] == found["Id"]
    check = installed.scope.api.inspect_image(found["Image"])["Config"]["Healthcheck"]["Test"]
    assert installed.runs(*check[1:]) == (0, "")
    code, text = installed.runs("trimtab", "doctor")
    assert code == 0, text
    assert "FAIL" not in text

    # A push, while it runs; then the end that `docker stop` asks for, in its own time and without a complaint.
    installed.repo.deploy({"web/site/index.html": "good bye\n"})
    eventually(lambda: installed.page() == "good bye\n", what="the new page is served", timeout_s=PATIENCE_S)
    eventually(lambda: installed.statuses() == both, what="all is well again", timeout_s=PATIENCE_S)
    installed.scope.api.stop(installed.name, timeout=40)
    assert installed.inspect()["State"]["ExitCode"] == 0, installed.log()
    assert "Traceback" not in installed.log()
    assert installed.page() == "good bye\n", "what it deployed goes on without it"
