"""Containers that share another one's namespace are restarted when that one was started after them."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.support.rig import SHOP, Rig, shop
from trimtab.backends.engine import steps
from trimtab.model.change import Reason, Verb
from trimtab.model.drift import DriftMode, DriftPolicy
from trimtab.plan.assemble import make_plan
from trimtab.plan.diff import DiffOptions
from trimtab.plan.drift import DriftOptions

WEB = {"image": "web:1"}
APP = shop(
    {
        "gate": WEB,
        "side": {**WEB, "network_mode": "service:gate"},
        "tail": {**WEB, "pid": "service:side"},
        "other": WEB,
    }
)


def settled() -> Rig:
    rig = Rig()
    rig.converge(APP)
    rig.world.clock.advance(60)
    return rig


def restarted(rig: Rig, name: str) -> None:
    rig.world.named(name).started_at = rig.world.clock.now()


def starts(rig: Rig) -> dict[str, int]:
    return {c.name: c.starts for c in rig.world.of(SHOP)}


def test_followers_of_a_parent_that_was_restarted_are_restarted_once_and_nobody_else() -> None:
    rig = settled()
    assert rig.plan(APP).empty
    before = starts(rig)
    restarted(rig, "shop-gate-1")
    plan = rig.plan(APP)
    assert [(c.name, c.verb, c.reason) for c in plan.changes] == [
        ("shop-side-1", Verb.UPDATE, Reason.PARENT_RESTARTED),
        ("shop-tail-1", Verb.UPDATE, Reason.PARENT_RESTARTED),
    ]
    assert "gate, whose network it shares" in plan.changes[0].detail
    rig.world.clock.advance(1)
    rig.run(plan, APP)
    assert rig.plan(APP).empty
    after = starts(rig)
    assert [name for name in after if after[name] != before[name]] == ["shop-side-1", "shop-tail-1"]


def test_a_parent_that_is_started_again_takes_its_followers_along_in_the_same_plan() -> None:
    rig = settled()
    rig.world.stop(rig.world.named("shop-gate-1"))
    plan = rig.plan(APP)
    rig.world.clock.advance(1)
    ran = rig.run(plan, APP)
    done = [(type(node.step).__name__, node.key.name) for node in ran.done]
    begun = [one for one in done if one[0] in {"StartContainer", "RestartContainer"}]
    assert begun == [("StartContainer", "gate"), ("RestartContainer", "side"), ("RestartContainer", "tail")]
    assert rig.plan(APP).empty


def test_a_parent_that_is_paused_leaves_its_followers_where_they_are() -> None:
    from trimtab.model.observed import RunState

    rig = settled()
    rig.world.named("shop-gate-1").status = RunState.PAUSED
    assert [c.name for c in rig.plan(APP).changes] == ["shop-gate-1"]


def test_a_clock_that_was_set_back_does_not_make_followers_restart_again_and_again() -> None:
    rig = settled()
    restarted(rig, "shop-gate-1")
    desired, observed = rig.desired(APP), rig.world.observe(SHOP, images=["web:1"])

    def reasons(now: datetime) -> list[Reason]:
        options = DiffOptions(known=frozenset(rig.inventory), now=now)
        return [change.reason for change in make_plan(desired, observed, rig.dialect, options).changes]

    assert Reason.PARENT_RESTARTED in reasons(rig.world.clock.now())
    assert reasons(rig.world.clock.now() - timedelta(days=1)) == []


@pytest.mark.parametrize("mode", [DriftMode.REPORT, DriftMode.IGNORE])
def test_it_is_drift_and_goes_by_its_mode(mode: DriftMode) -> None:
    rig = settled()
    restarted(rig, "shop-gate-1")
    desired = rig.desired(APP)
    observed = rig.world.observe(SHOP, images=["web:1"])
    options = DiffOptions(known=frozenset(rig.inventory), drift=DriftOptions(policy=DriftPolicy(mode=mode)))
    plan = make_plan(desired, observed, rig.dialect, options)
    assert plan.empty
    told = [c.reason for c in plan.changes]
    assert told == ([Reason.REPORTED] if mode is DriftMode.REPORT else [])
    assert not any(isinstance(node.step, steps.RestartContainer) for node in plan.nodes)


@pytest.mark.parametrize("required", [True, False])
def test_a_dependency_that_is_not_required_is_waited_for_and_may_fail(required: bool) -> None:  # noqa: FBT001
    check = {"healthcheck": {"test": ["CMD", "false"]}}
    needs = {"sick": {"condition": "service_healthy", "required": required}}
    app = shop({"sick": {**WEB, **check}, "web": {**WEB, "depends_on": needs}})
    rig = Rig()
    ran = rig.run(rig.plan(app), app)
    done = [(type(node.step).__name__, node.key.name) for node in ran.done]
    assert ("AwaitHealthy", "web") in done or ("AwaitHealthy", "sick") in done
    assert (("StartContainer", "web") in done) is not required
    assert bool(ran.errors) is required
