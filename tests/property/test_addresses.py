"""A service's stable address: whom it sends connections to while containers come, go, fail and are replaced."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.property.test_passes import Lab, deployed
from tests.support.process import SHOP, Process
from tests.support.world import Container, Killed, Script
from trimtab.backends.engine import addresses, steps
from trimtab.model.records import Approval
from trimtab.model.status import HealthStatus, SyncStatus

PROXY = "shop-web-address-1"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    for process in made.open:
        process.close()


def shop(version: int, replicas: int = 3, *, rollout: str = "", update: str = "", proxy: int = 1) -> str:
    return f"""
    services:
      web:
        image: web:{version}
        expose: ["8080"]
        healthcheck: {{test: [CMD, "true"]}}
        deploy: {{replicas: {replicas}, update_config: {{{update}}}}}
        x-trimtab: {{rollout: {{address: {{image: "haproxy:{proxy}"}}{rollout}}}}}
      client:
        image: client:1
        depends_on: {{web: {{condition: service_healthy}}}}
"""


def replicas(lab: Lab) -> list[Container]:
    return [c for c in lab.world.of(SHOP) if (key := lab.world.owner(c.labels, c.name)) and key.name == "web"]


def names(lab: Lab) -> list[str]:
    """Whom the address sends to."""
    known = {addresses.short(c.id): c.name for c in lab.world.containers.values()}
    return sorted(known.get(one, one) for one in lab.world.named(PROXY).listed or ())


def expected(count: int) -> list[str]:
    return [f"shop-web-{n}" for n in range(1, count + 1)]


def settled(lab: Lab, process: Process, count: int = 3) -> None:
    status = process.rest()
    assert (status.sync, status.health) == (SyncStatus.SYNCED, HealthStatus.HEALTHY), status.message
    assert names(lab) == expected(count)
    assert lab.world.violations == []
    so_far = len(lab.world.performed)
    process.reconcile()
    assert len(lab.world.performed) == so_far, "I1"


def push(lab: Lab, process: Process, text: str) -> None:
    lab.push(text)
    process.read()


def test_the_proxy_has_the_names_and_the_replicas_have_only_their_own(lab: Lab) -> None:
    process = deployed(lab, shop(1))
    settled(lab, process)
    aliases = {c.name: c.networks["shop_default"]["Aliases"] for c in lab.world.of(SHOP)}
    assert aliases[PROXY] == ["shop-web-address-1", "web", "web-address"]
    assert [aliases[name] for name in expected(3)] == [[name] for name in expected(3)]
    done = [type(step).__name__ for step in lab.world.performed]
    assert done.index("ListReplicas") < done.index("StartContainer"), "it never starts without a list"
    started = [i for i, step in enumerate(lab.world.performed) if getattr(step, "name", "") == "shop-client-1"]
    last_listed = max(i for i, step in enumerate(lab.world.performed) if isinstance(step, steps.ListReplicas))
    assert last_listed < started[-1], "who waits for web to be healthy reaches it by its name"


@pytest.mark.parametrize(
    ("rollout", "update"),
    [
        ("", ""),
        (", strategy: blue-green", ""),
        pytest.param("", "order: stop-first", marks=pytest.mark.slow),
        pytest.param("", "parallelism: 0", marks=pytest.mark.slow),
        pytest.param(", drain: 3s", "parallelism: 2, delay: 5s", marks=pytest.mark.slow),
    ],
)
def test_an_update_sends_to_nobody_unproved_and_stops_nobody_that_is_sent_to(
    lab: Lab, rollout: str, update: str
) -> None:
    process = deployed(lab, shop(1, rollout=rollout, update=update))
    settled(lab, process)
    so_far = len(lab.world.performed)
    push(lab, process, shop(2, rollout=rollout, update=update))
    settled(lab, process)
    assert {c.spec["Config"]["Image"] for c in replicas(lab)} == {"web:2"}
    switches = [step for step in lab.world.performed[so_far:] if isinstance(step, steps.ListReplicas)]
    if "blue" in rollout:
        assert [(len(step.on), len(step.off)) for step in switches] == [(3, 3)], "the switch is one moment"
    else:
        assert len(switches) == 6


@pytest.mark.slow
def test_stop_first_never_leaves_more_than_its_turn_off_the_list(lab: Lab) -> None:
    """Also where draining comes between the list and the stop; and a failed one is put back on the list."""
    update = "order: stop-first, failure_action: pause"
    process = deployed(lab, shop(1, rollout=", drain: 3s", update=update))
    settled(lab, process)
    lab.world.lists.clear()
    push(lab, process, shop(2, rollout=", drain: 3s", update=update))
    settled(lab, process)
    assert min(lab.world.lists) == 2
    lab.world.scripts["web:3"] = Script(healthy=False)
    push(lab, process, shop(3, rollout=", drain: 3s", update=update))
    process.rest()
    assert {c.spec["Config"]["Image"] for c in replicas(lab)} == {"web:2"}
    assert names(lab) == expected(3)


@pytest.mark.slow
def test_a_published_port_changes_over_to_the_address_and_back(lab: Lab) -> None:
    def published(text: str) -> str:
        return text.replace("        expose:", '        ports: ["8080:80"]\n        expose:')

    without = published(shop(1, 1).replace("x-trimtab:", "x-not:"))
    process = deployed(lab, without)
    push(lab, process, published(shop(1, 3)))
    settled(lab, process)
    assert lab.world.claims(lab.world.named(PROXY)) == {"8080/tcp"}
    so_far = len(lab.world.performed)
    push(lab, process, published(shop(2, 3)))
    settled(lab, process)
    done = [type(step).__name__ for step in lab.world.performed[so_far:]]
    assert done.index("StartContainer") < done.index("StopContainer"), "the port does not make it stop first"
    push(lab, process, without)
    process.rest()
    assert lab.world.claims(replicas(lab)[0]) == {"8080/tcp"}
    assert not lab.world.has(PROXY)


@pytest.mark.slow
def test_leftovers_that_do_not_fit_go_before_the_switch(lab: Lab) -> None:
    blue = ", strategy: blue-green"
    process = deployed(lab, shop(1, rollout=blue))
    settled(lab, process)
    lab.push(shop(2, rollout=blue))
    with contextlib.suppress(Killed):
        lab.start(kill_at=(7, True)).rest()
    left = [c for c in replicas(lab) if c.spec["Config"]["Image"] == "web:2"]
    assert left
    for one in left:
        one.networks["shop_default"]["Aliases"] = ["other"]
    process = lab.start()
    settled(lab, process)
    assert not {c.id for c in left} & {c.id for c in replicas(lab)}


@pytest.mark.slow
def test_more_and_fewer_replicas_and_none(lab: Lab) -> None:
    process = deployed(lab, shop(1, 1))
    for count in (3, 2, 5, 1):
        push(lab, process, shop(1, count))
        settled(lab, process, count)
    push(lab, process, shop(1, 1).replace("x-trimtab:", "x-not:"))
    process.rest()
    assert not lab.world.has(PROXY)
    assert replicas(lab)[0].networks["shop_default"]["Aliases"] == ["shop-web-1", "web"]


@pytest.mark.slow
def test_an_address_for_a_service_that_runs_comes_before_its_replicas_lose_the_name(lab: Lab) -> None:
    process = deployed(lab, shop(1).replace("x-trimtab:", "x-not:"))
    so_far = len(lab.world.performed)
    push(lab, process, shop(1))
    settled(lab, process)
    done = [(type(step).__name__, getattr(step, "name", "")) for step in lab.world.performed[so_far:]]
    assert done.index(("StartContainer", PROXY)) < done.index(("StopContainer", "shop-web-1"))


def test_the_ill_one_is_left_out_while_another_is_well_and_comes_back(lab: Lab) -> None:
    process = deployed(lab, shop(1))
    settled(lab, process)
    first, *others = replicas(lab)
    first.script = Script(healthy=False)
    process.rest()
    assert names(lab) == ["shop-web-2", "shop-web-3"]
    for other in others:
        other.script = Script(healthy=False)
    process.rest()
    assert names(lab) == ["shop-web-2", "shop-web-3"], "where nobody is well, nobody is taken off"
    for one in (first, *others):
        one.script = Script()
    settled(lab, process)
    assert "DriftDetected" not in process.events.reasons()


@pytest.mark.slow
def test_it_follows_health_although_nothing_else_may_be_changed(lab: Lab) -> None:
    """It is neither a release nor drift; and going up and down often is no contention."""
    process = deployed(lab, shop(1))
    settled(lab, process)
    push(lab, process, shop(1) + "    x-trimtab: {syncPolicy: {automated: {enabled: false, selfHeal: false}}}\n")
    for _ in range(5):
        replicas(lab)[0].script = Script(healthy=False)
        process.rest()
        assert names(lab) == ["shop-web-2", "shop-web-3"]
        replicas(lab)[0].script = Script()
        settled(lab, process)


def test_a_release_that_is_never_well_is_never_sent_to(lab: Lab) -> None:
    process = deployed(lab, shop(1))
    settled(lab, process)
    lab.world.scripts["web:2"] = Script(healthy=False)
    push(lab, process, shop(2))
    process.rest()
    assert names(lab) == expected(3)
    assert {c.spec["Config"]["Image"] for c in replicas(lab)} == {"web:1"}
    assert lab.world.violations == []


@pytest.mark.slow
def test_what_waits_for_a_person_gets_nothing_until_then(lab: Lab) -> None:
    by_hand = ", strategy: blue-green, promote: manual"
    process = deployed(lab, shop(1, rollout=by_hand))
    settled(lab, process)
    push(lab, process, shop(2, rollout=by_hand))
    process.rest()
    assert names(lab) == expected(3)
    old = {addresses.short(c.id) for c in replicas(lab) if c.spec["Config"]["Image"] == "web:1"}
    assert set(lab.world.named(PROXY).listed or ()) == old
    name = process.status().message.split()[-1]
    process.store.holds.approve(Approval(plan_id=name, app=SHOP, at=lab.clock.now(), by="ann"))
    settled(lab, process)
    assert not set(lab.world.named(PROXY).listed or ()) & old


@pytest.mark.slow
def test_another_proxy_has_the_list_before_it_starts(lab: Lab) -> None:
    process = deployed(lab, shop(1))
    settled(lab, process)
    so_far = len(lab.world.performed)
    push(lab, process, shop(1, proxy=2))
    settled(lab, process)
    done = [type(step).__name__ for step in lab.world.performed[so_far:]]
    assert done.index("ListReplicas") < done.index("StartContainer") < done.index("StopContainer")


@pytest.mark.slow
def test_a_lost_list_and_a_lost_proxy_come_back(lab: Lab) -> None:
    process = deployed(lab, shop(1))
    settled(lab, process)
    lab.world.named(PROXY).listed = None
    settled(lab, process)
    proxy = lab.world.named(PROXY)
    del lab.world.containers[proxy.id]
    settled(lab, process)
    lab.world.stop(lab.world.named(PROXY))
    process = lab.start(lost=True)
    settled(lab, process)


@pytest.mark.slow
@pytest.mark.parametrize("rollout", ["", ", strategy: blue-green"])
def test_killed_at_any_step_it_converges(lab: Lab, rollout: str) -> None:
    process = deployed(lab, shop(1, 2, rollout=rollout))
    settled(lab, process, 2)
    for version in range(2, 34):
        lab.push(shop(version, 2, rollout=rollout, proxy=version // 8))
        victim = lab.start(kill_at=(version - 2, version % 2 == 0))
        with contextlib.suppress(Killed):
            victim.rest()
        assert names(lab), "somebody is always sent to"
        process = lab.start(lost=version % 3 == 0)
        settled(lab, process, 2)
