"""Hooks and waves in whole passes, on an engine in memory: what runs when, how often, what a failure leaves alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.property.test_passes import Lab, images
from tests.support.process import SHOP
from tests.support.world import Killed, Script
from trimtab.backends.engine import steps
from trimtab.model.keys import Kind
from trimtab.model.status import HealthStatus, Phase, SyncStatus

V1 = """
    services:
      migrate:
        image: migrate:1
        x-trimtab: {hook: PreSync}
        volumes: [data:/data]
        depends_on: {db: {condition: service_healthy}}
      db:
        image: db:1
        healthcheck: {test: [CMD, "true"]}
        volumes: [data:/data]
      web:
        image: web:1
        healthcheck: {test: [CMD, "true"]}
      smoke:
        image: smoke:1
        x-trimtab: {hook: PostSync}
      tell:
        image: tell:1
        x-trimtab: {hook: SyncFail}
    volumes: {data: {}}
"""
V2 = V1.replace("web:1", "web:2").replace("migrate:1", "migrate:2")
BAD_MIGRATION = V2.replace("migrate:2", "bad:1")
BAD_SMOKE = V2.replace("smoke:1", "bad:1")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    made.world.scripts["bad:1"] = Script(exits=3)
    yield made
    for process in made.open:
        process.close()


def started(lab: Lab) -> list[str]:
    """Services in the order in which their containers were started, since the last time this was asked."""
    order = [str(step.name) for step in lab.world.performed if isinstance(step, steps.StartContainer)]
    lab.world.performed.clear()
    return [name.removeprefix("shop-").partition("-")[0] for name in order]


def runs(lab: Lab, service: str) -> list[str]:
    """Names of the runs of a hook that are on the engine."""
    found = []
    for container in lab.world.of(SHOP):
        key = lab.world.owner(container.labels, container.name)
        if key is not None and key.kind is Kind.HOOK and key.name == service:
            found.append(container.name)
    return found


def test_hooks_run_in_their_phases_once_and_are_no_drift(lab: Lab) -> None:
    lab.push(V1)
    process = lab.start()
    status = process.rest()
    assert (status.sync, status.health, status.phase) == (SyncStatus.SYNCED, HealthStatus.HEALTHY, Phase.SUCCEEDED)
    assert started(lab) == ["db", "migrate", "web", "smoke"]
    assert len(runs(lab, "migrate")) == 1
    assert process.rest().sync is SyncStatus.SYNCED
    lab.world.exit(lab.world.named("shop-web-1"), 1)
    lab.world.stop(lab.world.named("shop-db-1"))
    process.rest()
    assert "migrate" not in started(lab)

    lab.push(V2)
    process.read()
    assert process.rest().health is HealthStatus.HEALTHY
    assert started(lab) == ["migrate", "web", "smoke"]
    assert len(runs(lab, "migrate")) == 1
    assert images(lab) == {"shop-db-1": "db:1", "shop-web-1": "web:2"}


def test_a_failing_PreSync_changes_nothing_else_and_is_not_run_again_by_itself(lab: Lab) -> None:
    lab.push(V1)
    process = lab.start()
    process.rest()
    before = {c.name: c.id for c in lab.world.of(SHOP) if c.up}
    started(lab)
    lab.push(BAD_MIGRATION)
    process.read()
    status = process.rest()
    assert "exit code 3" in status.message
    assert status.phase is Phase.FAILED
    assert {c.name: c.id for c in lab.world.of(SHOP) if c.up} == before
    assert started(lab) == ["migrate", "tell"]
    # Not by time, not by a new life of the controller, not by one that remembers nothing.
    process.rest()
    lab.start().rest()
    assert started(lab) == []
    # A person asks, and it runs once more.
    process = lab.start()
    process.reconcile(sync=True)
    assert started(lab)[0] == "migrate"
    lab.world.scripts["bad:1"] = Script()
    process.reconcile(sync=True)
    assert process.rest().sync is SyncStatus.SYNCED
    assert images(lab)["shop-web-1"] == "web:2"


def test_a_failing_PostSync_goes_back_and_does_not_migrate_on_the_way(lab: Lab) -> None:
    lab.push(V1)
    process = lab.start()
    process.rest()
    started(lab)
    lab.push(BAD_SMOKE)
    process.read()
    status = process.rest()
    assert status.sync is SyncStatus.OUT_OF_SYNC
    assert images(lab)["shop-web-1"] == "web:1"
    assert started(lab) == ["migrate", "web", "smoke", "tell", "web"]


@pytest.mark.slow
@pytest.mark.parametrize("effect", [False, True], ids=["before", "after"])
def test_I2_a_kill_at_every_step_runs_each_hook_once(lab: Lab, effect: bool) -> None:  # noqa: FBT001
    """I2: however often the controller dies, each sync runs its hooks exactly once."""
    lab.push(V1)
    lab.start().rest()
    step, killed, versions = 0, True, (V2, V1)
    while killed:
        started(lab)
        lab.push(versions[step % 2])
        killed = False
        try:
            lab.start(kill_at=(step, effect)).rest()
        except Killed:
            killed = True
        status = lab.start().rest()
        assert (status.sync, status.health) == (SyncStatus.SYNCED, HealthStatus.HEALTHY), (step, status.message)
        for service in ("migrate", "smoke"):
            run = [c for c in lab.world.of(SHOP) if c.name in runs(lab, service)]
            assert [c.starts for c in run] == [1], (step, service)
        assert started(lab).count("tell") == 0
        step += 1
    assert step > 10
    assert lab.world.violations == []


def test_a_migration_that_was_ended_from_outside_is_run_again(lab: Lab) -> None:
    """By a restart of the engine, or a person: it has neither done its work nor failed at it."""
    lab.push(V1)
    lab.start().rest()
    lab.push(V2)
    run = None
    for _ in range(20):
        with contextlib.suppress(Killed):
            lab.start(kill_at=(0, True)).reconcile()
        if run := next((c for c in lab.world.of(SHOP) if c.name in runs(lab, "migrate") and c.up), None):
            break
    assert run is not None
    lab.world.stop(run)
    run.exit_code = 143
    started(lab)
    status = lab.start().rest()
    assert (status.sync, status.health) == (SyncStatus.SYNCED, HealthStatus.HEALTHY), status.message
    assert started(lab) == ["migrate", "web", "smoke"]
    assert images(lab)["shop-web-1"] == "web:2"


def test_I8_a_lost_data_directory_runs_no_hook(lab: Lab) -> None:
    """I8: losing the data directory restarts nothing, and migrates nothing."""
    lab.push(V1)
    lab.start().rest()
    before = lab.world.snapshot()
    status = lab.start(lost=True).rest()
    assert (status.sync, status.health) == (SyncStatus.SYNCED, HealthStatus.HEALTHY)
    assert lab.world.snapshot() == before


def test_waves_go_up_and_are_removed_downwards(lab: Lab) -> None:
    services = "".join(
        f"""
      {name}:
        image: {name}:1
        healthcheck: {{test: [CMD, "true"]}}
        x-trimtab: {{wave: {wave}}}"""
        for name, wave in (("aa", 2), ("bb", 1), ("cc", -1))
    )
    lab.push(f"\n    services:{services}\n")
    process = lab.start()
    process.rest()
    kinds = [(type(s).__name__, s.name) for s in lab.world.performed if hasattr(s, "container")]
    assert kinds.index(("AwaitHealthy", "shop-cc-1")) < kinds.index(("StartContainer", "shop-bb-1"))
    assert kinds.index(("AwaitHealthy", "shop-bb-1")) < kinds.index(("StartContainer", "shop-aa-1"))
    lab.world.performed.clear()
    lab.push("\n    services: {dd: {image: 'dd:1'}}\n")
    process.read()
    process.rest()
    gone = [s.name for s in lab.world.performed if isinstance(s, steps.StopContainer)]
    assert gone == ["shop-aa-1", "shop-bb-1", "shop-cc-1"]


def test_hooks_of_the_removal_run_before_and_after(lab: Lab) -> None:
    farewell = V1.replace(
        "    volumes: {data: {}}",
        """
      backup:
        image: backup:1
        x-trimtab: {hook: PreDelete}
        volumes: [data:/data]
      bye:
        image: bye:1
        x-trimtab: {hook: PostDelete}
    volumes: {data: {}}""",
    )
    lab.push(farewell)
    process = lab.start()
    process.rest()
    assert started(lab) == ["db", "migrate", "web", "smoke"]
    lab.repository.push({"README": "nothing here"})
    process.read()
    process.reconcile()
    order = [
        (type(s).__name__, s.name.removeprefix("shop-").partition("-")[0])
        for s in lab.world.performed
        if isinstance(s, steps.StartContainer | steps.StopContainer)
    ]
    assert order[0] == ("StartContainer", "backup")
    assert order[-1] == ("StartContainer", "bye")
    assert ("StopContainer", "web") in order
    assert lab.world.of(SHOP) == []
    assert "shop_data" in lab.world.volumes
