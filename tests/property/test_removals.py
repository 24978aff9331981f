"""I3 on an engine in memory: a volume that Git no longer wants is kept, offered, archived and removed once approved."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.property.test_passes import Lab, deployed
from tests.support.process import SHOP, Process
from tests.support.world import Killed
from trimtab.errors import Conflict
from trimtab.model.change import Change, Verb
from trimtab.model.keys import Kind, ResourceKey
from trimtab.model.records import Approval

WITHOUT = "services: {web: {image: web:1}}"
DATA = ResourceKey(SHOP, Kind.VOLUME, "data")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    for process in made.open:
        process.close()


def offered(process: Process) -> Change | None:
    """What the plan says of the volume now."""
    view = process.catalog.view(SHOP)
    assert view is not None
    assert view.application is not None
    assert view.snapshot is not None
    desired = process.planner.desired(view.application, view.snapshot)
    look = process.planner.look(SHOP, desired, application=view.application, snapshot=view.snapshot)
    return next((change for change in look.plan.changes if change.key == DATA), None)


def approve(lab: Lab, process: Process, name: str) -> None:
    process.store.holds.approve(Approval(plan_id=name, app=SHOP, at=lab.clock.now(), by="ada"))


def dropped(lab: Lab) -> tuple[Process, str]:
    """The volume is no longer in Git, and the rest of that commit was carried out; the id of its removal."""
    process = deployed(lab)
    lab.world.volumes["shop_data"].data["rows"] = b"precious"
    push(lab, process, WITHOUT)
    change = offered(process)
    assert change is not None
    assert (change.verb, change.acts) == (Verb.KEEP, False)
    assert f"trimtab approve shop {change.approval[:12]}" in change.detail
    assert list(lab.world.volumes) == ["shop_data"]
    assert [c.name for c in lab.world.of(SHOP)] == ["shop-web-1"], "the rest of the plan does not wait for it"
    return process, change.approval


def push(lab: Lab, process: Process, text: str) -> None:
    lab.push(text)
    process.read()
    process.rest()


def test_I3_an_approved_volume_is_archived_and_removed(lab: Lab) -> None:
    process, name = dropped(lab)
    approve(lab, process, name[:12])
    process.rest()
    assert lab.world.volumes == {}
    assert lab.world.archives["shop_data"]["rows"] == b"precious"
    assert offered(process) is None
    assert process.store.holds.approved(name) is None, "it counted once"
    assert "VolumeRemoved" in process.events.reasons()


def test_an_approval_is_of_this_state_of_git(lab: Lab) -> None:
    """Another commit that changes the application needs another yes."""
    process, name = dropped(lab)
    lab.push("services: {web: {image: web:2}}")
    process.read()
    approve(lab, process, name)
    process.rest()
    assert list(lab.world.volumes) == ["shop_data"]
    change = offered(process)
    assert change is not None
    assert change.approval not in {"", name}


def test_an_approval_is_of_this_very_volume(lab: Lab) -> None:
    """One that came back to Git, and left again, is offered anew; the old yes was for what was there then."""
    process, name = dropped(lab)
    push(lab, process, "services: {web: {image: web:1, volumes: [data:/data]}}\nvolumes: {data: {}}")
    approve(lab, process, name)
    process.rest()
    assert list(lab.world.volumes) == ["shop_data"]


def test_an_approval_is_worth_nothing_the_day_after(lab: Lab) -> None:
    process, name = dropped(lab)
    process.store.holds.approve(Approval(plan_id=name, app=SHOP, at=lab.clock.now() - timedelta(hours=24), by="ada"))
    process.rest()
    assert list(lab.world.volumes) == ["shop_data"]
    approve(lab, process, name)
    process.rest()
    assert list(lab.world.volumes) == []


@pytest.mark.parametrize("effect", [False, True], ids=["before", "after"])
def test_I2_I3_killed_at_every_step_of_a_removal(lab: Lab, effect: bool) -> None:  # noqa: FBT001
    """Either the volume is there or its archive, at any moment; the next life finishes."""
    process, name = dropped(lab)
    for step in range(4):
        approve(lab, process, name)
        killed = False
        life = lab.start(kill_at=(step, effect))
        try:
            life.rest()
        except Killed:
            killed = True
        kept = lab.world.volumes.get("shop_data")
        assert (kept is not None and kept.data["rows"] == b"precious") or lab.world.archives["shop_data"]
        process = lab.start()
        process.rest()
        assert lab.world.volumes == {}
        assert lab.world.archives["shop_data"]["rows"] == b"precious"
        if not killed:
            return
        push(lab, process, "services: {web: {image: web:1, volumes: [data:/data]}}\nvolumes: {data: {}}")
        lab.world.volumes["shop_data"].data["rows"] = b"precious"
        push(lab, process, WITHOUT)
        change = offered(process)
        assert change is not None
        name = change.approval
    raise AssertionError("archive and removal are two steps")


def test_a_removal_that_fails_keeps_the_volume_and_is_tried_again_with_the_same_yes(lab: Lab) -> None:
    process, name = dropped(lab)
    lab.world.fail_at(1, Conflict("the disk is full"))
    approve(lab, process, name)
    process.reconcile()
    assert list(lab.world.volumes) == ["shop_data"]
    process.rest()
    assert lab.world.volumes == {}


def test_a_volume_that_another_uses_is_not_offered(lab: Lab) -> None:
    process, _ = dropped(lab)
    lab.world.add_container("other", Mounts={"/x": {"Type": "volume", "Source": "shop_data"}})
    process.rest()
    change = offered(process)
    assert change is not None
    assert not change.approval
    assert "other" in change.detail
