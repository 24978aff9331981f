"""Issue 2, Speed: planning 1,000 applications of 10 services in memory with nothing changed takes at most a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from tests.bench.figures import Figures
from tests.support.memory_tree import MemoryTree
from trimtab.backends.engine.dialect import EngineDialect
from trimtab.backends.engine.steps import EngineStep
from trimtab.images.resolver import TreeImageResolver
from trimtab.manifest.load import LoadCache, load
from trimtab.model.application import Application
from trimtab.model.desired import DesiredState
from trimtab.model.keys import AppKey
from trimtab.model.observed import ObservedState
from trimtab.model.plan import Plan
from trimtab.model.snapshot import Snapshot
from trimtab.plan.suppose import suppose
from trimtab.runtime.clock import SystemClock
from trimtab.runtime.planner import Planner
from trimtab.store.sqlite import SqliteStore

pytestmark = [pytest.mark.bench, pytest.mark.slow]

ResultT = TypeVar("ResultT")
APPLICATIONS, SERVICES = 1_000, 10
READ = 50


class SupposedEngine:
    """A driver that has carried out everything it was shown, to the letter."""

    target = "supposed"

    def __init__(self) -> None:
        self.states: dict[AppKey, ObservedState] = {}

    def observe(self, app: AppKey | None = None, *, images: Sequence[str] = (), fresh: bool = False) -> ObservedState:
        """What was supposed."""
        assert app is not None
        return self.states[app]


def application_text(number: int) -> str:
    """Ten services as they are written by people: a port, a volume, health, limits, a dependency."""
    lines = ["services:"]
    for service in range(SERVICES):
        lines += [
            f"  s{service}:",
            "    image: busybox:1.36",
            f"    command: [httpd, -f, -p, '80{service:02d}']",
            f"    environment: {{LEVEL: info, APP: 'a{number}', PORT: '80{service:02d}'}}",
            f"    volumes: ['data{service}:/data']",
            "    networks: [front]",
            "    restart: unless-stopped",
            "    mem_limit: 64m",
            "    labels: {team: blue}",
            "    healthcheck: {test: [CMD, 'true'], interval: 5s}",
        ]
        if service:
            lines += [f"    depends_on: [s{service - 1}]"]
    lines += ["networks: {front: {}}", "volumes:"]
    lines += [f"  data{service}: {{}}" for service in range(SERVICES)]
    return "\n".join(lines) + "\n"


def test_planning_with_nothing_changed(tmp_path: Path, figures: Figures) -> None:
    tree = MemoryTree({f"a{n:04d}/compose.yaml": application_text(n) for n in range(READ)})
    cache = LoadCache()
    took, result = timed(lambda: load(tree, default_name="bench", cache=cache))
    assert len(result.applications) == READ
    figures.add(f"reading and checking {READ} applications x {SERVICES} services, first time", "s", took)
    edited = tree.commit({"a0000/compose.yaml": application_text(READ)})
    took, _ = timed(lambda: load(edited, default_name="bench", cache=cache))
    figures.add(f"reading {READ} applications after a commit to one", "s", took)
    # The same manifests under other names: reading them all would take most of the time of this test.
    apps = tuple(
        replace(result.applications[n % READ], key=AppKey("default", f"a{n:04d}")) for n in range(APPLICATIONS)
    )
    size = f"{APPLICATIONS} applications x {SERVICES} services"
    engine = SupposedEngine()
    store = SqliteStore(tmp_path, SystemClock())
    backend = EngineDialect(installation="bench", seal_key=b"k" * 32)
    snapshot = Snapshot(
        repo_url="memory", ref="refs/heads/main", revision="1" * 40, tree=tree, subject="", author="", committed_at=None
    )
    planner = fresh_planner(backend, engine, store)
    took, desired = timed(lambda: {app.key: planner.desired(app, snapshot) for app in apps})
    figures.add(f"rendering {size}, first time", "s", took)
    engine.states = {key: suppose(state) for key, state in desired.items()}

    def look_at_all() -> int:
        return sum(1 for app in apps if not look(planner, app, snapshot).empty)

    took, changed = timed(look_at_all)
    assert changed == 0
    figures.add(f"planning {size}, every field compared", "s", took)
    again = [timed(look_at_all)[0] for _ in range(3)]
    figures.add(f"planning {size}, nothing changed", "s", again, target=1.0)
    store.close()


def fresh_planner(backend: EngineDialect, engine: SupposedEngine, store: SqliteStore) -> Planner[EngineStep]:
    """A planner that has not looked at anything yet."""
    return Planner(backend, engine, TreeImageResolver("trimtab"), store.applied, store.holds)  # type: ignore[arg-type]


def look(planner: Planner[EngineStep], app: Application, snapshot: Snapshot) -> Plan[EngineStep]:
    """One application, from its manifest to its plan."""
    state: DesiredState = planner.desired(app, snapshot)
    return planner.look(app.key, state, application=app, snapshot=snapshot).plan


def timed(work: Callable[[], ResultT]) -> tuple[float, ResultT]:
    """Seconds, and what came of it."""
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result
