"""A controller in a container that manages itself: it is replaced by a push, put back when that fails, never lost.

The image is the tests' base image, in which the host's files are mounted: what runs is this very code.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.support.allowed import guarded
from tests.support.engine import BASE_IMAGE, EngineScope
from tests.support.gitrepo import GitRepo
from tests.support.proxy import EngineProxy
from tests.support.scenario import COMMAND, PATIENCE_S, Controller, free_port
from tests.support.waiting import eventually

pytestmark = [pytest.mark.engine, pytest.mark.e2e]

CONTROLLER = """\
name: {name}-ctl
services:
  controller:
    image: {image}
    init: true
    labels: {{version: "{version}"}}
    command: [chroot, /host, {command}, {run}, --repo, {remote}, --data-dir, {data}, --installation, {name},
              --listen, "off"]
    environment: {{TRIMTAB_SETTLE: 0.5s, DOCKER_HOST: "{engine}"}}
    restart: unless-stopped
    stop_grace_period: 20s
    healthcheck: {{test: [CMD, test, -e, "/host{data}/trimtab.db"], interval: 1s, timeout: 20s, retries: 5}}
    volumes: ["/:/host"]
"""
WEB = """\
name: {name}-web
services:
  web:
    image: {image}
    init: true
    command: [sh, -c, "echo here >/index.html; exec httpd -f -p 8080 -h /"]
    stop_grace_period: 1s
    ports: ["127.0.0.1:{port}:8080"]
"""


@dataclass
class Client:
    """Asks the application all the time; ``failed`` are the requests without an answer."""

    port: int
    asked: int = 0
    failed: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        thread = threading.Thread(target=self._ask)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _ask(self) -> None:
        while not self._stop.wait(0.02):
            self.asked += 1
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/index.html", timeout=5) as answer:
                    assert answer.read() == b"here\n"
            except OSError as error:
                self.failed.append(str(error))


@dataclass
class Managed:
    """A repository with the controller itself and an application, and the controller in its container."""

    scope: EngineScope
    repo: GitRepo
    outside: Controller
    port: int
    proxy: EngineProxy
    refused: list[str]

    def push(self, version: str, run: str = "run", program: str = str(COMMAND)) -> str:
        text = CONTROLLER.format(
            name=self.scope.name, image=BASE_IMAGE, version=version, run=run, command=program, remote=self.repo.remote,
            data=self.outside.data_dir, engine=self.proxy.url,
        )  # fmt: skip
        return self.repo.deploy({"ctl/compose.yaml": text}, f"version {version}")

    def eventually_gives_up(self, broken: str, goes_on: str) -> None:
        """That revision has failed and is not tried again; the controller ``goes_on`` runs, and nothing else."""

        def told() -> bool:
            assert self.controller().get("Id") == goes_on, self.mine()
            assert self.controller()["State"]["Running"]
            status = self.outside.status(self.app)
            assert status.get("failed_revision") == broken, status
            assert self.mine() == [f"{self.app}-controller-1"]
            return True

        try:
            eventually(told, what=f"{broken[:7]} is given up", timeout_s=PATIENCE_S)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()}") from error

    @property
    def app(self) -> str:
        return f"{self.scope.name}-ctl"

    def inspect(self, name: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = self.scope.api.inspect_container(name)
        except docker.errors.NotFound:
            return {}
        return found

    def controller(self) -> dict[str, Any]:
        return self.inspect(f"{self.app}-controller-1")

    def helper(self) -> dict[str, Any]:
        return self.inspect(f"trimtab_{self.scope.name}_handover")

    def mine(self) -> list[str]:
        """Every container of the controller's application, helpers too."""
        names = [name.lstrip("/") for item in self.scope.containers() for name in item["Names"]]
        return sorted(name for name in names if "web-1" not in name)

    def log(self) -> str:
        logs = [self.scope.api.logs(name).decode(errors="replace")[-3000:] for name in self.mine()]
        return "\n----\n".join([*self.mine(), *logs])

    def eventually_runs(self, version: str, revision: str) -> dict[str, Any]:
        """That version alone is there, under its name, runs, and finds that nothing is left to do."""

        def settled() -> dict[str, Any]:
            found, status = self.controller(), self.outside.status(self.app)
            assert found.get("Config", {}).get("Labels", {}).get("version") == version, (self.mine(), status)
            assert found["State"]["Running"], found["State"]
            assert self.mine() == [f"{self.app}-controller-1"]
            facts = (status.get("sync"), status.get("health"), status.get("applied_revision"))
            assert facts == ("Synced", "Healthy", revision), status
            return found

        try:
            return eventually(settled, what=f"version {version} of the controller", timeout_s=PATIENCE_S)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()}") from error


@pytest.fixture
def managed(scope: EngineScope, tmp_path: Path, engine_url: str) -> Iterator[Managed]:
    if not engine_url.startswith("unix://"):
        pytest.skip("the controller's container reaches the engine through a local socket")
    proxy = EngineProxy(tmp_path / "engine.sock", engine_url.removeprefix("unix://"))
    port = free_port()
    repo = GitRepo.create(
        tmp_path, {"web/compose.yaml": WEB.format(name=scope.name, image=BASE_IMAGE, port=port)}, name=scope.name
    )
    outside = Controller(scope.name, (repo.remote,), tmp_path / "controller")
    outside.folder.mkdir(exist_ok=True)
    # Through a proxy that allows what the page of calls says, the helper too.
    yield Managed(scope, repo, outside, port, proxy, guarded(proxy))
    proxy.stop()


def kill_helper_in_the_middle(managed: Managed, old: str) -> None:
    """As a power cut would: once the old one is stopped, and the helper has not said that the new one is well."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        helper, before = managed.helper(), managed.inspect(old)
        if helper.get("State", {}).get("Pid") and before and not before["State"]["Running"]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(helper["State"]["Pid"], signal.SIGKILL)
                return
        time.sleep(0.02)
    raise AssertionError(f"no helper was seen at work\n{managed.log()}")


def test_a_push_replaces_the_controller_that_carries_it_out(managed: Managed) -> None:
    first = managed.push("1")
    said = managed.outside.trimtab("apply", "--repo", str(managed.repo.remote), "--yes")
    assert said.code == 0, said.text
    one = managed.eventually_runs("1", first)["Id"]
    web = managed.inspect(f"{managed.scope.name}-web-web-1")["Id"]
    client = Client(managed.port)
    with client.asking():
        second = managed.push("2")
        kill_helper_in_the_middle(managed, one)
        two = managed.eventually_runs("2", second)["Id"]
        assert two != one
        assert managed.inspect(one) == {}

        # One that ends while it starts: the old one is put back, says so, and is not tempted again.
        managed.eventually_gives_up(managed.push("3", run="run, --no-such-option"), two)
        # One that is no controller at all: not even the helper runs, and the old one is not stopped.
        started_at = managed.controller()["State"]["StartedAt"]
        managed.eventually_gives_up(managed.push("4", program="/no/such/program"), two)
        assert managed.controller()["State"]["StartedAt"] == started_at
    assert managed.refused == []
    assert client.asked > 20
    assert client.failed == []
    assert managed.inspect(f"{managed.scope.name}-web-web-1")["Id"] == web
    # It goes on with its work.
    text = (managed.repo.path / "web/compose.yaml").read_text(encoding="utf-8")
    managed.repo.deploy(
        {"web/compose.yaml": text.replace("    init: true", "    init: true\n    mem_limit: 64m")}, "less"
    )
    eventually(
        lambda: managed.inspect(web)["HostConfig"]["Memory"] == 64 << 20, what="the limit is set", timeout_s=PATIENCE_S
    )
