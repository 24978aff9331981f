"""Blue-green with ``promote: manual``: the new ones wait beside the old ones until a person says so."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.property.test_passes import Lab, deployed, images
from tests.property.test_plans import few
from tests.support.process import SHOP, Process
from tests.support.world import Killed
from trimtab.model.observed import RunState
from trimtab.model.records import Approval, Pin
from trimtab.model.status import HealthStatus, SyncStatus

BLUE = {f"shop-web-{n}": "web:1" for n in (1, 2, 3)}
SETTING = "x-trimtab: {rollout: {strategy: blue-green, promote: manual}}"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    for process in made.open:
        process.close()


def shop(version: int, replicas: int = 3, more: str = "", own: str = "") -> str:
    return f"""
    services:
      web:
        image: web:{version}
        healthcheck: {{test: [CMD, "true"]}}
        deploy: {{replicas: {replicas}}}
        {SETTING}
        {own}
    {more}
"""


def serving(lab: Lab) -> dict[str, str]:
    """What has its service's own name and runs."""
    return {name: image for name, image in images(lab).items() if re.fullmatch(r"shop-\w+-\d", name)}


def waiting(lab: Lab) -> dict[str, str]:
    return {name: image for name, image in images(lab).items() if not re.fullmatch(r"shop-\w+-\d", name)}


def asked(process: Process) -> str:
    """The id that a status asks for."""
    found = re.search(r"waits for promotion: trimtab approve shop ([0-9a-f]{12})", process.status().message)
    assert found, process.status().message
    return found[1]


def approve(lab: Lab, process: Process, name: str) -> None:
    process.store.holds.approve(Approval(plan_id=name, app=SHOP, at=lab.clock.now(), by="ann"))


def settled(lab: Lab, process: Process, version: int, replicas: int = 3) -> None:
    status = process.rest()
    assert (status.sync, status.health) == (SyncStatus.SYNCED, HealthStatus.HEALTHY), status.message
    assert images(lab) == {f"shop-web-{n}": f"web:{version}" for n in range(1, replicas + 1)}
    so_far = len(lab.world.performed)
    process.reconcile()
    assert len(lab.world.performed) == so_far


def test_the_new_ones_wait_beside_the_old_ones_and_take_over_when_approved(lab: Lab) -> None:
    """I1: while they wait, a pass writes nothing."""
    process = deployed(lab, shop(1))
    old = {c.id for c in lab.world.of(SHOP)}
    lab.push(shop(2))
    process.read()
    process.rest()
    assert serving(lab) == BLUE
    assert set(waiting(lab).values()) == {"web:2"}
    new = {c.id for c in lab.world.of(SHOP)} - old
    assert len(new) == 3
    status = process.status()
    assert (status.sync, status.health) == (SyncStatus.OUT_OF_SYNC, HealthStatus.PROGRESSING)
    assert status.applied_revision != status.desired_revision
    name = asked(process)

    writes, steps = lab.world.writes, len(lab.world.performed)
    lab.clock.advance(3600)
    for _ in range(3):
        process.reconcile()
    assert (lab.world.writes, len(lab.world.performed)) == (writes, steps)
    assert process.status().health is HealthStatus.PROGRESSING, "no deadline runs out"
    process = lab.start(lost=True)
    process.rest()
    assert asked(process) == name, "the engine alone tells it"

    approve(lab, process, name)
    settled(lab, process, 2)
    assert {c.id for c in lab.world.of(SHOP)} == new, "those that were proved, and no others"
    assert process.store.holds.approved(name) is None, "an approval counts once"
    assert lab.world.violations == []


@pytest.mark.slow
def test_a_promotion_killed_at_any_step_converges(lab: Lab) -> None:
    """I2: in the preparation and in the promotion; only the approval decides which version serves."""
    process = deployed(lab, shop(1))
    for version in range(2, 40):
        lab.push(shop(version))
        before = serving(lab)
        victim = lab.start(kill_at=(version - 2, version % 2 == 0))
        with contextlib.suppress(Killed):
            victim.rest()
        process = lab.start()
        process.rest()
        assert serving(lab) == before
        name = asked(process)
        approve(lab, process, name)
        victim = lab.start(kill_at=(version - 2, version % 2 == 1))
        with contextlib.suppress(Killed):
            victim.rest()
        settled(lab, lab.start(), version)
    assert lab.world.violations == []


@pytest.mark.slow
def test_a_promotion_killed_and_its_approval_lost_never_leaves_nobody_serving(lab: Lab) -> None:
    deployed(lab, shop(1))
    for version in range(2, 24):
        lab.push(shop(version))
        process = lab.start()
        process.rest()
        approve(lab, process, asked(process))
        victim = lab.start(kill_at=(version - 2, True))
        with contextlib.suppress(Killed):
            victim.rest()
        process = lab.start(lost=True)
        process.rest()
        if process.status().sync is not SyncStatus.SYNCED:
            assert set(serving(lab).values()) <= {f"web:{version - 1}"}, "who is still there goes on"
            up = {name.rsplit("-", 1)[0] if name.count("-") > 2 else name for name in images(lab)}
            assert up == set(BLUE)
            approve(lab, process, asked(process))
        settled(lab, process, version)
    assert lab.world.violations == []


@pytest.mark.slow
@few(15)
@given(
    lives=st.lists(
        st.tuples(
            st.sampled_from(["push", "scale", "stop", "lose", "nothing"]), st.none() | st.integers(0, 12), st.booleans()
        ),
        min_size=1,
        max_size=6,
    )
)
def test_without_an_approval_nothing_but_the_first_version_has_the_names(
    lives: list[tuple[str, int | None, bool]],
) -> None:
    """Whatever is pushed, stopped, killed or lost; with the approval that is asked for, all converges."""
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(Path(folder))
        try:
            deployed(lab, shop(1, replicas=2))
            version, replicas = 1, 2
            for what, kill, effect in lives:
                if what in {"push", "scale"}:
                    version, replicas = version + 1, 3 if what == "scale" else replicas
                    lab.push(shop(version, replicas))
                if what == "stop":
                    lab.world.stop(min((c for c in lab.world.of(SHOP) if c.up), key=lambda c: c.name))
                with contextlib.suppress(Killed):
                    lab.start(kill_at=None if kill is None else (kill, effect), lost=what == "lose").rest()
                process = lab.start()
                process.rest()
                assert serving(lab) == {"shop-web-1": "web:1", "shop-web-2": "web:1"}
            if version > 1:
                approve(lab, process, asked(process))
            settled(lab, process, version, replicas)
            assert lab.world.violations == []
        finally:
            for process in lab.open:
                process.close()


def test_a_newer_commit_takes_the_place_of_what_waits_and_a_revert_removes_it(lab: Lab) -> None:
    process = deployed(lab, shop(1))
    lab.push(shop(2))
    process.read()
    process.rest()
    old = asked(process)
    lab.push(shop(3))
    process.read()
    process.rest()
    assert serving(lab) == BLUE
    assert sorted(waiting(lab).values()) == ["web:3"] * 3
    assert asked(process) != old
    approve(lab, process, old)
    process.rest()
    assert serving(lab) == BLUE, "it was another version's"
    lab.push(shop(1))
    process.read()
    settled(lab, process, 1)


def test_one_that_becomes_unhealthy_while_it_waits_is_told_and_not_promoted(lab: Lab) -> None:
    process = deployed(lab, shop(1))
    lab.push(shop(2))
    process.read()
    process.rest()
    name = asked(process)
    ill = next(c for c in lab.world.of(SHOP) if c.spec["Config"]["Image"] == "web:2")
    ill.script = replace(ill.script, healthy=False)
    approve(lab, process, name)
    writes = lab.world.writes
    process.rest()
    status = process.status()
    assert status.health is HealthStatus.DEGRADED
    assert "cannot be promoted" in status.message
    assert (serving(lab), lab.world.writes) == (BLUE, writes)
    ill.script = replace(ill.script, healthy=True)
    process.reconcile()
    settled(lab, process, 2)


def test_a_new_one_that_never_gets_well_fails_the_release_and_nothing_waits(lab: Lab) -> None:
    process = deployed(lab, shop(1))
    lab.world.ill = {("web:2", "2")}
    lab.push(shop(2))
    process.read()
    process.rest()
    assert images(lab) == BLUE
    assert process.status().failed_revision == process.status().desired_revision


def test_replicas_that_come_or_go_and_services_that_go_wait_with_it(lab: Lab) -> None:
    more = "  cache: {image: cache:1}"
    process = deployed(lab, shop(1, more=more))
    lab.push(shop(2, replicas=5))
    process.read()
    process.rest()
    assert serving(lab) == {**BLUE, "shop-cache-1": "cache:1"}
    assert len(waiting(lab)) == 3
    approve(lab, process, asked(process))
    settled(lab, process, 2, replicas=5)
    lab.push(shop(3, replicas=1))
    process.read()
    process.rest()
    assert set(serving(lab).values()) == {"web:2"}
    assert len(serving(lab)) == 5
    approve(lab, process, asked(process))
    settled(lab, process, 3, replicas=1)


def test_what_only_one_container_differs_in_needs_no_approval(lab: Lab) -> None:
    process = deployed(lab, shop(1))
    lab.world.containers.pop(lab.world.named("shop-web-2").id)
    settled(lab, process, 1)


def test_one_that_cannot_be_prepared_waits_as_a_whole_plan(lab: Lab) -> None:
    networks = "networks: {default: {ipam: {config: [{subnet: 10.9.%d.0/24}]}}}"
    process = deployed(lab, shop(1).rstrip() + "\n    " + networks % 1 + "\n")
    ids = {c.id for c in lab.world.of(SHOP)}
    lab.push(shop(2).rstrip() + "\n    " + networks % 2 + "\n")
    process.read()
    process.rest()
    assert {c.id for c in lab.world.of(SHOP)} == ids
    found = re.search(r"TT3206.*trimtab approve shop ([0-9a-f]{12})", process.status().message)
    assert found, process.status().message
    approve(lab, process, found[1])
    settled(lab, process, 2)


def test_hooks_of_a_sync_run_once_and_those_after_it_when_it_is_promoted(lab: Lab) -> None:
    def text(version: int) -> str:
        more = f"""
      migrate: {{image: "migrate:{version}", x-trimtab: {{hook: PreSync, hookDeletePolicy: HookSucceeded}}}}
      tell: {{image: "tell:{version}", x-trimtab: {{hook: PostSync}}}}
"""
        return shop(version, more=more)

    process = deployed(lab, text(1))
    lab.push(text(2))
    process.read()
    so_far = len(lab.world.performed)
    process.rest()
    for _ in range(3):
        process.reconcile()

    def ran(image: str) -> int:
        done = lab.world.performed[so_far:]
        return sum(getattr(step, "spec", {}).get("Config", {}).get("Image") == image for step in done)

    assert (ran("migrate:2"), ran("tell:2")) == (1, 0)
    approve(lab, process, asked(process))
    process.rest()
    assert (ran("migrate:2"), ran("tell:2")) == (1, 1)
    assert process.status().sync is SyncStatus.SYNCED


def test_a_renamed_service_waits_and_is_promoted(lab: Lab) -> None:
    process = deployed(lab, shop(1))
    moved = "x-trimtab: {moved: [{kind: Service, from: web, to: front}]}"
    lab.push(shop(2).replace("web:\n", "front:\n") + f"\n    {moved}\n")
    process.read()
    process.rest()
    assert serving(lab) == BLUE
    approve(lab, process, asked(process))
    status = process.rest()
    assert status.sync is SyncStatus.SYNCED, status.message
    assert images(lab) == {f"shop-front-{n}": "web:2" for n in (1, 2, 3)}


@pytest.mark.slow
def test_two_services_are_prepared_together_and_promoted_each_by_itself(lab: Lab) -> None:
    def text(version: int) -> str:
        api = f"""
      api: {{image: "api:{version}", depends_on: {{web: {{condition: service_healthy}}}}, {SETTING}}}
      job: {{image: "job:{version}", depends_on: [api]}}
"""
        return shop(version, replicas=1, more=api)

    process = deployed(lab, text(1))
    for version in range(2, 14):
        lab.push(text(version))
        victim = lab.start(kill_at=(version, True))
        with contextlib.suppress(Killed):
            victim.rest()
        process = lab.start()
        process.rest()
        old = {"shop-web-1": f"web:{version - 1}", "shop-api-1": f"api:{version - 1}"}
        assert serving(lab) == {**old, "shop-job-1": f"job:{version}"}
        names = re.findall(r"trimtab approve shop ([0-9a-f]{12})", process.status().message)
        assert len(names) == 2
        approve(lab, process, names[0])
        process.rest()
        assert sorted(serving(lab).values()) != sorted([*old.values(), f"job:{version}"])
        assert asked(process) == names[1], "the other one's stays what it is"
        approve(lab, process, names[1])
        assert process.rest().sync is SyncStatus.SYNCED
        assert serving(lab) == images(lab) == {name: f"{name[5:8]}:{version}" for name in serving(lab)}
    assert lab.world.violations == []


def test_an_older_release_that_is_held_waits_for_nobody(lab: Lab) -> None:
    process = deployed(lab, shop(1))
    first = lab.repository.head
    lab.push(shop(2))
    process.read()
    process.rest()
    approve(lab, process, asked(process))
    settled(lab, process, 2)
    process.store.holds.pin(Pin(app=SHOP, revision=first, since=lab.clock.now()))
    process.rest()
    assert images(lab) == BLUE, process.status().message


def test_a_commit_that_cannot_be_read_promotes_nothing(lab: Lab) -> None:
    process = deployed(lab, shop(1))
    lab.push(shop(2))
    process.read()
    process.rest()
    before = images(lab)
    name = asked(process)
    lab.push("services: {web: {imag: web:3}}")
    process.read()
    process.rest()
    assert images(lab) == before
    lab.push(shop(2))
    process.read()
    process.rest()
    assert asked(process) == name


@pytest.mark.parametrize("both", [False, True])
def test_an_old_one_that_somebody_removes_promotes_nothing(lab: Lab, both: bool) -> None:  # noqa: FBT001
    process = deployed(lab, shop(1))
    lab.push(shop(2))
    process.read()
    process.rest()
    name = asked(process)
    for container in lab.world.of(SHOP):
        new = container.name.count("-") > 2
        if container.name.startswith("shop-web-2") and (both or not new):
            lab.world.containers.pop(container.id)
    process.rest()
    left = {name: image for name, image in BLUE.items() if name != "shop-web-2"}
    assert serving(lab) == left
    assert len(waiting(lab)) == (2 if both else 3)
    assert (asked(process) == name) is not both
    approve(lab, process, asked(process))
    settled(lab, process, 2)


def test_one_that_crashed_while_it_waits_is_told_and_one_that_was_stopped_is_started(lab: Lab) -> None:
    process = deployed(lab, shop(1))
    lab.push(shop(2))
    process.read()
    process.rest()
    name = asked(process)
    new = next(c for c in lab.world.of(SHOP) if c.spec["Config"]["Image"] == "web:2")
    lab.world.exit(new, 1)
    process.rest()
    assert f"{new.name}, is exited with 1: it cannot be promoted" in process.status().message
    assert process.status().health is HealthStatus.DEGRADED
    new.status, new.exit_code = RunState.RUNNING, None
    lab.world.stop(new)
    process.rest()
    assert new.up
    assert (asked(process), serving(lab)) == (name, BLUE)


def test_one_that_cannot_be_there_twice_waits_as_a_whole_plan(lab: Lab) -> None:
    process = deployed(lab, shop(1, own="volumes: [/cache]"))
    for number, container in enumerate(lab.world.of(SHOP)):
        # As the engine names it.
        container.spec["Mounts"]["/cache"] = {"Type": "volume", "Source": f"{number}" * 64}
    ids = {c.id for c in lab.world.of(SHOP)}
    lab.push(shop(2, own="volumes: [/cache]"))
    process.read()
    process.rest()
    assert {c.id for c in lab.world.of(SHOP)} == ids
    found = re.search(r"TT3206.*cannot be there twice.*approve shop ([0-9a-f]{12})", process.status().message)
    assert found, process.status().message
    approve(lab, process, found[1])
    settled(lab, process, 2)


def test_who_shares_its_namespace_comes_with_the_promotion(lab: Lab) -> None:
    side = "  side: {image: 'side:1', network_mode: 'service:web'}"
    process = deployed(lab, shop(1, replicas=1, more=side))
    lab.push(shop(2, replicas=1, more=side.replace("side:1", "side:2")))
    process.read()
    process.rest()
    assert serving(lab) == {"shop-web-1": "web:1", "shop-side-1": "side:1"}
    approve(lab, process, asked(process))
    assert process.rest().sync is SyncStatus.SYNCED
    assert images(lab) == {"shop-web-1": "web:2", "shop-side-1": "side:2"}


def test_the_way_back_waits_for_nobody(lab: Lab) -> None:
    process = deployed(lab, shop(1))
    lab.push(shop(2))
    process.read()
    process.rest()
    approve(lab, process, asked(process))
    process.reconcile()
    assert set(images(lab).values()) == {"web:2"}
    for container in lab.world.of(SHOP):
        container.script = replace(container.script, healthy=False)
    for _ in range(30):
        lab.clock.advance(60)
        process.reconcile()
    assert images(lab) == BLUE, process.status().message
