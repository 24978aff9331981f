"""Issue 2, Speed: 50 services from nothing, one changed, all changed: against Compose and against raw calls."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path

import pytest

from tests.bench.conftest import Projects
from tests.bench.contenders import compose_command, trimtab_command, watching
from tests.bench.figures import Figures
from tests.bench.project import compose_text
from tests.bench.rawapi import RawApi, RawProject

pytestmark = [pytest.mark.bench, pytest.mark.engine]

STEPS = ("from nothing", "nothing to do", "one changed", "all changed")
OURS, INSIDE, COMPOSE, RAW = "trimtab apply", "controller", "docker compose up", "raw calls"
SUFFIXES = {OURS: "a", INSIDE: "c", COMPOSE: "d", RAW: "r"}
NOTHING = "services: {}\n"


class Contest:
    """Everyone's way to carry the project out, one step after the other, each from nothing."""

    def __init__(self, folder: Path, url: str, raw: RawApi, projects: Projects, services: int) -> None:
        everything = range(services)
        self.texts = {
            "from nothing": compose_text(services),
            "nothing to do": compose_text(services),
            "one changed": compose_text(services, {services // 2}),
            "all changed": compose_text(services, everything, "v3"),
        }
        self.names = {who: projects.name(suffix) for who, suffix in SUFFIXES.items()}
        self.plays: Mapping[str, Callable[[], Mapping[str, float]]] = {
            OURS: self.by_command,
            COMPOSE: self.by_compose,
            INSIDE: self.by_controller,
            RAW: self.by_hand,
        }
        self._folder, self._url, self._raw, self._services = folder, url, raw, services
        self._ours = trimtab_command(folder, self.names[OURS], url, self.names[OURS])
        self._theirs = compose_command(folder, self.names[COMPOSE], url)
        self._numbers = count()
        # Compiles modules once, outside of what is measured.
        self._ours.run(NOTHING)

    def by_command(self) -> Mapping[str, float]:
        """trimtab apply, a process each time."""
        return {step: self._ours.run(self.texts[step]) for step in STEPS}

    def by_compose(self) -> Mapping[str, float]:
        """docker compose up -d."""
        return {step: self._theirs.run(self.texts[step]) for step in STEPS}

    def by_controller(self) -> Mapping[str, float]:
        """A push to the end of its release; doing nothing has a measurement of its own."""
        name, folder = self.names[INSIDE], self._folder / f"c{next(self._numbers)}"
        with watching(folder, name, name, self._url, NOTHING) as one:
            return {step: one.deploy(self.texts[step]) for step in STEPS if step != "nothing to do"}

    def by_hand(self) -> Mapping[str, float]:
        """The fewest calls there are."""
        project = RawProject(self._raw, self.names[RAW], self._services)
        return {
            "from nothing": seconds(project.up),
            "nothing to do": seconds(project.nothing),
            "one changed": seconds(lambda: project.change({self._services // 2}, "v2")),
            "all changed": seconds(lambda: project.change(range(self._services), "v3")),
        }


@pytest.mark.usefixtures("compose", "scope")
def test_the_same_project_by_everyone(  # noqa: PLR0917 - fixtures
    tmp_path: Path, engine_url: str, raw: RawApi, projects: Projects, figures: Figures, services: int, rounds: int
) -> None:
    contest = Contest(tmp_path, engine_url, raw, projects, services)
    took: dict[tuple[str, str], list[float]] = defaultdict(list)
    for _ in range(rounds):
        for who, play in contest.plays.items():
            for step, value in play().items():
                took[who, step].append(value)
            projects.remove(contest.names[who])
    for step in STEPS:
        for who in contest.plays:
            if values := took[who, step]:
                figures.add(f"{services} services, {step}: {who}", "s", values)
    for step in STEPS:
        target = None if step == "nothing to do" else 1.0
        for who in (OURS, INSIDE):
            if values := took[who, step]:
                figures.ratio(f"{step}: {who} / compose", values, took[COMPOSE, step], target=target)
                figures.ratio(f"{step}: {who} / raw calls", values, took[RAW, step])


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
