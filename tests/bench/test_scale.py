"""Scale: 1,000 applications in one Git repository, and 300 containers on one engine. Figures; counts are asserted."""

from __future__ import annotations

import contextlib
import resource
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from tests.bench.conftest import Projects
from tests.bench.contenders import Watching, as_installed, trimtab, watching
from tests.bench.figures import Figures
from tests.bench.rawapi import PROJECT, RawApi
from tests.bench.test_controller import cpu_s, memory_of
from tests.bench.test_planning import (
    APPLICATIONS,
    SERVICES,
    SupposedEngine,
    application_text,
    fresh_planner,
    look,
)
from tests.support.gitrepo import GitRepo
from tests.support.waiting import eventually
from trimtab.backends.engine.dialect import EngineDialect
from trimtab.plan.suppose import suppose
from trimtab.runtime.catalog import Catalog
from trimtab.runtime.clock import SystemClock
from trimtab.runtime.repository import Repository
from trimtab.sources.source import GitSource
from trimtab.store.sqlite import SqliteStore

pytestmark = [pytest.mark.bench, pytest.mark.slow]

CONTAINERS, KILLED = 300, 100
SIZE = f"{APPLICATIONS} applications x {SERVICES} services"


ResultT = TypeVar("ResultT")


def cpu(work: Callable[[], ResultT]) -> tuple[float, ResultT]:
    """Seconds of CPU of this process, which a busy machine does not change much, and what came of it."""
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


def resident_mib() -> float:
    """The most that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def test_a_monorepo_of_1000_applications(tmp_path: Path, figures: Figures) -> None:
    files = {f"apps/a{n:04d}/compose.yaml": application_text(n) for n in range(APPLICATIONS)}
    repo = GitRepo.create(tmp_path, files)
    store = SqliteStore(tmp_path / "data", SystemClock())
    engine = SupposedEngine()
    planner = fresh_planner(EngineDialect(installation="bench", seal_key=b"k" * 32), engine, store)
    source = GitSource(str(repo.remote), target="main", data_dir=tmp_path / "data")
    watched = Repository(source=source, default_name="bench")
    catalog = Catalog([watched], store.facts, lambda _ref: source, planner.unaffected)
    before_mib = resident_mib()

    took, changed = cpu(lambda: catalog.refresh(watched))
    assert len(changed) == APPLICATIONS
    figures.add(f"reading {SIZE} from Git, first time", "s of CPU", took)
    counts = _counts(source)
    figures.add("git objects read for it", "objects", float(counts["blobs"] + counts["trees"]))

    views = catalog.views()
    took, desired = cpu(
        lambda: {v.key: planner.desired(v.application, v.snapshot) for v in views if v.application and v.snapshot}
    )
    figures.add(f"rendering {SIZE}, first time", "s of CPU", took)
    engine.states = {key: suppose(state) for key, state in desired.items()}
    took, acting = cpu(
        lambda: sum(not look(planner, v.application, v.snapshot).empty for v in views if v.application and v.snapshot)
    )
    assert acting == 0
    figures.add(f"the first plans of {SIZE}", "s of CPU", took)
    figures.add(f"memory for {SIZE}, beyond the start's", "MiB", resident_mib() - before_mib)

    moved, objects = [], []
    for number in range(5):
        repo.deploy({f"apps/a{number:04d}/compose.yaml": application_text(APPLICATIONS + number)})
        before = _counts(source)
        took, changed = cpu(lambda: catalog.refresh(watched))
        assert len(changed) == 1
        assert watched.cache.loaded == 1
        after = _counts(source)
        objects.append(float(sum(after.values()) - sum(before.values())))
        moved.append(took)
        # As its pass does, right after it was woken.
        for view in (catalog.view(key) for key in changed):
            assert view is not None
            assert view.application is not None
            assert view.snapshot is not None
            planner.desired(view.application, view.snapshot)
    # The commit, three trees on the way, the file, and looks at names.
    assert max(objects) < 20, objects
    figures.add(
        f"a commit that touches one of {APPLICATIONS} applications: until it is known what changed", "s of CPU", moved
    )
    figures.add("git objects asked for by it", "objects", objects)
    source.close()
    store.close()


def _counts(source: GitSource) -> Counter[str]:
    counts = source._repository.store.counts
    return Counter({"infos": counts.infos, "commits": counts.commits, "blobs": counts.blobs, "trees": counts.trees})


@pytest.mark.engine
def test_a_controller_over_1000_applications(
    tmp_path: Path, engine_url: str, projects: Projects, figures: Figures, idle_s: float
) -> None:
    """Nothing of them is deployed: this is the cost of knowing them, beside what containers cost."""
    name = projects.name("k")
    manual = "x-trimtab: {syncPolicy: {automated: {enabled: false}}}\n"
    files = {f"apps/{name}{n:04d}/compose.yaml": application_text(n) + manual for n in range(APPLICATIONS)}
    repo, data = GitRepo.create(tmp_path, files), tmp_path / "data"
    command = trimtab("run", "--repo", str(repo.remote), "--data-dir", str(data), "--installation", name)
    with (tmp_path / "run.log").open("wb") as log:
        process = subprocess.Popen([*command, "--listen", "off"], env=as_installed(engine_url), stdout=log, stderr=log)
    try:
        _planned(data, repo.head())
        figures.add(f"CPU of `trimtab run` until {SIZE} are planned", "s of CPU", cpu_s(process.pid))
        used = cpu_s(process.pid)
        repo.deploy({"notes": "a commit that concerns nobody\n"})
        _planned(data, repo.head())
        figures.add("CPU for a commit that concerns none of them", "s of CPU", cpu_s(process.pid) - used)
        used = cpu_s(process.pid)
        repo.deploy({f"apps/{name}0500/compose.yaml": application_text(APPLICATIONS) + manual})
        _planned(data, repo.head())
        figures.add("CPU for a commit to one of them", "s of CPU", cpu_s(process.pid) - used)
        used, began = cpu_s(process.pid), time.monotonic()
        time.sleep(idle_s)
        share = (cpu_s(process.pid) - used) / (time.monotonic() - began) * 100
        figures.add(f"CPU at rest over {SIZE}", "% of a core", share)
        figures.add(f"resident memory over {SIZE}", "MiB", memory_of(process.pid)["VmRSS"])
    finally:
        process.kill()
        process.wait()


def _planned(data: Path, revision: str) -> None:
    """Until every application's status names the commit."""

    def all_of_them() -> bool:
        database = data / "trimtab.db"
        if not database.exists():
            return False
        with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as connection:
            try:
                query = "SELECT count(*) FROM statuses WHERE json_extract(status, '$.desired_revision') = ?"
                return bool(connection.execute(query, (revision,)).fetchone()[0] == APPLICATIONS)
            except sqlite3.OperationalError:
                return False

    eventually(all_of_them, what=f"all are planned at {revision[:7]}", timeout_s=900.0, every_s=0.5)


def many_text(count: int) -> str:
    """As many services, as cheap as an engine can start them."""
    lines = ["services:"]
    for number in range(count):
        lines += [
            f"  s{number:03d}: {{image: 'busybox:1.36', command: [sleep, '86400'], init: true, network_mode: none,",
            "    stop_grace_period: 1s}",
        ]
    return "\n".join(lines) + "\n"


@pytest.mark.engine
def test_300_containers_and_a_repair_storm(
    tmp_path: Path, engine_url: str, projects: Projects, raw: RawApi, figures: Figures
) -> None:
    name = projects.name("c")
    with watching(tmp_path, name, name, engine_url, many_text(CONTAINERS)) as one:
        one.at_rest(900.0)
        _full_look(one, figures)
        _storm(one, raw, figures)


def _full_look(one: Watching, figures: Figures) -> None:
    """Everything is asked anew, as after a reconnection."""
    driver, seen = one.controller.engine.driver, one.controller.seen
    before, began = len(seen), time.perf_counter()
    observed = driver.observe(one.app, fresh=True)
    took = time.perf_counter() - began
    figures.add(f"a full look at {len(observed.live)} objects on the engine", "s", took)
    figures.add("the engine calls of it", "calls", float(len(seen) - before))


def _storm(one: Watching, raw: RawApi, figures: Figures) -> None:
    listed = raw.listed("/containers/json", f"{PROJECT}={one.app.name}")
    victims = [item["Id"] for item in listed[:KILLED]]
    began = time.time()
    for handle in victims:
        raw("POST", f"/containers/{handle}/kill")
    killed = time.time()

    def all_run() -> bool:
        running = raw.listed("/containers/json", f"{PROJECT}={one.app.name}")
        return len(running) == CONTAINERS

    eventually(all_run, what="all run again", timeout_s=900.0, every_s=0.5)
    healed = time.time()
    one.at_rest(900.0)
    calls = one.calls_since(began)
    kinds = Counter(f"{call.method} {call.kind}" for call in calls)
    figures.add(f"killing {KILLED} of {CONTAINERS} containers by hand, one after another", "s", killed - began)
    figures.add(f"until all {CONTAINERS} run again", "s", healed - killed)
    figures.add(
        f"engine calls for {KILLED} repairs", "calls", float(len(calls)),
        note=", ".join(f"{kind} {count}" for kind, count in kinds.most_common(4)),
    )  # fmt: skip
    # A start and a look or two each; never a look at everything for each that died.
    assert len(calls) < KILLED * 8, kinds
