"""Live edits are seen by event, shown by diff and put right; what is somebody else's is nobody's drift."""

from __future__ import annotations

from collections.abc import Callable

import docker
import pytest

from tests.support.checks import look
from tests.support.engine import BASE_IMAGE
from tests.support.scenario import Shop, inside
from tests.support.waiting import eventually

pytestmark = [pytest.mark.engine, pytest.mark.e2e]

MIB = 1 << 20


def _remove(shop: Shop) -> None:
    shop.scope.api.remove_container(f"{shop.name}-web-1", force=True)


def _stop(shop: Shop) -> None:
    shop.scope.api.stop(f"{shop.name}-store-1", timeout=1)


def _update(shop: Shop) -> None:
    shop.scope.api.update_container(f"{shop.name}-web-1", mem_limit=64 * MIB, memswap_limit=64 * MIB)


def _disconnect(shop: Shop) -> None:
    shop.scope.api.disconnect_container_from_network(f"{shop.name}-store-1", f"{shop.name}_front")


def _rename(shop: Shop) -> None:
    shop.scope.api.rename(f"{shop.name}-store-1", f"{shop.name}-old")


def _runs(shop: Shop, service: str) -> bool:
    containers = shop.containers()
    name = f"{shop.name}-{service}-1"
    return name in containers and containers[name].running


def _memory(shop: Shop) -> int | None:
    """None for the moment in which the old one is gone and the new one has not got its name yet."""
    try:
        found = shop.scope.api.inspect_container(f"{shop.name}-web-1")
    except docker.errors.NotFound:
        return None
    return int(found["HostConfig"]["Memory"])


def _networks(shop: Shop) -> list[str]:
    found = shop.scope.api.inspect_container(f"{shop.name}-store-1")
    return list(found["NetworkSettings"]["Networks"])


@pytest.mark.parametrize(
    ("break_it", "words", "is_right"),
    [
        (
            _remove,
            ["web-1", "gone", "by `destroy`"],
            lambda shop: _runs(shop, "web") and shop.page() == "the first page",
        ),
        (_stop, ["store-1"], lambda shop: _runs(shop, "store")),
        (_update, ["web-1", "mem_limit", "64 MiB", "by `update`"], lambda shop: _memory(shop) == 0),
        (
            _rename,
            ["store-1", "container_name", "by `rename`"],
            lambda shop: _runs(shop, "store") and f"{shop.name}-old" not in shop.containers(),
        ),
        (_disconnect, ["store-1", "networks", "by `disconnect`"], lambda shop: f"{shop.name}_front" in _networks(shop)),
    ],
    ids=["rm -f", "stop", "update", "rename", "network disconnect"],
)
def test_a_live_edit_is_shown_and_put_right(
    shop: Shop, break_it: Callable[[Shop], None], words: list[str], is_right: Callable[[Shop], bool]
) -> None:
    data = shop.born()
    untouched = shop.container("web" if words[0] == "store-1" else "store")
    said = shop.controller.trimtab("suspend", shop.name, "--reason", "so that it can be seen")
    assert said.code == 0, said.text
    told = len(shop.controller.events(shop.name, "DriftDetected"))
    break_it(shop)
    shop.eventually_tells("DriftDetected", "not put right: suspended", times=1)
    eventually(lambda: len(shop.controller.events(shop.name, "DriftDetected")) > told, what="it is told")
    shown = shop.controller.trimtab("diff", shop.name)
    assert shown.code == 2, shown.text
    assert [word for word in words if word not in shown.out] == [], shown.out
    assert "left: suspended" in shown.out, shown.out

    told = len(shop.controller.events(shop.name, "DriftDetected"))
    assert shop.controller.trimtab("resume", shop.name).code == 0

    eventually(lambda: is_right(shop), what="it is put right")
    shop.eventually_settled()
    assert words[0] in shop.eventually_tells("DriftDetected", times=told + 1)[-1]
    assert untouched in shop.containers().values(), "nothing else was touched"
    assert shop.born() == data
    assert shop.controller.trimtab("diff", shop.name).code == 0


def test_drift_is_repaired_by_the_event_and_not_at_the_next_full_look(shop: Shop) -> None:
    """A full look comes every 5 minutes; this is over long before."""
    _stop(shop)
    eventually(lambda: _runs(shop, "store"), what="the store runs again", timeout_s=30)


def test_a_removed_network_comes_back_and_everybody_is_on_it_again(shop: Shop) -> None:
    """Also who was stopped: such a container keeps the id of the network that is gone, and cannot start with it."""
    api, network = shop.scope.api, f"{shop.name}_front"
    assert shop.controller.trimtab("suspend", shop.name).code == 0
    api.disconnect_container_from_network(f"{shop.name}-web-1", network, force=True)
    api.stop(f"{shop.name}-store-1", timeout=0)
    api.remove_network(network)
    assert shop.controller.trimtab("resume", shop.name).code == 0
    shop.eventually_settled()
    eventually(lambda: network in _networks(shop), what="the store is on its network again")
    eventually(lambda: shop.page() == "the first page", what="the page is served")


def test_somebody_elses_things_with_our_names_and_labels_are_never_touched(shop: Shop) -> None:
    api, name = shop.scope.api, shop.name
    ours = api.inspect_container(f"{name}-web-1")["Config"]["Labels"]
    network_labels = api.inspect_network(f"{name}_front")["Labels"]
    volume_labels = api.inspect_volume(f"{name}_data")["Labels"]
    run = shop.scope.labels
    twin = api.create_container(BASE_IMAGE, ["sleep", "86400"], name=f"{name}-web-2", labels={**ours, **run})
    api.start(twin["Id"])
    api.create_network(f"{name}_back", labels={**network_labels, **run})
    api.create_volume(f"{name}_cache", labels={**volume_labels, **run})
    theirs = (f"{name}-web-2", f"{name}_back", f"{name}_cache")

    def of_theirs() -> list[object]:
        there = look(shop.scope)
        return [there.containers.get(theirs[0]), there.networks.get(theirs[1]), there.volumes.get(theirs[2])]

    before = of_theirs()
    try:
        # A sync, a prune of a service, and the end of the application.
        shop.push_page("beside others")
        shop.eventually_serves("beside others")
        text = (shop.repo.path / "compose.yaml").read_text(encoding="utf-8")
        start, end = text.index("  store:"), text.index("networks: {front")
        shop.push({"compose.yaml": text[:start] + text[end:]}, "no store")
        eventually(lambda: f"{name}-store-1" not in shop.containers(), what="the store is pruned")
        assert of_theirs() == before
        shop.push({"compose.yaml": None}, "the end of it")
        eventually(lambda: set(shop.containers()) <= {theirs[0]}, what="the application is removed")
        eventually(lambda: f"{name}_front" not in look(shop.scope).networks, what="its network is removed")
        assert of_theirs() == before
        assert f"{name}_data" in look(shop.scope).volumes
    finally:
        api.remove_container(twin["Id"], force=True)
        api.remove_network(theirs[1])
        api.remove_volume(theirs[2])


def test_a_name_that_is_taken_is_said_and_its_holder_left_alone(shop: Shop) -> None:
    api = shop.scope.api
    holder = api.create_container(BASE_IMAGE, ["sleep", "86400"], name=f"{shop.name}-extra-1", labels=shop.scope.labels)
    try:
        extra = f"  extra: {{image: '{BASE_IMAGE}', command: [sleep, '86400'], init: true, stop_grace_period: 1s}}\n"
        shop.push(_with(shop, extra), "one more")
        shop.eventually_says(f"{shop.name}-extra-1")
        assert api.inspect_container(f"{shop.name}-extra-1")["Id"] == holder["Id"]
        assert not api.inspect_container(holder["Id"])["State"]["Running"]
    finally:
        api.remove_container(holder["Id"], force=True)
    eventually(lambda: f"{shop.name}-extra-1" in shop.containers(), what="its name is free and it is made")


def _with(shop: Shop, service: str) -> dict[str, str | bytes | None]:
    text = (shop.repo.path / "compose.yaml").read_text(encoding="utf-8")
    return {"compose.yaml": text.replace("\nnetworks: {front", f"\n{service}networks: {{front")}


def test_one_field_is_only_reported_and_another_of_the_same_container_is_repaired(shop: Shop) -> None:
    text = (shop.repo.path / "compose.yaml").read_text(encoding="utf-8")
    rule = "{kind: Container, name: web, jsonPointers: [/HostConfig/Memory, /HostConfig/MemorySwap], mode: report}"
    limits = "healthcheck: {test: [CMD, test, -e, /srv/well]"
    policy = f"x-trimtab: {{syncPolicy: {{drift: {{fields: [{rule}]}}}}}}\n"
    shop.push({"compose.yaml": policy + text.replace(limits, f"mem_limit: 96m\n    cpu_shares: 512\n    {limits}")})
    shop.eventually_settled()
    api, name = shop.scope.api, f"{shop.name}-web-1"
    untouched = shop.container("web")

    api.update_container(name, mem_limit=64 * MIB, memswap_limit=64 * MIB, cpu_shares=256)

    eventually(lambda: api.inspect_container(name)["HostConfig"]["CpuShares"] == 512, what="the shares are put right")
    shop.eventually_says("mem_limit is 64 MiB instead of 96 MiB", "reported")
    assert _memory(shop) == 64 * MIB
    assert shop.controller.status(shop.name)["sync"] == "OutOfSync"
    shop.eventually_tells("DriftDetected", "reported, not put right")
    shown = shop.controller.trimtab("diff", shop.name)
    assert shown.code == 2
    assert "reported, not put right" in shown.out, shown.out
    assert shop.controller.trimtab("sync", shop.name).code == 0
    shop.eventually_settled()
    assert _memory(shop) == 96 * MIB
    assert shop.container("web") == untouched, "all of it in place"


def test_a_field_that_is_fought_over_is_put_right_three_times_and_then_told_of(shop: Shop) -> None:
    # A version of its own: what other scenarios did to the first one does not count.
    shop.push(shop.edit("GREETING: hello", "GREETING: fought over"))
    shop.eventually_settled()
    for _ in range(3):
        _update(shop)
        eventually(lambda: _memory(shop) == 0, what="it is put right", timeout_s=30)
        shop.eventually_settled()
    (told,) = shop.eventually_tells("DriftContended", "mem_limit")[:1]
    assert "64 MiB" in told
    assert "by `update`" in told
    before = shop.controller.last_run()
    _update(shop)
    shop.eventually_says("put right several times and changed again")
    assert _memory(shop) == 64 * MIB
    assert shop.controller.steps(after_run=before) == []
    conditions = {c["type"] for c in shop.controller.status(shop.name)["conditions"]}
    assert "DriftContended" in conditions
    # Another field of it is not kept waiting.
    _stop(shop)
    eventually(lambda: _runs(shop, "store"), what="the store runs again", timeout_s=30)
    # And a person is served at once.
    assert shop.controller.trimtab("sync", shop.name).code == 0
    assert _memory(shop) == 0


def test_a_follower_of_a_restarted_container_is_restarted_into_its_network(shop: Shop) -> None:
    side = "  side: {{image: '{image}', command: [sleep, '86400'], init: true, network_mode: 'service:web'}}\n"
    shop.push(_with(shop, side.format(image=BASE_IMAGE)), "a follower")
    shop.eventually_settled()
    before, store = shop.container("side"), shop.container("store")
    shop.scope.api.restart(f"{shop.name}-web-1", timeout=1)

    def reaches() -> bool:
        now = shop.container("side")
        return now.started_at != before.started_at and "page" in inside(
            shop.scope, f"{shop.name}-side-1", "wget", "-qO-", "http://127.0.0.1:8080/index.html"
        )

    eventually(reaches, what="the follower is in the network of what runs now")
    assert shop.container("side").id == before.id
    assert shop.container("store") == store
