"""Fixtures of the benchmarks: the figures of this run, its size, and the tools to compare with."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.figures import Figures
from tests.bench.rawapi import RawApi, remove_project, socket_path
from tests.support.engine import EngineScope

FIGURES = pytest.StashKey[Figures]()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The table, after everything else; the file that --bench-json names."""
    figures = config.stash.get(FIGURES, None)
    if figures is None or not figures.found:
        return
    figures.note_load("at the end")
    terminalreporter.section("speed")
    for name, value in figures.facts.items():
        terminalreporter.line(f"{name}: {value}")
    terminalreporter.line(figures.table())
    if file := config.getoption("--bench-json"):
        figures.write(Path(file))


@pytest.fixture(scope="session")
def figures(pytestconfig: pytest.Config) -> Figures:
    """Where every test leaves what it measured."""
    if FIGURES not in pytestconfig.stash:
        pytestconfig.stash[FIGURES] = Figures()
        pytestconfig.stash[FIGURES].note_load("at the beginning")
    return pytestconfig.stash[FIGURES]


@pytest.fixture(scope="session")
def services(pytestconfig: pytest.Config) -> int:
    """How many services the compared project has."""
    return int(pytestconfig.getoption("--bench-services"))


@pytest.fixture(scope="session")
def rounds(pytestconfig: pytest.Config) -> int:
    """How often each is measured."""
    return int(pytestconfig.getoption("--bench-rounds"))


@pytest.fixture(scope="session")
def idle_s(pytestconfig: pytest.Config) -> float:
    """For how long a controller at rest is looked at."""
    return float(pytestconfig.getoption("--bench-idle"))


@pytest.fixture
def raw(engine_url: str, figures: Figures) -> Iterator[RawApi]:
    """The engine's API; skips where the engine is not on a local socket."""
    if socket_path(engine_url) is None:
        pytest.skip("raw calls are made through a local socket")
    api = RawApi(engine_url)
    version = api("GET", "/version")
    figures.facts["engine"] = f"{version['Version']}, API {version['ApiVersion']}, {version['KernelVersion']}"
    yield api
    api.close()


@pytest.fixture(scope="session")
def compose(figures: Figures) -> str:
    """Docker Compose's version; skips where it is not installed."""
    try:
        done = subprocess.run(["docker", "compose", "version", "--short"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no docker command to compare with")
    if done.returncode:
        pytest.skip("docker compose is not installed")
    figures.facts["compose"] = done.stdout.strip()
    return done.stdout.strip()


class Projects:
    """Names for projects of this test; what carries them is removed at its end."""

    def __init__(self, api: RawApi, prefix: str) -> None:
        self._api = api
        self._prefix = prefix
        self._names: list[str] = []

    def name(self, suffix: str) -> str:
        """A name of our own."""
        name = f"{self._prefix}{suffix}"
        if name not in self._names:
            self._names.append(name)
        return name

    def remove(self, name: str) -> None:
        """Everything of one project, so that it can be made from nothing again."""
        remove_project(self._api, name)

    def remove_all(self) -> None:
        """Of all of them."""
        for name in self._names:
            self.remove(name)


@pytest.fixture
def projects(raw: RawApi, scope: EngineScope) -> Iterator[Projects]:
    """Names that start with this test's own; the scope then sweeps what is left."""
    found = Projects(raw, scope.name)
    yield found
    found.remove_all()
