"""Who carries the project out: Trimtab's command, Trimtab's controller, Docker Compose. The raw calls are in rawapi."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.gitrepo import GitRepo
from tests.support.waiting import eventually
from trimtab.config import Config, RepositoryConfig
from trimtab.model.keys import AppKey
from trimtab.model.records import Release
from trimtab.model.status import HealthStatus, Phase
from trimtab.wiring.controller import Controller

FILE = "compose.yaml"


def as_installed(url: str, **more: str) -> dict[str, str]:
    """A command's environment: modules are compiled once, as for any installed program, whatever is set here."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**environment, "DOCKER_HOST": url, "COMPOSE_ANSI": "never", **more}


def timed(command: list[str], environment: Mapping[str, str], cwd: Path) -> float:
    """Wall time of a command that has to succeed."""
    began = time.perf_counter()
    done = subprocess.run(command, env=dict(environment), cwd=cwd, capture_output=True, text=True, check=False)
    took = time.perf_counter() - began
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout[-1000:]}\n{done.stderr[-2000:]}"
    return took


def trimtab(*arguments: str) -> list[str]:
    """The command as its console script runs it."""
    return [sys.executable, "-m", "trimtab", *arguments]


@dataclass(frozen=True, slots=True)
class Command:
    """A tool that reads ``folder``/compose.yaml and carries it out."""

    words: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str]

    def run(self, text: str) -> float:
        """Seconds for carrying this text out."""
        (self.folder / FILE).write_text(text, encoding="utf-8")
        return timed(list(self.words), self.environment, self.folder)


def compose_command(folder: Path, project: str, url: str) -> Command:
    """docker compose up -d."""
    words = ("docker", "compose", "-p", project, "-f", FILE, "up", "-d")
    return Command(words, _made(folder / project), as_installed(url))


def trimtab_command(folder: Path, project: str, url: str, installation: str) -> Command:
    """trimtab apply --no-wait, which ends where ``up -d`` does: when everything was started."""
    home = _made(folder / f"{project}-data")
    options = ("--no-wait", "--yes", "--data-dir", str(home), "--installation", installation)
    return Command(tuple(trimtab("apply", *options, ".")), _made(folder / project), as_installed(url))


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@dataclass(frozen=True, slots=True)
class Call:
    """One request of the controller to the engine; ``began`` on the wall clock."""

    began: float
    seconds: float
    method: str
    kind: str
    thread: int


class MeasuredController(Controller):
    """The controller as ``trimtab run`` wires it, with every request to the engine written down."""

    def __init__(self, config: Config) -> None:
        self.seen: list[Call] = []
        super().__init__(config)

    def _count_call(self, method: str, kind: str, seconds: float, status: int) -> None:
        self.seen.append(Call(time.time() - seconds, seconds, method, kind, threading.get_ident()))
        super()._count_call(method, kind, seconds, status)


@dataclass(slots=True)
class Watching:
    """A controller on one local repository that holds one application."""

    controller: MeasuredController
    repo: GitRepo
    app: AppKey

    def push(self, text: str) -> float:
        """Push a compose file; the moment at which the branch moved."""
        self.repo.deploy({FILE: text})
        return (self.repo.remote / "refs" / "heads" / "main").stat().st_mtime

    def released(self, revision: str, timeout_s: float = 300.0) -> Release:
        """The finished release of a commit."""

        def finished() -> Release:
            newest = self.controller.store.releases.list(self.app, 1)
            assert newest, "no release yet"
            assert newest[0].revision == revision, f"still {newest[0].revision[:7]}"
            assert newest[0].finished_at is not None, "still running"
            return newest[0]

        release = eventually(finished, what=f"release of {revision[:7]}", timeout_s=timeout_s, every_s=0.02)
        assert release.phase is Phase.SUCCEEDED, release.message
        return release

    def at_rest(self, timeout_s: float = 120.0) -> None:
        """Wait until the application is healthy, that is written down, and nothing runs any more."""

        def rests() -> bool:
            status = self.controller.store.statuses.get(self.app)
            state = self.controller.store.applied.get(self.app)
            return (
                status is not None
                and status.health is HealthStatus.HEALTHY
                and state.healthy_revision == self.repo.head()
                and not self.controller.loop.running()
            )

        eventually(rests, what=f"{self.app} healthy", timeout_s=timeout_s)

    def deploy(self, text: str) -> float:
        """Seconds from the branch's move to the end of the release."""
        moved = self.push(text)
        finished = self.released(self.repo.head()).finished_at
        assert finished is not None
        return finished.timestamp() - moved

    def calls_since(self, moment: float) -> list[Call]:
        """Requests that began after a moment, in order."""
        return sorted((call for call in tuple(self.controller.seen) if call.began >= moment), key=lambda c: c.began)


@contextlib.contextmanager
def watching(
    folder: Path, name: str, installation: str, url: str, text: str, *, settle_s: float = 1.0
) -> Iterator[Watching]:
    """A controller that runs, on a repository that holds ``text``."""
    repo = GitRepo.create(folder, {FILE: text}, name=name)
    config = Config(
        repositories=(RepositoryConfig(url=str(repo.remote)),),
        data_dir=folder / f"{name}-data",
        installation=installation,
        docker_host=url,
        listen="off",
        settle_s=settle_s,
    )
    controller = MeasuredController(config)
    controller.start()
    try:
        yield Watching(controller, repo, AppKey("default", name))
    finally:
        controller.stop()
