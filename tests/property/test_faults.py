"""Generated applications and changes under engine errors, lost answers, kills and jumps of the clock, at any call."""

from __future__ import annotations

import tempfile
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.property.test_plans import choosing, few, rig
from tests.support.clock import FakeClock
from tests.support.process import SHOP, MemoryRepository, Process
from tests.support.strategies import edits
from tests.support.world import Killed, Script, World
from trimtab.errors import BackendUnavailable, Conflict, DeadlineExceeded
from trimtab.model.application import Application
from trimtab.model.keys import Kind
from trimtab.model.records import Approval
from trimtab.model.status import HealthStatus, SyncStatus

ERRORS = (BackendUnavailable("the connection broke"), DeadlineExceeded("too late"), Conflict("changed meanwhile"))
# Of an engine in memory: a call whose answer is lost is as likely as all that fails before it.
WHEN = ("before", "lost", "lost", "half")
Pair = tuple[Application, Application]

faults = st.lists(
    st.tuples(st.integers(1, 40), st.sampled_from(ERRORS), st.sampled_from(WHEN)), max_size=8, unique_by=lambda f: f[0]
)


def spoil(world: World, chosen: list[tuple[int, Exception, str]]) -> None:
    for number, error, when in chosen:
        world.fail_at(number, error, when)


@pytest.mark.slow
@few(30)
@given(edits(), faults, st.integers(0, 999))
def test_I2_I3_I11_errors_and_lost_answers_at_any_call_are_only_a_delay(
    pair: Pair, chosen: list[tuple[int, Exception, str]], seed: int
) -> None:
    """I2, I3, I11: after errors and lost answers at any calls: no duplicate, no orphan, no lost data."""
    first, second = pair
    bench, random = rig(), choosing(seed)
    bench.converge(first)
    contents = bench.world.contents()
    spoil(bench.world, chosen)
    for _ in range(3):
        bench.run(bench.plan(second), second, choose=random.choice)
    bench.world.faults.clear()
    bench.converge(second, choose=random.choice)
    assert bench.world.contents() >= contents
    assert bench.world.violations == []
    wanted = bench.desired(second).of_kind(Kind.CONTAINER)
    assert sorted(c.name for c in bench.world.containers.values()) == sorted(resource.name for resource in wanted)


def compose_text(app: Application) -> str:
    """The application as a file that says the same."""
    compose = app.compose
    sections: dict[str, Any] = {
        "name": "shop",
        "services": {name: dict(service) for name, service in compose.services.items()},
        "networks": {name: dict(network) for name, network in compose.networks.items() if name != "default"},
        "volumes": {name: dict(volume) for name, volume in compose.volumes.items()},
        "secrets": {name: {"file": "./token.txt"} for name in compose.secrets},
    }
    return yaml.safe_dump({name: section for name, section in sections.items() if section}, sort_keys=False)


class Life:
    """Controllers on one world and one store, each killed or not; the files of the last commit stay."""

    def __init__(self, folder: Path, random: Random) -> None:
        self.folder, self.random, self.clock = folder, random, FakeClock()
        self.world = World(self.clock)
        self.world.scripts["job:1"] = Script(exits=0)
        self.repository = MemoryRepository()
        self.stores = 0

    def pushed(self, app: Application) -> None:
        self.repository.push({"compose.yaml": compose_text(app), "token.txt": "swordfish"})

    def start(self, kill_at: tuple[int, bool] | None = None) -> Process:
        self.world.forget_events()
        directory = self.folder / str(self.stores)
        directory.mkdir(exist_ok=True)
        process = Process(self.world, self.repository, directory, self.clock, kill_at=kill_at)
        process.read()
        return process

    def trouble(self, chosen: list[tuple[int, Exception, str]], kill_at: tuple[int, bool]) -> None:
        """One life under faults, which ends in a kill; its store may be lost with it, and the clock may jump."""
        spoil(self.world, chosen)
        process = self.start(kill_at)
        try:
            for _ in range(3):
                process.reconcile()
        except Killed:
            pass
        finally:
            process.close()
            self.world.faults.clear()
        self.stores += self.random.random() < 0.3
        self.clock.set_wall(self.random.choice([0.0, 0.0, -86_400.0, 7 * 86_400.0]))

    def peace(self) -> None:
        """A life without trouble: it comes to rest at what Git says, once a person has approved great losses."""
        process = self.start()
        try:
            status = process.rest()
            if "trimtab approve" in status.message:
                view = process.catalog.view(SHOP)
                assert view is not None
                assert view.application is not None
                assert view.snapshot is not None
                desired = process.planner.desired(view.application, view.snapshot)
                look = process.planner.look(SHOP, desired, application=view.application, snapshot=view.snapshot)
                process.store.holds.approve(Approval(plan_id=look.plan.id, app=SHOP, at=self.clock.now()))
                status = process.rest()
            assert (status.sync, status.health) == (SyncStatus.SYNCED, HealthStatus.HEALTHY), status.message
            steps = len(self.world.performed)
            process.reconcile()
            assert len(self.world.performed) == steps, "I1: the second pass has nothing to do"
        finally:
            process.close()


@pytest.mark.slow
@few(8)
@given(edits(), st.lists(faults, min_size=1, max_size=3), st.integers(0, 999))
def test_I2_I5_I8_I11_whole_controllers_under_faults_come_to_rest(
    pair: Pair, lives: list[list[tuple[int, Exception, str]]], seed: int
) -> None:
    """I2, I3, I5, I8, I11: kills, lost stores, jumps of the clock, errors and lost answers: all of it in one story."""
    random = choosing(seed)
    with tempfile.TemporaryDirectory() as folder:
        life = Life(Path(folder), random)
        life.pushed(pair[0])
        life.peace()
        labels = dict(life.world.of(SHOP)[0].labels) if life.world.of(SHOP) else {}
        stranger, volume = life.world.add_container("shop-copy-1", labels), life.world.add_volume("shop_copy", labels)
        contents = life.world.contents()
        for number, chosen in enumerate(lives):
            life.pushed(pair[(number + 1) % 2])
            life.trouble(chosen, (random.randint(0, 12), random.random() < 0.5))
        life.pushed(pair[1])
        life.peace()
        assert life.world.contents() >= contents
        assert life.world.violations == []
        assert stranger.up
        assert life.world.containers.pop(stranger.id) is stranger
        assert life.world.volumes["shop_copy"] is volume
        wanted = rig().desired(pair[1]).of_kind(Kind.CONTAINER)
        assert sorted(c.name for c in life.world.containers.values()) == sorted(resource.name for resource in wanted)
