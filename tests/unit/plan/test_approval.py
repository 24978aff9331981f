"""What is held can be approved by typing the command that the message shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.clock import FakeClock
from trimtab.model.change import Change, Disruption, Reason, Verb
from trimtab.model.desired import DesiredState
from trimtab.model.keys import AppKey, Kind, ResourceKey
from trimtab.model.observed import ObservedState
from trimtab.model.plan import Decision
from trimtab.model.records import Approval
from trimtab.plan.canonical import digest
from trimtab.plan.guard import GuardInputs, guard
from trimtab.store.sqlite import SqliteStore

SHOP = AppKey("team", "shop")
PLAN = digest({"a": "plan"})
LOSS = Change(
    verb=Verb.DELETE,
    key=ResourceKey(SHOP, Kind.VOLUME, "data"),
    name="team-shop_data",
    reason=Reason.NOT_IN_GIT,
    disruption=Disruption.NONE,
    loses_data=True,
)


def _inputs(approved: frozenset[str] = frozenset()) -> GuardInputs:
    desired = DesiredState(app=SHOP, revision="1" * 40, resources={}, digest="d")
    observed = ObservedState(target="local", live={}, taken_at=FakeClock().now(), digest="o")
    return GuardInputs(app=None, desired=desired, observed=observed, plan_id=PLAN, approved=approved)


def test_what_would_lose_data_is_held_and_says_how_to_approve_it(tmp_path: Path) -> None:
    held = guard((LOSS,), _inputs())
    assert held.decision is Decision.HOLD
    verb = held.diagnostics[0].hint.partition("trimtab approve ")[2].split()
    assert verb == ["team/shop", PLAN[:12]]

    store = SqliteStore(tmp_path, FakeClock())
    store.holds.approve(Approval(plan_id=verb[1], app=AppKey.parse(verb[0]), at=FakeClock().now(), by="ada"))
    found = store.holds.approved(PLAN)
    store.close()
    assert found is not None
    assert found.by == "ada"
    assert guard((LOSS,), _inputs(frozenset({found.plan_id}))).decision is Decision.GO


@pytest.mark.parametrize("given", [PLAN[:11], "", "%", "_" * 12, PLAN[:12] + "0", PLAN + "0"])
def test_what_is_not_the_beginning_of_the_plan_approves_nothing(tmp_path: Path, given: str) -> None:
    store = SqliteStore(tmp_path, FakeClock())
    store.holds.approve(Approval(plan_id=given, app=SHOP, at=FakeClock().now(), by="ada"))
    found = store.holds.approved(PLAN)
    store.close()
    assert found is None
