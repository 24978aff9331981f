"""The language of the end-to-end scenarios: a controller process, what a user pushes, and what then is true.

``Controller`` is the real command in a process of its own; ``Shop`` is a tiny application in its own repository.
Sentences start with what is done (``push``, ``kill9``) or with ``eventually``, which waits and tells of its last look.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import docker

from tests.support.engine import BASE_IMAGE, EngineScope
from tests.support.gitrepo import GitRepo
from tests.support.waiting import eventually

COMMAND = Path(sys.executable).with_name("trimtab")
# Two busy cores: what takes a second alone takes many when eight others work.
PATIENCE_S = 90.0
# A release counts as healthy once it has run well for this long; the default of 5 s would only be waited for.
SETTLE_S = "0.5s"
PAGE = "web/site/index.html"


@dataclass(frozen=True, slots=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """All of it."""
        return f"{self.out}{self.err}"


@dataclass(slots=True)
class Controller:
    """``trimtab run`` as a process. It may be started, killed and started again; its data directory stays."""

    installation: str
    repositories: tuple[Path | str, ...]
    folder: Path
    options: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    started_at: str = ""

    @property
    def data_dir(self) -> Path:
        """Where it keeps its state."""
        return self.folder / "data"

    @property
    def log_file(self) -> Path:
        """All it logged, over all its lives."""
        return self.folder / "controller.log"

    @property
    def log(self) -> str:
        """The text of its log."""
        return self.log_file.read_text(encoding="utf-8") if self.log_file.exists() else ""

    def show_log(self) -> None:
        """Print the end of it, which pytest shows when a test fails."""
        sys.stdout.write(self.log[-20_000:])

    @property
    def database(self) -> Path:
        """Its SQLite file."""
        return self.data_dir / "trimtab.db"

    def variables(self) -> dict[str, str]:
        """The environment of the command: this process's, without settings that a developer may have made."""
        return {**os.environ, "TRIMTAB_SETTLE": SETTLE_S, **self.environment}

    def start(self) -> Controller:
        """Start it; it is not waited for."""
        assert self.process is None, "it runs already"
        self.folder.mkdir(parents=True, exist_ok=True)
        repos = [word for repository in self.repositories for word in ("--repo", str(repository))]
        arguments = ["run", *repos, *self._place(), "--listen", "off", *self.options]
        self.started_at = datetime.now(UTC).isoformat()
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [COMMAND, *arguments], env=self.variables(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        return self

    def _place(self) -> list[str]:
        return ["--data-dir", str(self.data_dir), "--installation", self.installation]

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self.process is not None, "it does not run"
        return self.process.pid

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self.process is not None and self.process.poll() is None

    def kill9(self) -> None:
        """End it as a power cut would: nothing is tidied up."""
        assert self.process is not None, "it does not run"
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self, timeout_s: float = 60.0) -> int:
        """SIGTERM; its exit code."""
        assert self.process is not None, "it does not run"
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout_s)
        self.process = None
        return code

    def command(self, verb: str, *arguments: str) -> list[str]:
        """Another command on the same state, as it is called."""
        place = self._place() if verb in {"plan", "apply", "adopt", "diff", "run", "delete"} else self._place()[:2]
        return [str(COMMAND), verb, *arguments, *place]

    def trimtab(self, verb: str, *arguments: str, timeout_s: float = 120.0) -> Said:
        """Run another command on the same state, as a user would in a second terminal."""
        done = subprocess.run(
            self.command(verb, *arguments), env=self.variables(), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=timeout_s,
        )  # fmt: skip
        return Said(done.returncode, done.stdout, done.stderr)

    # -- its state, read beside it -----------------------------------------------------------------------------------

    def ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of its database; none while there is no database yet."""
        if not self.database.exists():
            return []
        with contextlib.closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=10)) as database:
            try:
                return database.execute(query, values).fetchall()
            except sqlite3.OperationalError as error:
                # Between its making and its first migration.
                if "no such table" in str(error):
                    return []
                raise

    def status(self, app: str) -> dict[str, Any]:
        """The status that it wrote last; empty when there is none."""
        rows = self.ask("SELECT status FROM statuses WHERE app = ?", app)
        found: dict[str, Any] = json.loads(rows[0][0]) if rows else {}
        return found

    def events(self, app: str, reason: str = "") -> list[str]:
        """The messages of the events of an application, oldest first."""
        rows = self.ask("SELECT reason, message FROM events WHERE app = ? ORDER BY id", app)
        return [message for was, message in rows if not reason or was == reason]

    def last_run(self) -> int:
        """The number of the newest run of a plan."""
        return int(self.ask("SELECT coalesce(max(run), 0) FROM runs")[0][0])

    def steps(self, *, after_run: int = 0) -> list[str]:
        """The texts of the steps that were begun, oldest first."""
        rows = self.ask("SELECT text FROM steps WHERE run > ? ORDER BY run, started_at, node", after_run)
        return [text for (text,) in rows]


@contextlib.contextmanager
def running(controller: Controller) -> Iterator[Controller]:
    """Start it, and see to it that it ends; what it logged is printed (and shown when the test fails)."""
    try:
        yield controller.start()
    finally:
        if controller.process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                controller.stop(15)
        if controller.process is not None:
            controller.kill9()
        controller.show_log()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


COMPOSE = """\
name: {name}
services:
  web:
    build: ./web
    init: true
    stop_grace_period: 1s
    {ports}
    environment: {{GREETING: hello}}
    healthcheck: {{test: [CMD, test, -e, /srv/well], interval: 1s, timeout: 1s, retries: 2}}
    networks: [front]
  store:
    image: {image}
    init: true
    command: [sh, -c, "test -e /data/born || head -c 12 /dev/urandom | base64 >/data/born; exec sleep 86400"]
    stop_grace_period: 1s
    networks: [front]
    volumes: ["data:/data"]
networks: {{front: {{}}}}
volumes: {{data: {{}}}}
"""
DOCKERFILE = f"""\
FROM {BASE_IMAGE}
COPY site /srv
EXPOSE 8080
CMD ["httpd", "-f", "-p", "8080", "-h", "/srv"]
"""


@dataclass(frozen=True, slots=True)
class Container:
    """What tells whether a container was touched: another id is another container, another start a restart."""

    id: str
    started_at: str
    image: str
    running: bool


@dataclass(slots=True)
class Shop:
    """A web front built from Git and a store with a volume: the smallest application that has everything.

    Published on ``port`` when there is one; else it can be replaced without stopping first.
    """

    scope: EngineScope
    name: str
    repo: GitRepo
    controller: Controller
    port: int | None

    @classmethod
    def create(
        cls, scope: EngineScope, folder: Path, *, name: str = "", port: int | None = None, options: tuple[str, ...] = ()
    ) -> Shop:
        """Its repository, pushed, and a controller that was not started yet."""
        chosen = name or scope.name
        repo = GitRepo.create(folder, cls.files(chosen, port), name=chosen)
        controller = Controller(scope.name, (repo.remote,), folder / "controller", options)
        return cls(scope, chosen, repo, controller, port)

    @staticmethod
    def files(name: str, port: int | None) -> dict[str, str | bytes | None]:
        """The first version of all its files."""
        ports = f'ports: ["127.0.0.1:{port}:8080"]' if port else "expose: ['8080']"
        return {
            "compose.yaml": COMPOSE.format(name=name, ports=ports, image=BASE_IMAGE),
            "web/Dockerfile": DOCKERFILE,
            PAGE: "the first page\n",
            "web/site/well": "",
        }

    # -- what a user does --------------------------------------------------------------------------------------------

    def push(self, files: Mapping[str, str | bytes | None], message: str = "change") -> str:
        """Edit, commit, push; the commit's id."""
        return self.repo.deploy(files, message)

    def push_page(self, text: str) -> str:
        """A new page."""
        return self.push({PAGE: f"{text}\n"}, text)

    def edit(self, old: str, new: str, file: str = "compose.yaml") -> dict[str, str | bytes | None]:
        """The file with ``old`` replaced, to be pushed."""
        text = (self.repo.path / file).read_text(encoding="utf-8")
        assert old in text, f"{file} has no {old!r}"
        return {file: text.replace(old, new)}

    def is_at_its_first_version(self) -> Shop:
        """Given: the first version is pushed, everything of it runs well, and nobody holds it."""
        first = self.files(self.name, self.port)
        wanted = {name: (text or "") for name, text in first.items()}
        there = {name: self._read(name) for name in wanted}
        extra = [name for name in self.repo.git("ls-files").splitlines() if name not in wanted]
        if there != wanted or extra:
            self.push({**first, **dict.fromkeys(extra)}, "back to the first version")
        self.eventually_settled()
        return self

    def _read(self, name: str) -> str:
        file = self.repo.path / name
        return file.read_text(encoding="utf-8") if file.exists() else "(none)"

    # -- what then is true -------------------------------------------------------------------------------------------

    def page(self) -> str:
        """What the published page says now; "" when nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/index.html", timeout=2) as answer:
                text: str = answer.read().decode()
                return text.strip()
        except (OSError, http.client.HTTPException):
            # Refused, or cut off in the middle.
            return ""

    def eventually_serves(self, text: str) -> None:
        """The published page says so."""
        eventually(lambda: self.page() == text, what=f"{self.name} serves {text!r}", timeout_s=PATIENCE_S)

    def eventually_settled(self, revision: str = "") -> None:
        """Synced and Healthy at ``revision`` (the newest), and that is written down as the last healthy one."""
        wanted = revision or self.repo.head()

        def settled() -> bool:
            status = self.controller.status(self.name)
            facts = {
                name: status.get(name) for name in ("sync", "health", "desired_revision", "healthy_revision", "message")
            }
            assert self.controller.running, f"the controller ended: {self.controller.log[-500:]}"
            assert str(status.get("observed_at")) >= self.controller.started_at, "not looked at since the start"
            assert facts["sync"] == "Synced", facts
            assert facts["health"] == "Healthy", facts
            assert wanted == facts["desired_revision"], facts
            healthy = self.controller.ask("SELECT healthy_revision FROM applied WHERE app = ?", self.name)
            assert healthy == [(wanted,)], (facts, healthy)
            return True

        eventually(settled, what=f"{self.name} is settled at {wanted[:7]}", timeout_s=PATIENCE_S)

    def eventually_says(self, *words: str) -> str:
        """Its status has all the words; the message."""

        def message() -> str:
            status = self.controller.status(self.name)
            text = str(status.get("message", ""))
            missing = [word for word in words if word not in text]
            assert not missing, f"no {missing} in {text!r} ({status.get('sync')}, {status.get('health')})"
            return text or " "

        return eventually(message, what=f"the status of {self.name} says {words}", timeout_s=PATIENCE_S)

    def eventually_tells(self, reason: str, word: str = "", *, times: int = 1) -> list[str]:
        """There are events for that reason, with that word in their message."""

        def told() -> list[str]:
            found = [message for message in self.controller.events(self.name, reason) if word in message]
            assert len(found) >= times, f"{len(found)} of {times}; all: {self.controller.events(self.name)[-5:]}"
            return found

        return eventually(told, what=f"event {reason} {word!r}", timeout_s=PATIENCE_S)

    # -- what is on the engine ---------------------------------------------------------------------------------------

    def containers(self) -> dict[str, Container]:
        """Its containers by name."""
        api = self.scope.api
        listed = api.containers(all=True, filters={"label": f"com.docker.compose.project={self.name}"})
        found = []
        for item in listed:
            # One that is replaced just now may be gone since the list was made.
            with contextlib.suppress(docker.errors.NotFound):
                found.append(api.inspect_container(item["Id"]))
        return {
            item["Name"].lstrip("/"): Container(
                item["Id"], item["State"]["StartedAt"], item["Config"]["Image"], item["State"]["Running"]
            )
            for item in found
        }

    def container(self, service: str) -> Container:
        """The one container of a service."""
        return self.containers()[f"{self.name}-{service}-1"]

    def address(self, service: str) -> str:
        """Its address on the shop's network, which only that container has."""
        found = self.scope.api.inspect_container(f"{self.name}-{service}-1")
        return str(found["NetworkSettings"]["Networks"][f"{self.name}_front"]["IPAddress"])

    def built_images(self) -> set[str]:
        """Ids of the images that this installation has built."""
        images = self.scope.api.images(filters={"label": f"trimtab.dev/built-by={self.scope.name}"})
        return {image["Id"] for image in images}

    def born(self) -> str:
        """What the store wrote into its volume when that was new: another text is another volume."""
        return inside(self.scope, f"{self.name}-store-1", "cat", "/data/born")


def inside(scope: EngineScope, container: str, *command: str) -> str:
    """What a command prints inside a container."""
    run = scope.api.exec_create(container, list(command))
    text: bytes = scope.api.exec_start(run["Id"])
    return text.decode().strip()
