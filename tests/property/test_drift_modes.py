"""Drift by field on an engine in memory: repaired, reported, ignored, fought over; and what is told of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.property.test_passes import Lab
from tests.support.process import SHOP, Process
from trimtab.model.events import EngineEvent, Event
from trimtab.model.status import HealthStatus, Requeue, SyncStatus
from trimtab.model.trigger import TriggerKind
from trimtab.runtime.selfheal import SLOW_S, WINDOW_S

MIB = 1 << 20
SERVICE = "services: {web: {image: 'web:1', mem_limit: 512m, cpu_shares: 512, restart: always}}\n"
FIELDS = {"/HostConfig/Memory": 64 * MIB, "/HostConfig/CpuShares": 7, "/HostConfig/RestartPolicy": {"Name": "no"}}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    for process in made.open:
        process.close()


def deployed(lab: Lab, drift: str = "") -> Process:
    lab.push(SERVICE + (f"x-trimtab: {{syncPolicy: {{drift: {drift}}}}}\n" if drift else ""))
    process = lab.start()
    assert process.rest().health is HealthStatus.HEALTHY
    return process


def meddle(lab: Lab, process: Process, path: str = "/HostConfig/Memory", *, event: str = "update") -> None:
    """As ``docker update`` does."""
    web = lab.world.named("shop-web-1")
    web.spec["HostConfig"][path.rpartition("/")[2]] = FIELDS[path]
    told = EngineEvent(at=lab.clock.now(), kind="container", action=event, handle=web.id, name=web.name, app=SHOP)
    process.witness.take(told)


def host(lab: Lab, path: str) -> object:
    return lab.world.named("shop-web-1").spec["HostConfig"].get(path.rpartition("/")[2])


def differs(lab: Lab, path: str) -> bool:
    return host(lab, path) == FIELDS[path]


def told(process: Process, reason: str = "DriftDetected") -> list[Event]:
    return [event for event in process.events.heard if event.reason == reason]


def test_drift_is_told_by_field_values_time_and_event(lab: Lab) -> None:
    process = deployed(lab)
    meddle(lab, process)
    lab.clock.advance(40)
    process.reconcile(kind=TriggerKind.ENGINE)
    assert not differs(lab, "/HostConfig/Memory")
    (event,) = told(process)
    words = "container shop-web-1: mem_limit is 64 MiB instead of 512 MiB, changed 40 s ago by `update`"
    assert event.message == words
    assert (
        event.fields["changes"] == [{"path": "/HostConfig/Memory", "at": "2026-01-02T03:04:29+00:00", "by": "update"}]
        or event.fields["repaired"]
    )


MODES = st.sampled_from(["repair", "report", "ignore"])


@pytest.mark.slow
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    modes=st.fixed_dictionaries(dict.fromkeys(FIELDS, MODES)),
    changed=st.sets(st.sampled_from(sorted(FIELDS)), min_size=1),
)
def test_each_field_has_its_own_mode(
    tmp_path_factory: pytest.TempPathFactory, modes: dict[str, str], changed: set[str]
) -> None:
    lab = Lab(tmp_path_factory.mktemp("lab"))
    rules = ", ".join(
        f"{{kind: Container, name: web, jsonPointers: [{path}], mode: {mode}}}" for path, mode in sorted(modes.items())
    )
    process = deployed(lab, f"{{fields: [{rules}]}}")
    for path in sorted(changed):
        meddle(lab, process, path)
    process.rest()
    left = {path for path in changed if modes[path] != "repair"}
    assert {path for path in FIELDS if differs(lab, path)} == left
    reported = {path for path in left if modes[path] == "report"}
    status = process.status()
    assert status.sync is (SyncStatus.OUT_OF_SYNC if reported else SyncStatus.SYNCED)
    steps = len(lab.world.performed)
    process.rest()
    assert len(lab.world.performed) == steps
    # A person who asks for a sync has all of it put right but what is ignored.
    process.reconcile(sync=True)
    process.rest()
    assert {path for path in FIELDS if differs(lab, path)} == {p for p in changed if modes[p] == "ignore"}
    assert process.status().sync is SyncStatus.SYNCED
    for made in lab.open:
        made.close()


def test_reported_drift_is_shown_told_once_and_never_repaired_by_itself(lab: Lab) -> None:
    process = deployed(lab, "{mode: report}")
    meddle(lab, process)
    for _ in range(4):
        process.rest()
        lab.clock.advance(300)
    assert differs(lab, "/HostConfig/Memory")
    assert "mem_limit is 64 MiB instead of 512 MiB" in process.status().message
    assert len(told(process)) == 1
    assert "reported, not put right" in told(process)[0].message
    # A commit that changes the field is carried out: that is no drift.
    lab.push(SERVICE.replace("512m", "256m") + "x-trimtab: {syncPolicy: {drift: {mode: report}}}\n")
    process.read()
    process.rest()
    assert host(lab, "/HostConfig/Memory") == 256 * MIB


def test_what_is_stopped_or_removed_is_reported_too_and_says_nothing_about_the_release(lab: Lab) -> None:
    process = deployed(lab, "{mode: report}")
    lab.world.stop(lab.world.named("shop-web-1"))
    process.rest()
    assert not lab.world.named("shop-web-1").up
    assert process.status().failed_revision == ""
    del lab.world.containers[lab.world.named("shop-web-1").id]
    process.rest()
    assert not lab.world.has("shop-web-1")
    assert process.status().sync is SyncStatus.OUT_OF_SYNC
    process.reconcile(sync=True)
    assert lab.world.named("shop-web-1").up


def test_self_heal_off_reports_all_and_a_rule_may_repair(lab: Lab) -> None:
    rule = "{fields: [{kind: Container, jsonPointers: [/HostConfig/CpuShares], mode: repair}]}"
    lab.push(SERVICE + f"x-trimtab: {{syncPolicy: {{automated: {{selfHeal: false}}, drift: {rule}}}}}\n")
    process = lab.start()
    process.rest()
    meddle(lab, process)
    meddle(lab, process, "/HostConfig/CpuShares")
    process.rest()
    assert {path for path in FIELDS if differs(lab, path)} == {"/HostConfig/Memory"}
    assert "selfHeal is off" in process.status().message


def test_a_field_that_is_fought_over_is_slowed_down_and_told_of_and_others_are_not(lab: Lab) -> None:
    process = deployed(lab)
    for _ in range(3):
        meddle(lab, process)
        process.reconcile(kind=TriggerKind.ENGINE)
        assert not differs(lab, "/HostConfig/Memory")
        lab.clock.advance(7)
    (alert,) = told(process, "DriftContended")
    for word in ("mem_limit", "64 MiB", "512 MiB", "`update`", "3 times"):
        assert word in alert.message
    meddle(lab, process)
    meddle(lab, process, "/HostConfig/CpuShares")
    after = process.reconcile(kind=TriggerKind.ENGINE)
    assert {path for path in FIELDS if differs(lab, path)} == {"/HostConfig/Memory"}, "the other one is put right"
    after = process.reconcile(kind=TriggerKind.ENGINE)
    assert isinstance(after, Requeue)
    assert SLOW_S - 10 < after.after_s < SLOW_S
    status = process.status()
    assert "mem_limit" in status.message
    assert "DriftContended" in {condition.type for condition in status.conditions}
    lab.clock.advance(after.after_s)
    process.reconcile(kind=TriggerKind.FOLLOW_UP)
    assert not differs(lab, "/HostConfig/Memory"), "it is never given up"
    assert [e.fields["attribute"] for e in told(process, "DriftContended")].count("mem_limit") == 1
    lab.clock.advance(WINDOW_S + 1)
    process.rest()
    assert process.status().contended == ""
    assert "DriftContended" not in {condition.type for condition in process.status().conditions}


def test_that_a_field_is_fought_over_survives_a_restart(lab: Lab) -> None:
    process = deployed(lab)
    for _ in range(3):
        meddle(lab, process)
        process.reconcile(kind=TriggerKind.ENGINE)
        for event in process.events.heard:
            process.store.events.append(event)
        process.events.heard.clear()
        lab.clock.advance(7)
    process = lab.start()
    meddle(lab, process)
    process.rest()
    assert differs(lab, "/HostConfig/Memory")
    assert process.status().contended


def test_drift_that_a_hold_leaves_is_told_with_its_reason(lab: Lab) -> None:
    from trimtab.model.records import Suspension

    process = deployed(lab)
    process.store.holds.suspend(Suspension(app=SHOP, since=lab.clock.now(), reason="looking"))
    meddle(lab, process)
    process.rest()
    assert len(told(process)) == 1
    assert "not put right: suspended" in told(process)[0].message
