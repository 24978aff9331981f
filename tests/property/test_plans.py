"""Plans of generated projects and edits, carried out in any order and cut off anywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.rig import Rig
from tests.support.shuffled import shuffled
from tests.support.strategies import applications, edits
from tests.support.world import Script, World
from trimtab.model.application import Application
from trimtab.model.change import Reason, Verb
from trimtab.model.keys import Kind
from trimtab.model.plan import RunWhen
from trimtab.plan.render import PlanHeader, plan_document, plan_markdown, plan_text
from trimtab.runtime.graph import Graph

Pair = tuple[Application, Application]
ROOT = Path(__file__).resolve().parents[2]
# A profile for a night: HYPOTHESIS_PROFILE=long. Otherwise few examples each, so that the fast part stays fast.
LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"


def few(count: int) -> settings:
    return settings(max_examples=count * 50 if LONG else count)


def rig() -> Rig:
    world = World()
    world.scripts["job:1"] = Script(exits=0)
    return Rig(world)


def choosing(seed: int) -> Random:
    return Random(seed)


@pytest.mark.slow
@few(25)
@given(edits(), st.integers(0, 999))
def test_I1_a_second_pass_is_empty_whatever_the_order_of_steps(pair: Pair, seed: int) -> None:
    """I1, I6: a second pass right after a successful one has an empty plan; its graph has no circle."""
    bench = rig()
    for app in pair:
        plan = bench.plan(app)
        Graph(plan.nodes)
        seen: set[int] = set()
        undoing = {node.id for node in plan.nodes if node.when is RunWhen.FAILURE}
        for node in plan.nodes:
            assert node.needs <= seen, "every need stands before its dependents"
            assert node.when is RunWhen.ENDED or not node.needs & undoing
            seen.add(node.id)
        assert bench.run(plan, app, choose=choosing(seed).choice).errors == []
        second = bench.plan(app)
        assert second.nodes == ()
        assert all(change.verb is Verb.KEEP for change in second.changes)
    assert bench.world.violations == []


@pytest.mark.slow
@few(40)
@given(edits(), st.integers(0, 999), st.tuples(st.integers(0, 60), st.booleans()))
def test_I2_I3_I6_stopped_after_any_step_the_next_pass_converges(pair: Pair, seed: int, cut: tuple[int, bool]) -> None:
    """I2, I3, I6: after a kill before or after any step: no duplicate, no orphan, no lost data, no gap in service."""
    (first, second), (step, effect) = pair, cut
    bench, random = rig(), choosing(seed)
    bench.converge(first)
    contents = bench.world.contents()
    plan = bench.plan(second)
    bench.run(plan, second, choose=random.choice, stop_after=step % max(1, len(plan.nodes)), effect=effect)
    bench.world.forget_events()
    bench.converge(second, choose=random.choice)
    assert bench.world.contents() >= contents
    assert bench.world.violations == []
    wanted = bench.desired(second).of_kind(Kind.CONTAINER)
    assert sorted(c.name for c in bench.world.containers.values()) == sorted(resource.name for resource in wanted)


@few(15)
@given(edits(), st.integers(0, 999))
def test_I5_strangers_with_our_labels_are_never_touched(pair: Pair, seed: int) -> None:
    """I5: objects that are not ours are never touched, whatever their names or labels say."""
    bench = rig()
    bench.converge(pair[0])
    world = bench.world
    copied = [dict(c.labels) for c in world.of(pair[0].key)] or [{}]
    strangers = [world.add_container(f"copy-{n}", labels) for n, labels in enumerate(copied)]
    volume, network = world.add_volume("shop_copied", copied[0]), world.add_network("shop_copied", copied[0])
    bench.converge(pair[1], choose=choosing(seed).choice)
    bench.converge(bench.nothing())
    for container in strangers:
        assert world.containers[container.id] is container
        assert container.up
        assert container.starts == 0
    assert world.volumes["shop_copied"] is volume
    assert world.networks["shop_copied"] is network


@pytest.mark.slow
@few(20)
@given(edits())
def test_I7_no_text_of_a_plan_shows_a_secret(pair: Pair) -> None:
    """I7: no secret value appears in a plan's text, markdown, JSON or repr, nor in its steps."""
    bench = rig()
    header = PlanHeader(app="shop", ref="main", revision="r1")
    for app in (_with_canary(pair[0], "canary-one"), _with_canary(pair[1], "canary-two")):
        plan = bench.plan(app)
        texts = [
            plan_text(plan, header),
            plan_markdown(plan, header),
            json.dumps(plan_document(plan, header)),
            repr(plan),
            repr(bench.desired(app).resources),
            repr(bench.desired(app).contents),
        ]
        assert not any("canary" in text for text in texts)
        bench.run(plan, app)
        for container in bench.world.of(app.key):
            assert "canary" not in repr(container.labels)
        if app.compose.services:
            assert any("canary" in repr(c.spec) for c in bench.world.of(app.key)) or not bench.world.of(app.key)


def _with_canary(app: Application, canary: str) -> Application:
    from tests.support.strategies import app_of

    services = {
        name: {**service, "environment": {"PASSWORD": canary}} for name, service in app.compose.services.items()
    }
    return app_of(services, token=f"{canary}-token")


@few(10)
@given(applications(), st.integers(0, 999))
def test_I8_a_lost_inventory_changes_nothing(app: Application, seed: int) -> None:
    """I8: an empty store on the same world: no write at all, in whatever order the world answers."""
    bench = rig()
    bench.converge(app)
    bench.inventory.clear()
    bench.world.forget_events()
    before, writes = bench.world.snapshot(), bench.world.writes
    assert bench.plan(app).changes == ()
    assert (bench.world.snapshot(), bench.world.writes) == (before, writes)


@few(20)
@given(edits(), st.integers(0, 999))
def test_I9_the_order_of_inputs_makes_no_difference(pair: Pair, seed: int) -> None:
    """I9: same input in shuffled order: the same plan, byte for byte."""
    bench = rig()
    bench.converge(pair[0])
    plan, other = bench.plan(pair[1]), bench.plan(shuffled(pair[1], choosing(seed)))
    assert repr(plan.nodes) == repr(other.nodes)
    assert plan.id == other.id
    header = PlanHeader(app="shop")
    assert plan_text(plan, header) == plan_text(other, header)


@pytest.mark.slow
def test_I9_the_hash_seed_makes_no_difference() -> None:
    """I9: other processes with other hash seeds make the same plan, byte for byte."""
    outputs = set()
    for seed in ("0", "1", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": f"{ROOT / 'controller'}:{ROOT}"}
        done = subprocess.run(
            [sys.executable, "-m", "tests.support.shuffled", seed],
            env=environment,
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        )
        outputs.add(done.stdout)
    assert len(outputs) == 1
    assert "replace" in outputs.pop()


@pytest.mark.slow
@few(30)
@given(edits())
def test_I10_every_change_says_why_and_names_its_fields(pair: Pair) -> None:
    """I10: every change carries a reason and, for updates, the field paths."""
    bench = rig()
    bench.converge(pair[0])
    plan = bench.plan(pair[1])
    explained = {
        Reason.PARENT_REPLACED, Reason.DEPENDENCY_REPLACED, Reason.NETWORK_REPLACED, Reason.DUPLICATE,
        Reason.UNFINISHED,
    }  # fmt: skip
    for change in plan.changes:
        assert change.reason
        if change.verb in {Verb.UPDATE, Verb.REPLACE}:
            assert change.fields or (change.reason in explained and change.detail), change
            assert all(field.path.startswith("/") and field.attribute for field in change.fields)
            assert all(field.before != field.after or field.sensitive for field in change.fields)
    for node in plan.nodes:
        assert node.cause


@pytest.mark.slow
@few(15)
@given(edits(), st.integers(0, 999))
def test_a_failed_replacement_leaves_every_service_as_it_was(pair: Pair, seed: int) -> None:
    """I6: what was up before is up again after a release that cannot become healthy, and a way back."""
    first, second = pair
    bench = rig()
    bench.converge(first)
    before = {c.name for c in bench.world.of(first.key) if c.up}
    bench.world.scripts["app:3"] = Script(exits=1)
    bench.run(bench.plan(second), second, choose=choosing(seed).choice)
    bench.converge(first, passes=6, choose=choosing(seed).choice)
    assert {c.name for c in bench.world.of(first.key) if c.up} == before
    assert bench.world.violations == []
