"""Why data that is to be taken over by a new volume stays where it is: what a plan says, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tests.support.rig import Rig, application, project
from trimtab.backends.engine import steps
from trimtab.model.application import Application, HookPhase, Moved, ServiceSettings
from trimtab.model.change import Change, Verb
from trimtab.model.keys import Kind
from trimtab.model.observed import Running, RunState
from trimtab.model.plan import Plan
from trimtab.plan.assemble import make_plan
from trimtab.plan.diff import DiffOptions
from trimtab.plan.guards.data import unmovable
from trimtab.plan.moves import followed

DB = {"image": "db:1", "volumes": [{"type": "volume", "source": "data", "target": "/data"}]}
MOVED = (Moved(kind="Volume", from_name="data", to_name="rows"),)


def on(volume: str, services: Mapping[str, Mapping[str, object]], **more: object) -> Application:
    """An application whose services use ``volume``."""
    mount = [{"type": "volume", "source": volume, "target": "/data"}]
    made = {name: {**one, "volumes": mount} if "volumes" in one else one for name, one in services.items()}
    return application(project(made, volumes={volume: {"name": f"shop_{volume}"}}), **more)


def copied(rig: Rig, app: Application) -> int:
    """The number of the step that copies."""
    return [isinstance(node.step, steps.CopyVolume) for node in rig.plan(app).nodes].index(True)


def settled(services: Mapping[str, Mapping[str, object]]) -> Rig:
    rig = Rig()
    rig.converge(on("data", services))
    return rig


def volume_of(plan: Plan[steps.EngineStep]) -> Change:
    (found,) = [c for c in plan.changes if c.key.kind is Kind.VOLUME and c.name == "shop_rows"]
    return found


def held(plan: Plan[steps.EngineStep]) -> tuple[str, str]:
    """What the plan says of the volume, and the way out; nothing of it is copied."""
    change = volume_of(plan)
    assert change.verb is Verb.KEEP
    assert not any(isinstance(node.step, steps.CopyVolume) for node in plan.nodes)
    (told,) = unmovable(plan.changes)
    assert change.detail in told.message
    return change.detail, told.hint


def test_all_that_use_it_have_to_change_over_in_one_wave() -> None:
    rig = settled({"db": DB, "worker": DB})
    waves = {"db": ServiceSettings(), "worker": ServiceSettings(wave=1)}
    why, hint = held(rig.plan(on("rows", {"db": DB, "worker": DB}, moved=MOVED, service_settings=waves)))
    assert "different waves" in why
    assert "stop what uses shop_data, or take the rename back" in hint


def test_a_run_in_the_sync_cannot_be_given_the_data_before_it_is_moved() -> None:
    rig = settled({"db": DB})
    hook = {"migrate": ServiceSettings(hook=HookPhase.PRE_SYNC)}
    why, _ = held(rig.plan(on("rows", {"db": DB, "migrate": DB}, moved=MOVED, service_settings=hook)))
    assert why.startswith("migrate, which runs in a sync, uses it")


def test_two_users_of_which_one_shares_the_others_namespace_cannot_change_over_at_once() -> None:
    services = {"db": DB, "side": {**DB, "network_mode": "service:db"}}
    why, _ = held(settled(services).plan(on("rows", services, moved=MOVED)))
    assert why == "shop-side-1 and shop-db-1, whose namespace it shares, both use shop_data"


def test_a_copy_whose_source_is_gone_is_not_taken_for_the_data() -> None:
    rig = settled({"db": DB})
    app = on("rows", {"db": DB}, moved=MOVED)
    rig.run(rig.plan(app), app, stop_after=copied(rig, app))
    rig.world.containers.clear()
    del rig.world.volumes["shop_data"]
    why, hint = held(rig.plan(app))
    assert why == "it is an unfinished copy, and the volume that it was copied from is gone"
    assert "docker volume rm shop_rows shop_rows.filling" in hint


def test_two_that_run_on_either_volume_are_for_a_person_to_sort_out() -> None:
    rig = settled({"db": DB})
    app = on("rows", {"db": DB}, moved=MOVED)
    rig.run(rig.plan(app), app, stop_after=copied(rig, app))
    observed = rig.world.observe(app.key)
    (found,) = [live for lives in observed.live.values() for live in lives if live.key.kind is Kind.CONTAINER]
    old = replace(found, running=Running(status=RunState.RUNNING))
    mounts = {"/data": {"Type": "volume", "Source": "shop_rows"}}
    new = replace(old, handle="new", name="shop-db-1.new", fields={**old.fields, "Mounts": mounts})
    both = replace(observed, live={**observed.live, old.key: (old, new)})
    plan = make_plan(rig.desired(app), both, rig.dialect, DiffOptions())
    why, hint = held(plan)
    assert why.endswith("now shop-db-1 runs on the old one while shop-db-1.new runs on the new one")
    assert "stop the one on the volume that shall lose; if that is shop_data, the new one goes on" in hint


def test_one_on_the_old_volume_that_stays_forbids_the_copy() -> None:
    """Its application does not remove what is not in Git any more."""
    rig = settled({"db": DB, "report": DB})
    why, _ = held(rig.plan(on("rows", {"db": DB}, moved=MOVED), prune=False))
    assert why == "shop-report-1 uses shop_data and is not replaced or removed by this plan"


def test_nothing_is_moved_to_what_is_not_the_applications() -> None:
    rig = settled({"db": DB})
    desired = rig.desired(on("rows", {"db": DB}, moved=MOVED))
    (key,) = [k for k, r in desired.resources.items() if r.key.kind is Kind.VOLUME]
    external = replace(desired.resources[key], external=True)
    observed = rig.world.observe(desired.app)
    assert followed(replace(desired, resources={**desired.resources, key: external}), observed) is observed
