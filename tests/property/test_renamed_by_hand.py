"""A container that somebody renamed is still ours: it gets its name back, and no second one writes to its volume."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.rig import Rig, shop
from trimtab.model.application import Application
from trimtab.model.change import Disruption, Reason, Verb
from trimtab.model.desired import DesiredState
from trimtab.model.drift import DriftMode, DriftPolicy
from trimtab.plan.assemble import make_plan
from trimtab.plan.diff import DiffOptions
from trimtab.plan.drift import DriftOptions

DATABASE = {
    "db": {
        "image": "db:1",
        "environment": {"A": "1"},
        "volumes": [{"type": "volume", "source": "data", "target": "/data"}],
    }
}
APP = shop(DATABASE)


@pytest.fixture
def rig() -> Rig:
    made = Rig()
    made.converge(APP)
    made.world.named("shop-db-1").name = "db-old"
    return made


def writers(rig: Rig) -> list[str]:
    return sorted(c.name for c in rig.world.containers.values() if c.up)


def test_it_gets_its_name_back_without_a_restart(rig: Rig) -> None:
    plan = rig.plan(APP)
    (change,) = plan.changes
    assert (change.verb, change.reason, change.disruption) == (Verb.UPDATE, Reason.DRIFT, Disruption.NONE)
    assert [(f.path, f.before, f.after) for f in change.fields] == [("/Name", "db-old", "shop-db-1")]
    assert rig.run(plan, APP).errors == []
    assert rig.plan(APP).changes == ()
    assert writers(rig) == ["shop-db-1"]
    assert rig.world.named("shop-db-1").starts == 1


def test_a_commit_that_changes_it_meanwhile_replaces_it_and_never_runs_two(rig: Rig) -> None:
    after = shop({"db": {**DATABASE["db"], "environment": {"A": "2"}}})
    rig.run(rig.plan(after), after)
    assert rig.plan(after).changes == ()
    assert writers(rig) == ["shop-db-1"]


@pytest.mark.parametrize("desired", [None, shop({"other": {"image": "app:1"}})], ids=["application", "service"])
def test_removed_from_git_it_goes_under_whatever_name(rig: Rig, desired: Application | None) -> None:
    state: Application | DesiredState = desired or rig.nothing()
    rig.run(rig.plan(state), state)
    assert not rig.world.has("db-old")
    assert "data" in rig.world.volumes


def test_a_name_that_somebody_has_taken_meanwhile_is_told_and_nothing_is_done(rig: Rig) -> None:
    rig.world.add_container("shop-db-1")
    (change,) = [c for c in rig.plan(APP).changes if c.name == "shop-db-1"]
    assert (change.verb, change.reason) == (Verb.KEEP, Reason.NAME_TAKEN)
    assert "renamed to db-old" in change.detail


def test_where_drift_is_only_reported_it_keeps_the_other_name(rig: Rig) -> None:
    desired = rig.desired(APP)
    for mode, kept in ((DriftMode.REPORT, [Reason.REPORTED]), (DriftMode.IGNORE, [])):
        options = DiffOptions(
            known=frozenset(rig.inventory), drift=replace(DriftOptions(), policy=DriftPolicy(mode=mode))
        )
        plan = make_plan(desired, rig.world.observe(desired.app, images=["db:1"]), rig.dialect, options)
        assert [c.reason for c in plan.changes] == kept
        assert plan.nodes == ()


def test_a_copy_of_its_labels_is_not_taken_for_it(rig: Rig) -> None:
    ours = rig.world.named("db-old")
    rig.world.made_here.clear()
    copy = rig.world.add_container("copy", ours.labels)
    rig.converge(APP)
    assert copy.name == "copy"
    assert copy.up


def test_names_that_somebody_swapped_are_swapped_back() -> None:
    app = shop({name: {"image": "app:1"} for name in "abc"})
    rig = Rig()
    rig.converge(app)
    a, b, c = (rig.world.named(f"shop-{name}-1") for name in "abc")
    a.name, b.name, c.name = b.name, c.name, a.name
    assert rig.run(rig.plan(app), app).errors == []
    assert rig.plan(app).changes == ()
    assert [one.name for one in (a, b, c)] == ["shop-a-1", "shop-b-1", "shop-c-1"]
    assert {one.starts for one in (a, b, c)} == {1}
