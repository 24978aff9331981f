"""How a service's containers are replaced: in groups, with pauses, and what a failure among them means."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import pairwise
from math import floor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.property.test_passes import Lab, deployed, images
from tests.property.test_plans import few
from tests.support.process import SHOP
from tests.support.rig import Rig, Services, application, project, shop
from tests.support.world import Killed
from trimtab.backends.engine import steps
from trimtab.model.application import Rollout, RolloutStrategy, ServiceSettings
from trimtab.model.status import HealthStatus, SyncStatus
from trimtab.model.trigger import TriggerKind

CHECK = {"healthcheck": {"test": ["CMD", "true"]}}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    for process in made.open:
        process.close()


def service(version: int, replicas: int, update: dict[str, object]) -> Services:
    deploy = {"replicas": replicas, "update_config": update}
    return {"web": {"image": f"web:{version}", **CHECK, "deploy": deploy}}


def text(version: int, update: str, settings: str = "", section: str = "update_config") -> str:
    """Three replicas of one service; ``update`` is the inside of its update_config."""
    return f"""
    services:
      web:
        image: web:{version}
        healthcheck: {{test: [CMD, "true"]}}
        deploy: {{replicas: 3, {section}: {{{update}}}}}
    {settings}
"""


# -- groups ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@few(40)
@given(
    replicas=st.integers(1, 6),
    parallelism=st.integers(0, 7),
    order=st.sampled_from(["start-first", "stop-first"]),
    ill=st.sets(st.integers(1, 6)),
    action=st.sampled_from(["pause", "continue", "rollback", ""]),
    ratio=st.sampled_from([0, 0.2, 0.34, 0.5, 1]),
    seed=st.randoms(use_true_random=False),
)
def test_a_group_begins_when_the_one_before_is_over_and_no_more_failed_than_may(  # noqa: PLR0917
    replicas: int, parallelism: int, order: str, ill: set[int], action: str, ratio: float, seed: st.DataObject
) -> None:
    bench = Rig()
    update = {"parallelism": parallelism, "order": order, "failure_action": action, "max_failure_ratio": ratio}
    bench.converge(shop(service(1, replicas, update)))
    bench.world.ill = {("web:2", str(replica)) for replica in ill}
    app = shop(service(2, replicas, update))
    plan = bench.plan(app)
    most_at_once = 0

    def choose(ready: list[int]) -> int:
        nonlocal most_at_once
        working = [c for c in bench.world.containers.values() if c.name.startswith("shop-web-")]
        changed = {c.labels["trimtab.dev/replica"] for c in working if "-web-" in c.name and c.name.count("-") > 2}
        most_at_once = max(most_at_once, len(changed))
        down = sum(1 for c in working if not c.up and c.starts)
        assert down <= (parallelism or replicas)
        return seed.choice(ready)  # type: ignore[attr-defined, no-any-return]

    bench.run(plan, app, choose=choose)  # type: ignore[arg-type]

    size = parallelism or replicas
    groups = [range(first, min(first + size, replicas + 1)) for first in range(1, replicas + 1, size)]
    allowed = replicas if action == "continue" else floor(ratio * replicas)
    done: set[int] = set()
    failed = 0
    for group in groups:
        if failed > allowed:
            break
        done |= {replica for replica in group if replica not in ill}
        failed += sum(replica in ill for replica in group)
    after = {c.name: c.spec["Config"]["Image"] for c in bench.world.containers.values() if c.up}
    assert after == {f"shop-web-{n}": "web:2" if n in done else "web:1" for n in range(1, replicas + 1)}
    assert most_at_once <= size
    assert bench.world.violations == []


def test_one_after_another_is_the_default_and_all_at_once_is_0() -> None:
    for parallelism, expected in ((None, 2), (0, 0), (2, 1), (3, 0)):
        bench = Rig()
        update = {} if parallelism is None else {"parallelism": parallelism}
        bench.converge(shop(service(1, 3, update)))
        plan = bench.plan(shop(service(2, 3, update)))
        assert sum(isinstance(node.step, steps.AwaitTurn) for node in plan.nodes) == expected


def test_delay_lies_between_groups_and_monitor_is_part_of_the_proof() -> None:
    bench = Rig()
    update: dict[str, object] = {"parallelism": 2, "delay": "30s", "monitor": "20s"}
    bench.converge(shop(service(1, 5, update)))
    app = shop(service(2, 5, update))
    plan = bench.plan(app)
    before = bench.world.clock.now()
    assert bench.run(plan, app).errors == []
    assert (bench.world.clock.now() - before).total_seconds() == 60
    proofs = [node for node in plan.nodes if isinstance(node.step, steps.AwaitHealthy)]
    assert [node.step.settle_s for node in proofs if isinstance(node.step, steps.AwaitHealthy)] == [20.0] * 5
    assert all(node.waits and node.pause_s == 20 for node in proofs)
    # All of it is waiting that was asked for, which no deadline of the sync may take for trouble.
    assert sum(node.pause_s for node in plan.nodes) == 5 * 20 + 2 * 30


def test_new_replicas_are_no_part_of_an_update() -> None:
    bench = Rig()
    bench.converge(shop(service(1, 2, {})))
    app = shop(service(2, 4, {}))
    plan = bench.plan(app)
    creates = [n for n in plan.nodes if isinstance(n.step, steps.CreateContainer) and n.key.replica > 2]
    assert len(creates) == 2
    turns = {n.id for n in plan.nodes if isinstance(n.step, steps.AwaitTurn)}
    assert not any(node.needs & turns for node in creates)


@pytest.mark.parametrize("value", ["failure_action: stop", "max_failure_ratio: 2"])
def test_what_swarm_does_not_know_is_refused(lab: Lab, value: str) -> None:
    lab.push(text(1, value))
    process = lab.start()
    process.rest()
    assert "TT2133" in process.status().message
    assert not lab.world.containers


# -- what a failure means --------------------------------------------------------------------------------------------


def versions(lab: Lab) -> list[str]:
    return [image for _, image in sorted(images(lab).items())]


@pytest.mark.parametrize("rollback", ["true", "false"])
@pytest.mark.parametrize(
    ("update", "kept", "goes_back"),
    [
        # What is written at the service wins; without it, the application decides.
        ("parallelism: 1", ["web:2", "web:1", "web:1"], None),
        ("failure_action: pause", ["web:2", "web:1", "web:1"], False),
        ("failure_action: continue", ["web:2", "web:1", "web:2"], False),
        ("failure_action: rollback", ["web:2", "web:1", "web:1"], True),
        ("max_failure_ratio: 0.4", ["web:2", "web:1", "web:2"], False),
        ("max_failure_ratio: 0.3, failure_action: pause", ["web:2", "web:1", "web:1"], False),
        ("max_failure_ratio: 0.3, failure_action: rollback", ["web:2", "web:1", "web:1"], True),
    ],
)
def test_the_second_of_three_fails(lab: Lab, update: str, kept: list[str], goes_back: object, rollback: str) -> None:
    setting = f"x-trimtab: {{syncPolicy: {{rollbackOnFailure: {rollback}}}}}"
    process = deployed(lab, text(1, update, setting))
    lab.world.ill = {("web:2", "2")}
    lab.push(text(2, update, setting))
    process.read()
    status = process.rest()
    back = rollback == "true" if goes_back is None else goes_back
    assert versions(lab) == (["web:1"] * 3 if back else kept)
    assert status.health is HealthStatus.DEGRADED
    assert status.sync is SyncStatus.OUT_OF_SYNC
    assert "shop-web-2" in status.message
    assert ("1 of 3 replacements of web failed" in status.message) is (goes_back is not None)
    # Nobody hammers it: not by time, not by a restart; a person may, and a commit that mends it goes through.
    performed = len(lab.world.performed)
    lab.clock.advance(400)
    process.reconcile(kind=TriggerKind.TIMER)
    again = lab.start()
    again.rest()
    assert len(lab.world.performed) == performed
    lab.world.ill = set()
    again.reconcile(sync=True)
    assert again.rest().health is HealthStatus.HEALTHY
    assert versions(lab) == ["web:2"] * 3


def test_the_way_back_goes_by_the_rollback_config_of_what_it_goes_back_to(lab: Lab) -> None:
    process = deployed(lab, text(1, "parallelism: 0", section="rollback_config"))
    lab.world.ill = {("web:2", "3")}
    lab.push(text(2, "parallelism: 1, delay: 1m", section="rollback_config"))
    process.read()
    process.reconcile()
    assert versions(lab) == ["web:2", "web:2", "web:1"]
    started, performed = lab.clock.now(), len(lab.world.performed)
    process.reconcile()
    assert versions(lab) == ["web:1"] * 3
    assert not any(isinstance(step, steps.AwaitTurn) for step in lab.world.performed[performed:])
    assert (lab.clock.now() - started).total_seconds() < 60


@pytest.mark.slow
def test_an_update_killed_at_any_step_goes_on_in_its_groups(lab: Lab) -> None:
    """I2: whatever was replaced stays so, and the rest goes on one after another."""
    process = deployed(lab, text(1, "delay: 10s"))
    for version in range(2, 40):
        lab.push(text(version, "delay: 10s"))
        victim = lab.start(kill_at=(version - 1, version % 2 == 0))
        with contextlib.suppress(Killed):
            victim.reconcile()
        process = lab.start()
        status = process.rest()
        assert (status.sync, status.health) == (SyncStatus.SYNCED, HealthStatus.HEALTHY), (version, status.message)
        assert images(lab) == {f"shop-web-{n}": f"web:{version}" for n in (1, 2, 3)}
        assert len(lab.world.of(SHOP)) == 3
    assert lab.world.violations == []


def test_turns_come_in_order() -> None:
    bench = Rig()
    bench.converge(shop(service(1, 4, {})))
    plan = bench.plan(shop(service(2, 4, {})))
    turns = [node for node in plan.nodes if isinstance(node.step, steps.AwaitTurn)]
    assert all(earlier.needs < later.needs for earlier, later in pairwise(turns))


# -- all as one ------------------------------------------------------------------------------------------------------


def blue_green(version: int, more: str = "") -> str:
    return f"""
    services:
      web:
        image: web:{version}
        healthcheck: {{test: [CMD, "true"]}}
        deploy: {{replicas: 3}}
        x-trimtab: {{rollout: {{strategy: blue-green{more}}}}}
"""


@few(20)
@given(seed=st.randoms(use_true_random=False), ill=st.sets(st.integers(1, 3)))
def test_blue_green_no_old_one_goes_before_all_new_ones_are_proved(seed: st.DataObject, ill: set[int]) -> None:
    bench = Rig()
    services = {"web": {"image": "web:1", **CHECK, "deploy": {"replicas": 3}}}
    rollout = {"web": ServiceSettings(rollout=Rollout(strategy=RolloutStrategy.BLUE_GREEN))}
    bench.converge(application(project(services), service_settings=rollout))
    bench.world.ill = {("web:2", str(replica)) for replica in ill}
    app = application(project({"web": {**services["web"], "image": "web:2"}}), service_settings=rollout)

    def choose(ready: list[int]) -> int:
        running = [c for c in bench.world.containers.values() if c.up]
        old = sum(c.spec["Config"]["Image"] == "web:1" for c in running)
        proved = sum(c.spec["Config"]["Image"] == "web:2" and c.proved for c in running)
        assert old == 3 or proved == 3
        return seed.choice(ready)  # type: ignore[attr-defined, no-any-return]

    bench.run(bench.plan(app), app, choose=choose)  # type: ignore[arg-type]
    after = {c.name: c.spec["Config"]["Image"] for c in bench.world.containers.values()}
    assert after == {f"shop-web-{n}": "web:1" if ill else "web:2" for n in (1, 2, 3)}


@pytest.mark.slow
def test_blue_green_killed_at_any_step_converges(lab: Lab) -> None:
    """I1, I2: no mixture stays, no duplicate stays, and a second pass has nothing to do."""
    process = deployed(lab, blue_green(1))
    for version in range(2, 40):
        lab.push(blue_green(version, ", alias: when-healthy" if version % 3 else ""))
        victim = lab.start(kill_at=(version - 1, version % 2 == 0))
        with contextlib.suppress(Killed):
            victim.reconcile()
        process = lab.start()
        status = process.rest()
        assert (status.sync, status.health) == (SyncStatus.SYNCED, HealthStatus.HEALTHY), (version, status.message)
        assert images(lab) == {f"shop-web-{n}": f"web:{version}" for n in (1, 2, 3)}
        assert len(lab.world.of(SHOP)) == 3
        performed = len(lab.world.performed)
        process.reconcile()
        assert len(lab.world.performed) == performed
        for container in lab.world.of(SHOP):
            assert "web" in container.networks["shop_default"]["Aliases"]
    assert lab.world.violations == []


@pytest.mark.parametrize(
    ("service_text", "why"),
    [
        ("ports: ['8080:80']", "port 8080"),
        ("network_mode: host", "network_mode host"),
        ("volumes: [data:/data]", "two writers"),
    ],
)
def test_blue_green_is_refused_where_two_cannot_be_there_at_once(lab: Lab, service_text: str, why: str) -> None:
    setting = "x-trimtab: {rollout: {strategy: blue-green}}"
    lab.push(f"services: {{web: {{image: web:1, {service_text}, {setting}}}}}\nvolumes: {{data: {{}}}}")
    process = lab.start()
    process.rest()
    assert "TT2134" in process.status().message
    assert why in process.status().message


# -- traffic ---------------------------------------------------------------------------------------------------------


def test_with_alias_when_healthy_the_name_comes_after_the_proof_and_before_the_old_one_goes(lab: Lab) -> None:
    setting = "x-trimtab: {rollout: {alias: when-healthy}}"
    process = deployed(lab, f"services: {{web: {{image: web:1, {setting}}}}}")
    lab.push(f"services: {{web: {{image: web:2, {setting}}}}}")
    process.read()
    so_far = len(lab.world.performed)
    process.reconcile()
    kinds = [type(step).__name__ for step in lab.world.performed[so_far:] if not isinstance(step, steps.PullImage)]
    assert kinds == [
        "CreateContainer",
        "StartContainer",
        "AwaitRunning",
        "DisconnectNetwork",
        "ConnectNetwork",
        "StopContainer",
        "RemoveContainer",
        "RenameContainer",
    ]
    created = next(step for step in lab.world.performed[so_far:] if isinstance(step, steps.CreateContainer))
    assert created.spec["Networks"] == {"shop_default": {}}
    assert "web" in lab.world.named("shop-web-1").networks["shop_default"]["Aliases"]


def test_a_container_that_looks_for_the_mark_is_drained_before_it_stops(lab: Lab) -> None:
    def drains(image: str, setting: str = "x-trimtab: {rollout: {drain: 20s}}", replicas: int = 2) -> str:
        check = "healthcheck: {test: [CMD, check], interval: 1s, timeout: 1s, retries: 1}"
        return f"services: {{web: {{image: {image}, {check}, deploy: {{replicas: {replicas}}}, {setting}}}}}"

    process = deployed(lab, drains("web:1"))
    test = lab.world.named("shop-web-1").spec["Config"]["Healthcheck"]["Test"]
    assert test[:3] == ["CMD", "/bin/sh", "-c"]
    assert test[-1] == "check"
    for text_, drained in ((drains("web:2"), 2), (drains("web:2", replicas=1), 1), (drains("web:3", "init: true"), 0)):
        lab.push(text_)
        process.read()
        so_far = len(lab.world.performed)
        process.reconcile()
        done = lab.world.performed[so_far:]
        drains_done = [step for step in done if isinstance(step, steps.DrainContainer)]
        assert [(step.drain_s, step.unready_s) for step in drains_done] == [(20.0, 7.0)] * drained
        for step in drains_done:
            names = [type(one).__name__ for one in done if getattr(one, "container", None) == step.container]
            assert names.index("DrainContainer") < names.index("StopContainer")
        process.rest()


@pytest.mark.parametrize(
    ("service_text", "rollout"),
    [
        ("image: web:1", "drain: 5s"),
        ("image: web:1, ports: ['80']", "alias: when-healthy"),
        ("image: web:1, network_mode: host", "alias: when-healthy"),
        ("image: web:1", "promote: manual"),
    ],
)
def test_what_a_rollout_cannot_do_is_refused(lab: Lab, service_text: str, rollout: str) -> None:
    lab.push(f"services: {{web: {{{service_text}, x-trimtab: {{rollout: {{{rollout}}}}}}}}}")
    process = lab.start()
    process.rest()
    assert "TT2134" in process.status().message
    assert not lab.world.containers
