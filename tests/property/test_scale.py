"""1,000 applications in one repository: what a commit costs is what it touches, in counts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.clock import FakeClock
from tests.support.memory_tree import Content
from tests.support.process import MemoryRepository, Process
from tests.support.world import World
from trimtab.model.keys import AppKey
from trimtab.model.status import HealthStatus, SyncStatus

APPLICATIONS = 1_000
ONE = AppKey("default", "a0500")


def text(version: int) -> str:
    return f"services: {{web: {{image: 'web:{version}', network_mode: none}}}}\n"


def everything() -> dict[str, Content]:
    return {f"apps/a{number:04d}/compose.yaml": text(1) for number in range(APPLICATIONS)}


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A controller that has read and rendered all of them, as after its first round of passes."""
    clock = FakeClock()
    repository = MemoryRepository()
    repository.push(everything())
    made = Process(World(clock), repository, tmp_path_factory.mktemp("scale"), clock)
    made.read()
    assert made.watched.cache.loaded == APPLICATIONS
    for view in made.catalog.views():
        assert view.application is not None
        assert view.snapshot is not None
        made.planner.desired(view.application, view.snapshot)
    yield made
    made.close()


@pytest.mark.slow
def test_a_commit_that_touches_one_of_1000_applications_reads_parses_and_plans_one(process: Process) -> None:
    repository, watched = process.repository, process.watched
    for key in (ONE, AppKey("default", "a0001")):
        assert process.rest(key).health is HealthStatus.HEALTHY
    rendered = dict(process.planner._rendered)
    steps = len(process.world.performed)

    repository.push({**repository.commits[repository.head].files, "apps/a0500/compose.yaml": text(2)})
    changed = process.catalog.refresh(watched, known=process.store.applied.apps())
    tree = repository.commits[repository.head]
    assert changed == {ONE}
    assert watched.cache.loaded == 1
    # Once to see what it is and once to load it, however many stages of that look at it.
    assert tree.reads == ["apps/a0500/compose.yaml"] * 2
    # The directories on the way to it, each listed once.
    assert sorted(tree.listings) == ["", "apps", "apps/a0500"]

    assert process.rest(ONE).sync is SyncStatus.SYNCED
    assert len(process.world.performed) > steps
    afresh = {key for key, entries in process.planner._rendered.items() if entries[:1] != rendered.get(key, [])[:1]}
    assert afresh == {ONE}

    # One that the commit does not touch: its status names the commit; the engine is not asked to do anything.
    steps, reads = len(process.world.performed), len(tree.reads)
    process.reconcile(AppKey("default", "a0001"))
    assert process.status(AppKey("default", "a0001")).desired_revision == repository.head
    assert len(process.world.performed) == steps
    assert len(tree.reads) == reads


def test_a_commit_that_touches_no_application_reads_nothing_below_what_it_touches(process: Process) -> None:
    repository = process.repository
    repository.push({**repository.commits[repository.head].files, "docs/notes.md": "a word"})
    assert process.catalog.refresh(process.watched, known=()) == frozenset()
    tree = repository.commits[repository.head]
    assert process.watched.cache.loaded == 0
    assert tree.reads == []
    assert set(tree.listings) <= {"", "docs"}
