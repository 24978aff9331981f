"""Health of single containers, digests of values, and how values read."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.rig import NOW, Rig, shop
from trimtab.model.desired import Secret
from trimtab.model.keys import Kind
from trimtab.model.observed import Probe, Running, RunState
from trimtab.model.status import HealthStatus
from trimtab.plan import status
from trimtab.plan.canonical import canonical_json, digest
from trimtab.plan.secrets import secret_values
from trimtab.plan.units import ago, human

APP = shop({"web": {"image": "app:1", "environment": {"PASSWORD": "swordfish", "LIST": "a"}}})
STATES = [
    (Running(status=RunState.RUNNING), HealthStatus.HEALTHY, ""),
    (Running(status=RunState.RUNNING, probe=Probe.STARTING), HealthStatus.PROGRESSING, "not passed"),
    (Running(status=RunState.RUNNING, probe=Probe.UNHEALTHY, probe_output="a\nno"), HealthStatus.DEGRADED, '"no"'),
    (Running(status=RunState.RUNNING, restart_count=3, started_at=NOW), HealthStatus.DEGRADED, "crash-looping"),
    (Running(status=RunState.RESTARTING, exit_code=2), HealthStatus.DEGRADED, "after exit 2"),
    (Running(status=RunState.RESTARTING, oom_killed=True), HealthStatus.DEGRADED, "out of memory"),
    (Running(status=RunState.PAUSED), HealthStatus.SUSPENDED, "paused"),
    (Running(status=RunState.CREATED), HealthStatus.PROGRESSING, "not started"),
    (Running(status=RunState.EXITED, exit_code=0), HealthStatus.HEALTHY, "finished"),
    (Running(status=RunState.EXITED, exit_code=1, oom_killed=True), HealthStatus.DEGRADED, "out of memory"),
    (Running(status=RunState.DEAD), HealthStatus.DEGRADED, "dead"),
]


@pytest.mark.parametrize(("running", "health", "said"), STATES)
def test_the_health_of_a_container(running: Running, health: HealthStatus, said: str) -> None:
    rig = Rig()
    rig.converge(APP)
    desired, observed = rig.desired(APP), rig.world.observe(APP.key)
    want = desired.of_kind(Kind.CONTAINER)[0]
    live = replace(observed.live[want.key][0], running=running)
    found = status.container_health(want, live, NOW + timedelta(seconds=1))
    assert found[0] is health
    assert said in found[1]
    seen = replace(observed, live={**observed.live, want.key: (live,)})
    hopeless = status.beyond_hope(desired, seen, (), NOW)
    assert bool(hopeless) == (running.status is RunState.EXITED and running.exit_code == 1)
    assert status.settled(desired, seen, NOW, 5) == (running.started_at is None)


def test_secrets_are_found_for_masking_and_never_spelled_in_digests() -> None:
    desired = Rig().desired(APP)
    assert secret_values(desired) == ("swordfish",)
    assert "swordfish" not in canonical_json(desired.of_kind(Kind.CONTAINER)[0].spec)
    assert digest(Secret("a", "1")) != digest(Secret("a", "2"))


def test_values_without_a_canonical_form_are_refused() -> None:
    assert canonical_json({"b": (1, None), "a": {"y", "x"}}) == '{"a":["\\"x\\"","\\"y\\""],"b":[1,null]}'
    with pytest.raises(TypeError, match="no canonical form for object"):
        digest(object())


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "", "(not set)"), (3 << 19, "bytes", "1.5 MiB"), (12, "bytes", "12 B"), (90 * 10**9, "ns", "90s"),
        (1500, "ns", "1500ns"), (5 * 10**8, "nanocpus", "0.5 CPUs"), (7, "", "7"),
        (True, "", "true"), (False, "", "false"),
        ({"Name": "on-failure", "MaximumRetryCount": 3}, "restart", "on-failure:3"), ({"Name": "no"}, "restart", "no"),
        ({"b": 1, "a": "x"}, "", "{a: x, b: 1}"), (["a", 1], "", "[a, 1]"), ("", "", '""'),
    ],
)  # fmt: skip
def test_a_value_reads_as_a_person_would_say_it(value: object, unit: str, text: str) -> None:
    assert human(value, unit) == text


def test_how_long_ago() -> None:
    assert [ago(s) for s in (-1, 40, 200, 7200, 500000)] == ["0 s", "40 s", "3 min", "2 h", "5 d"]
