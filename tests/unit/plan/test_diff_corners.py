"""Rarely met differences: what a plan does about them, and why it says so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.rig import NOW, SHOP, Rig, application, project, shop
from trimtab.model.application import HookPhase
from trimtab.model.change import Change, FieldChange, Reason, Verb
from trimtab.model.desired import Resource
from trimtab.model.diagnostics import Diagnostic, Origin, Severity
from trimtab.model.drift import DriftMode, DriftPolicy
from trimtab.model.keys import Kind, ResourceKey
from trimtab.model.observed import Live, ObservedState, Running, RunState
from trimtab.model.tasks import Hook
from trimtab.plan.assemble import make_plan
from trimtab.plan.diff import DiffOptions
from trimtab.plan.drift import DriftOptions, is_repair, settle
from trimtab.plan.guards.data import out_of_sight
from trimtab.plan.imagepins import images_of
from trimtab.plan.render import PlanHeader, plan_text
from trimtab.plan.runs import hook_run

WEB = {"image": "web:1"}
KEY = ResourceKey(SHOP, Kind.CONTAINER, "web", 1)
WANT = Resource(key=KEY, name="shop-web-1", spec={}, digest="d")
LIVE = Live(key=KEY, handle="h", name="shop-web-1", digest="d")
HEADER = PlanHeader(app="shop")


def change(verb: Verb, reason: Reason, *fields: FieldChange, kind: Kind = Kind.CONTAINER) -> Change:
    key = replace(KEY, kind=kind)
    return Change(verb=verb, key=key, name="shop-web-1", reason=reason, before=LIVE, after=WANT, fields=fields)


def difference(path: str, *, in_place: bool) -> FieldChange:
    return FieldChange(path=path, attribute="a", before=1, after=2, in_place=in_place)


# -- drift -------------------------------------------------------------------------------------------------------------


def test_an_image_that_is_fetched_for_a_repair_makes_no_release_of_it() -> None:
    repair = change(Verb.UPDATE, Reason.DRIFT)
    image = change(Verb.PULL, Reason.NEW, kind=Kind.IMAGE)
    kept = change(Verb.KEEP, Reason.PROTECTED)
    assert is_repair((repair, image, kept))
    assert not is_repair((repair, change(Verb.CREATE, Reason.NEW)))


def test_what_has_to_be_made_anew_for_one_field_is_right_in_all_but_those_that_are_not_looked_at() -> None:
    """A new container has every field as in Git; it would be wrong to say that some of them are left."""
    anew, rested, ignored = (
        difference(path, in_place=path != "/a") for path in ("/a", "/HostConfig/Memory", "/Config/User")
    )
    found = change(Verb.REPLACE, Reason.DRIFT, anew, rested, ignored)

    class Policy(DriftPolicy):
        def of(self, key: ResourceKey, name: str, path: str) -> DriftMode:
            return DriftMode.IGNORE if path == "/Config/User" else DriftMode.REPAIR

    settled = settle(found, DriftOptions(policy=Policy(), resting={(KEY, "/HostConfig/Memory"): 30.0}))
    assert settled is not None
    assert (settled.verb, settled.fields) == (Verb.REPLACE, (anew, rested))


# -- networks, volumes, images -----------------------------------------------------------------------------------------


def test_a_network_that_others_use_stays_when_it_is_no_longer_in_git() -> None:
    rig = Rig()
    front = {"front": {"name": "shop_front"}}
    rig.converge(shop({"web": {**WEB, "networks": {"front": None}}}, networks=front))
    rig.world.add_container("visitor", Networks={"shop_front": {}})
    plan = rig.plan(shop({"web": WEB}))
    (kept,) = [c for c in plan.changes if c.name == "shop_front"]
    assert (kept.verb, kept.reason) == (Verb.KEEP, Reason.PROTECTED)
    assert kept.detail == "no longer in Git, but others are attached: visitor"


def test_a_new_name_that_somebody_has_taken_is_not_fought_for() -> None:
    rig = Rig()
    rig.converge(shop({"web": WEB}))
    rig.world.add_network("taken")
    compose = replace(project({"web": WEB}), networks={"default": {"name": "taken"}})
    plan = rig.plan(application(compose))
    (kept,) = [c for c in plan.changes if c.key.kind is Kind.NETWORK]
    assert (kept.verb, kept.reason, kept.name) == (Verb.KEEP, Reason.NAME_TAKEN, "taken")


def test_an_image_that_nothing_wants_any_more_is_nothing_to_plan() -> None:
    rig = Rig()
    key = ResourceKey(SHOP, Kind.IMAGE, "web")
    live = Live(key=key, handle="sha256:1", name="web:1", digest="")
    observed = replace(rig.world.observe(SHOP), live={key: (live,)})
    assert make_plan(rig.nothing(), observed, rig.dialect, DiffOptions()).changes == ()


def test_an_image_of_ours_follows_from_its_sources_and_is_no_image_of_a_release() -> None:
    key = replace(KEY, name="built")
    built = Resource(key=key, name="shop-built-1", spec={}, digest="d", traits={"built": True})
    desired = replace(Rig().nothing(), resources={KEY: WANT, key: built})
    pulled = replace(LIVE, image_id="sha256:1", image_refs=("web@sha256:2",))
    live = {KEY: (pulled,), key: (replace(pulled, key=key),)}
    observed = ObservedState(target="local", taken_at=NOW, live=live, digest="")
    assert images_of(desired, observed) == {"web": "sha256:1 web@sha256:2"}
    assert images_of(desired, replace(observed, live={KEY: (LIVE,)})) == {}, "of an engine that does not say"


# -- hooks, and what a reader sees -------------------------------------------------------------------------------------


@pytest.mark.parametrize("again", [False, True])
def test_a_hook_that_failed_is_run_again_only_by_a_person(again: bool) -> None:  # noqa: FBT001
    resource = replace(WANT, key=replace(KEY, kind=Kind.HOOK))
    hook = Hook(resource=resource, phase=HookPhase.PRE_SYNC, wave=0)
    desired = Rig().nothing()
    run = Live(key=hook.key, handle="r", name=hook.run_name(desired.digest), digest="d")
    ended = replace(run, running=Running(status=RunState.EXITED, exit_code=3))
    observed = ObservedState(target="local", taken_at=NOW, live={hook.key: (ended,)}, digest="")
    found = hook_run(hook, desired, observed, again=again)
    assert found is not None
    if again:
        assert (found.before, found.extras) == (None, (ended,))
        assert found.detail == "PreSync: once more, it ended with exit code 3"
    else:
        assert (found.before, found.reason) == (ended, Reason.HOOK_FAILED)
        assert found.detail == "PreSync: it failed with exit code 3, and is not run again by itself"


def test_a_reader_sees_what_is_left_behind_and_what_goes_along() -> None:
    rig = Rig()
    gone = replace(change(Verb.DELETE, Reason.NOT_IN_GIT), leaves=("a1", "b2"), extras=(LIVE,))
    plan = replace(rig.plan(rig.nothing()), changes=(gone,))
    text = plan_text(plan, HEADER)
    assert "leaves its anonymous volumes: a1, b2; and removes 1 left over" in text


def test_what_is_only_noted_is_no_part_of_a_plans_text() -> None:
    plan = Rig().plan(shop({"web": WEB}))
    notes = tuple(
        Diagnostic(severity=severity, code="TT9999", message=str(severity), origin=Origin("compose.yaml", 3))
        for severity in (Severity.INFO, Severity.WARNING)
    )
    text = plan_text(replace(plan, diagnostics=notes), HEADER)
    assert "compose.yaml:3: warning TT9999" in text
    assert "info TT9999" not in text


def test_a_volume_of_another_engine_name_can_be_put_back_by_its_name() -> None:
    """``moved`` is about the file's own names, which are the same here."""
    rig = Rig()
    db = {"image": "db:1", "volumes": [{"type": "volume", "source": "data", "target": "/data"}]}
    rig.converge(shop({"db": db}, volumes={"data": {"name": "shop_data"}}))
    app = shop({"db": db}, volumes={"data": {"name": "elsewhere"}})
    plan = rig.plan(app)
    observed = rig.world.observe(app.key)
    (told,) = out_of_sight(plan.changes, observed, "trimtab approve shop")
    assert "shop_data" in told.message
    assert told.hint == "put 'name:' back to keep the data in use, or approve this plan: trimtab approve shop"


def test_files_that_were_not_copied_to_the_end_are_made_again() -> None:
    rig = Rig()
    app = shop({"web": {**WEB, "configs": [{"source": "c", "target": "/c"}]}}, configs={"c": {"content": "x"}})
    rig.converge(app)
    desired = rig.desired(app)
    observed = rig.world.observe(app.key, images=["web:1"])
    (key,) = [key for key in observed.live if key.kind is Kind.CONTENT]
    cut_off = tuple(replace(live, digest="") for live in observed.live[key])
    plan = make_plan(desired, replace(observed, live={**observed.live, key: cut_off}), rig.dialect, DiffOptions())
    (found,) = plan.changes
    assert (found.key, found.verb, found.reason) == (key, Verb.REPLACE, Reason.UNFINISHED)
    assert [(field.attribute, field.before, field.after) for field in found.fields] == [
        ("files", "incomplete", "complete")
    ]
