"""The files in a build's reason: compared with the commit that runs, and no part of what identifies a plan."""

from __future__ import annotations

from pathlib import Path

from tests.support.clock import FakeClock
from tests.support.process import SHOP, MemoryRepository, Process
from tests.support.world import World
from trimtab.model.change import Change, Verb
from trimtab.model.plan import Plan
from trimtab.runtime.buildreasons import BuildReasons

COMPOSE = "services: {web: {build: ./web}, api: {build: ./api}}\n"
FILES = {
    "compose.yaml": COMPOSE,
    "web/Dockerfile": "FROM x\n",
    "web/index.html": "1",
    "api/Dockerfile": "FROM x\n",
}


def plan(process: Process) -> Plan[object]:
    view = process.catalog.view(SHOP)
    assert view is not None
    assert view.application is not None
    assert view.snapshot is not None
    desired = process.planner.desired(view.application, view.snapshot)
    look = process.planner.look(SHOP, desired, application=view.application, snapshot=view.snapshot)
    return look.plan  # type: ignore[return-value]


def builds(process: Process) -> list[Change]:
    return [change for change in plan(process).changes if change.verb is Verb.BUILD]


def test_a_build_names_the_files_that_differ_from_what_runs(tmp_path: Path) -> None:
    clock = FakeClock()
    world, repository = World(clock), MemoryRepository()
    repository.push(FILES)
    process = Process(world, repository, tmp_path, clock)
    process.read()
    assert [change.detail for change in builds(process)] == ["from api", "from web"], "nothing runs yet"
    process.rest()
    assert not builds(process)

    repository.push({**FILES, "web/index.html": "2"})
    process.read()
    assert [change.detail for change in builds(process)] == ["web: index.html changed"]
    repository.push({**FILES, "web/index.html": "2", "web/style.css": "1"})
    process.read()
    assert [change.detail for change in builds(process)] == ["web: index.html, style.css changed"]

    told = plan(process)
    process.planner.explain_builds(BuildReasons(tree_at=lambda _key, _revision: None, changed=lambda *_: ""))
    process.planner._looks.clear()
    plain = plan(process)
    assert [change.detail for change in plain.changes if change.verb is Verb.BUILD] == ["from web"]
    assert plain.id == told.id
    assert (plain.desired_digest, plain.observed_digest) == (told.desired_digest, told.observed_digest)
    process.store.close()


def test_without_a_database_the_engine_tells_what_runs_and_what_cannot_be_read_is_no_obstacle(tmp_path: Path) -> None:
    clock = FakeClock()
    world, repository = World(clock), MemoryRepository()
    repository.push(FILES)
    process = Process(world, repository, tmp_path / "one", clock)
    process.read()
    process.rest()
    process.store.close()

    repository.push({**FILES, "web/index.html": "2"})
    world.forget_events()
    again = Process(world, repository, tmp_path / "two", clock)
    again.read()
    assert [change.detail for change in builds(again)] == ["web: index.html changed"]
    repository.down = True
    repository.fetched.clear()
    again.planner._looks.clear()
    assert [change.detail for change in builds(again)] == ["from web"]
    again.store.close()
