"""Characteristic edits, one by one: what happens, in which order, and with how little disturbance."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.support.rig import Rig, Services, shop
from tests.support.world import Script
from trimtab.backends.engine import steps
from trimtab.model.application import Application, IgnoreDifference
from trimtab.model.change import Disruption, Order, Reason, Verb
from trimtab.model.observed import RunState

CHECK = {"healthcheck": {"test": ["CMD", "true"]}}


def port(published: str) -> Mapping[str, object]:
    return {"ports": [{"target": 80, "published": published, "protocol": "tcp"}]}


def volume(name: str = "data") -> Mapping[str, object]:
    return {"volumes": [{"type": "volume", "source": name, "target": "/data"}]}


def edit(before: Application, after: Application, **scripts: Script) -> tuple[Rig, list[tuple[str, str, str]]]:
    """Deploy one, then the other; the changes of the second. It takes one pass and no more."""
    rig = Rig()
    rig.world.scripts.update(scripts)
    rig.converge(before)
    plan = rig.plan(after)
    ran = rig.run(plan, after)
    assert ran.errors == []
    assert rig.plan(after).nodes == ()
    assert rig.world.violations == []
    return rig, [(c.verb.value, c.name, c.reason.value) for c in plan.changes]


def names(rig: Rig) -> list[str]:
    return sorted(c.name for c in rig.world.containers.values() if c.up)


@pytest.mark.parametrize("condition", ["service_started", "service_healthy"])
@pytest.mark.parametrize("dependent", ["web", "api", None])
def test_services_that_swap_a_port_do_so_in_one_pass_whoever_depends_on_whom(
    dependent: str | None, condition: str
) -> None:
    def version(web: str, api: str) -> Application:
        services: dict[str, dict[str, object]] = {
            "web": {"image": "app:1", **CHECK, **port(web)},
            "api": {"image": "app:1", **CHECK, **port(api)},
        }
        if dependent:
            services[dependent]["depends_on"] = {"api" if dependent == "web" else "web": {"condition": condition}}
        return shop(services)

    rig, changes = edit(version("80", "81"), version("81", "80"))
    assert [verb for verb, *_ in changes] == ["replace", "replace"]
    assert names(rig) == ["shop-api-1", "shop-web-1"]


def test_a_port_goes_round_three_services_that_depend_on_each_other() -> None:
    def version(*ports: str) -> Application:
        order = ["a", "b", "c"]
        return shop(
            {
                name: {
                    "image": "app:1",
                    **CHECK,
                    **port(ports[n]),
                    "depends_on": {o: {"condition": "service_healthy"} for o in order[:n]},
                }
                for n, name in enumerate(order)
            }
        )

    edit(version("80", "81", "82"), version("81", "82", "80"))


def test_a_port_moves_to_the_service_whose_network_is_shared_from_then_on() -> None:
    before = shop({"proxy": {"image": "app:1"}, "web": {"image": "app:1", **port("80")}})
    after = shop(
        {"proxy": {"image": "app:1", **port("80")}, "web": {"image": "app:1", "network_mode": "service:proxy"}}
    )
    edit(before, after)
    edit(after, before)


def test_services_swap_fixed_addresses_without_a_restart() -> None:
    def version(web: str, api: str) -> Application:
        networks = {"net": {"name": "shop_net", "ipam": {"config": [{"subnet": "10.9.0.0/24"}]}}}
        services = {
            n: {"image": "app:1", "networks": {"net": {"ipv4_address": a}}} for n, a in (("web", web), ("api", api))
        }
        return shop(services, networks=networks)

    rig, changes = edit(version("10.9.0.2", "10.9.0.3"), version("10.9.0.3", "10.9.0.2"))
    assert {verb for verb, *_ in changes} == {"update"}
    assert all(c.starts == 1 for c in rig.world.containers.values())


def test_a_renamed_service_takes_over_port_volume_and_container_name() -> None:
    definition = {"image": "app:1", "container_name": "the-db", **port("5432"), **volume()}
    volumes = {"data": {"name": "shop_data"}}
    rig, changes = edit(shop({"db": definition}, volumes=volumes), shop({"database": definition}, volumes=volumes))
    assert [verb for verb, *_ in changes] == ["create", "remove"]
    assert names(rig) == ["the-db"]
    done = [type(s).__name__ for s in rig.world.performed]
    assert done.index("StopContainer") < len(done) - 1 - done[::-1].index("StartContainer")


def test_a_volume_has_one_writer_when_its_service_is_renamed() -> None:
    definition = {"image": "app:1", **volume()}
    volumes = {"data": {"name": "shop_data"}}
    rig = Rig()
    rig.converge(shop({"db": definition}, volumes=volumes))
    after = shop({"database": definition}, volumes=volumes)
    for step in range(20):
        rig.run(rig.plan(after), after, stop_after=step)
        writers = [c.name for c in rig.world.containers.values() if c.up and rig.world._written(c)]
        assert len(writers) <= 1


def test_another_container_name_is_another_container_and_stays_ours() -> None:
    before = shop({"web": {"image": "app:1", "network_mode": "none", "container_name": "old"}})
    after = shop({"web": {"image": "app:1", "network_mode": "none", "container_name": "new"}})
    rig, changes = edit(before, after)
    assert changes == [("replace", "new", "drift")]
    assert names(rig) == ["new"]


def test_services_swap_their_container_names() -> None:
    def version(web: str, api: str) -> Application:
        return shop({n: {"image": "app:1", "container_name": c, "user": n} for n, c in (("web", web), ("api", api))})

    rig, _ = edit(version("one", "two"), version("two", "one"))
    assert names(rig) == ["one", "two"]
    assert rig.world.named("one").spec["Config"]["User"] == "api"


def test_a_network_by_another_name_is_made_before_the_old_one_goes() -> None:
    def version(name: str) -> Application:
        return shop({"web": {"image": "app:1", **CHECK, "networks": {"net": None}}}, networks={"net": {"name": name}})

    rig, changes = edit(version("one"), version("two"))
    assert changes == [("update", "shop-web-1", "spec-changed"), ("create", "two", "spec-changed")]
    assert set(rig.world.networks) == {"two"}


def test_a_volume_by_another_name_is_another_volume_and_the_old_one_is_kept() -> None:
    def version(name: str) -> Application:
        return shop({"web": {"image": "app:1", **volume()}}, volumes={"data": {"name": name}})

    rig, changes = edit(version("one"), version("two"))
    assert changes[-1] == ("create", "two", "new")
    assert {"one", "two"} <= set(rig.world.volumes)
    assert rig.world.volumes["two"].labels
    kept = rig.plan(version("two")).changes
    assert [(c.verb, c.reason) for c in kept] == [(Verb.KEEP, Reason.PROTECTED)]


@pytest.mark.parametrize("section", ["volumes", "networks"])
def test_what_the_manifest_calls_otherwise_but_names_the_same_is_the_same(section: str) -> None:
    def version(key: str) -> Application:
        definition = {"name": "shared"}
        service = {"image": "app:1", **(volume(key) if section == "volumes" else {"networks": {key: None}})}
        return shop({"web": service}, **{section: {key: definition}})

    rig, changes = edit(version("a"), version("b"))
    assert changes == []
    assert rig.plan(version("b")).changes == ()


def test_a_network_that_leaves_git_lets_go_of_its_containers_whatever_its_name() -> None:
    before = shop(
        {"web": {"image": "app:1", "networks": {"a": None, "b": None}}},
        networks={"a": {"name": "x"}, "b": {"name": "corp"}},
    )
    after = shop({"web": {"image": "app:1", "networks": {"a": None}}}, networks={"a": {"name": "x"}})
    rig, changes = edit(before, after)
    assert ("remove", "corp", "not-in-git") in changes
    assert rig.world.named("shop-web-1").starts == 1


def test_a_network_definition_reconnects_without_a_restart_unless_others_use_it() -> None:
    def version(*, internal: bool) -> Application:
        services = {"web": {"image": "app:1", "networks": {"net": {"aliases": ["w"]}}}, "off": {"image": "app:1"}}
        return shop(services, networks={"net": {"name": "shop_net", "internal": internal}})

    rig, changes = edit(version(internal=False), version(internal=True))
    assert changes == [("update", "shop-web-1", "network-replaced"), ("replace", "shop_net", "spec-changed")]
    assert rig.world.named("shop-web-1").starts == 1
    stranger = rig.world.add_container("theirs", {}, Networks={"shop_net": {}})
    plan = rig.plan(version(internal=False))
    assert [(c.verb, c.reason) for c in plan.changes] == [(Verb.KEEP, Reason.SPEC_CHANGED)]
    assert stranger.name in plan.changes[0].detail


def test_a_volume_definition_that_differs_is_kept_for_a_person_to_decide() -> None:
    def version(**definition: object) -> Application:
        return shop({"web": {"image": "app:1", **volume()}}, volumes={"data": {"name": "shop_data", **definition}})

    _, changes = edit(version(), version(driver_opts={"type": "tmpfs"}))
    assert changes == [("keep", "shop_data", "immutable-data")]


def test_scaling_adds_and_removes_the_last_ones_only() -> None:
    def version(replicas: int) -> Application:
        return shop({"web": {"image": "app:1", "deploy": {"replicas": replicas}}})

    rig, changes = edit(version(1), version(3))
    assert changes == [("create", "shop-web-2", "new"), ("create", "shop-web-3", "new")]
    rig, changes = edit(version(3), version(1))
    assert changes == [("remove", "shop-web-2", "scaled-down"), ("remove", "shop-web-3", "scaled-down")]
    assert names(rig) == ["shop-web-1"]
    assert rig.world.named("shop-web-1").starts == 1


@pytest.mark.parametrize("extra", [{}, volume()], ids=["start-first", "stop-first"])
def test_a_rolling_replacement_keeps_replicas_up_at_every_step(extra: Mapping[str, object]) -> None:
    def version(image: str) -> Application:
        service = {"image": image, **CHECK, "deploy": {"replicas": 3}, **extra}
        return shop({"web": service}, volumes={"data": {"name": "shop_data"}} if extra else {})

    rig = Rig()
    rig.converge(version("app:1"))
    after = version("app:2")
    plan = rig.plan(after)
    order = Order.STOP_FIRST if extra else Order.START_FIRST
    assert {c.order for c in plan.changes if c.verb is Verb.REPLACE} == {order}
    for step in range(len(plan.nodes)):
        fresh = Rig()
        fresh.converge(version("app:1"))
        fresh.run(fresh.plan(after), after, stop_after=step, choose=max if step % 2 else min)
        assert sum(c.up for c in fresh.world.containers.values()) >= (2 if extra else 3)


def test_what_an_interrupted_sync_left_on_a_port_does_not_block_the_next_revision() -> None:
    before = shop({"web": {"image": "app:1", **CHECK}})
    middle = shop({"web": {"image": "app:2", **CHECK, **port("80")}})
    after = shop({"web": {"image": "app:3", **CHECK, **port("80")}})
    for last in (before, middle, after):
        for step in range(8):
            rig = Rig()
            rig.converge(before)
            rig.run(rig.plan(middle), middle, stop_after=step)
            rig.world.forget_events()
            assert rig.run(rig.plan(last), last).errors == []
            assert rig.plan(last).nodes == ()
            assert names(rig) == ["shop-web-1"]


def test_a_stopped_old_one_is_put_back_when_a_continued_replacement_fails() -> None:
    before = shop({"web": {"image": "app:1", **CHECK, **port("80")}})
    after = shop({"web": {"image": "bad:1", **CHECK, **port("80")}})
    rig = Rig()
    rig.world.scripts["app:1"] = Script(on_stop=1)
    rig.world.scripts["bad:1"] = Script(healthy=False)
    rig.converge(before)
    stop = next(n for n, node in enumerate(rig.plan(after).nodes) if isinstance(node.step, steps.StopContainer))
    rig.run(rig.plan(after), after, stop_after=stop)
    rig.world.forget_events()
    assert rig.run(rig.plan(after), after).errors
    assert rig.world.named("shop-web-1").spec["Config"]["Image"] == "app:1"
    assert names(rig) == ["shop-web-1"]


def test_sharing_a_network_or_volumes_is_carried_on_when_the_owner_is_replaced_even_after_a_kill() -> None:
    def version(image: str) -> Application:
        return shop(
            {
                "vpn": {"image": image, **CHECK},
                "web": {"image": "app:1", "network_mode": "service:vpn"},
                "log": {"image": "app:1", "volumes_from": ["vpn:ro"], "pid": "service:vpn"},
            }
        )

    after = version("app:2")
    rig = Rig()
    rig.converge(version("app:1"))
    count = len(rig.plan(after).nodes)
    for step in range(count):
        rig = Rig()
        rig.converge(version("app:1"))
        rig.run(rig.plan(after), after, stop_after=step)
        rig.world.forget_events()
        rig.converge(after)
        vpn = rig.world.named("shop-vpn-1").id
        assert rig.world.named("shop-web-1").spec["HostConfig"]["NetworkMode"] == f"container:{vpn}"
        assert rig.world.named("shop-log-1").spec["HostConfig"]["PidMode"] == f"container:{vpn}"


def test_a_dependent_that_asks_for_it_is_restarted_also_when_it_changes_in_place() -> None:
    def version(image: str, memory: str) -> Application:
        depends = {"db": {"condition": "service_started", "restart": True}}
        return shop({"db": {"image": image}, "web": {"image": "app:1", "mem_limit": memory, "depends_on": depends}})

    rig, changes = edit(version("app:1", "64m"), version("app:2", "128m"))
    assert ("update", "shop-web-1", "dependency-replaced") in changes
    assert rig.world.named("shop-web-1").starts == 2
    assert rig.world.named("shop-web-1").spec["HostConfig"]["Memory"] == 128 << 20


def test_what_ends_by_itself_can_be_replaced_and_is_not_started_again() -> None:
    def version(image: str) -> Application:
        return shop({"migrate": {"image": image, "network_mode": "none"}})

    rig, _ = edit(version("m:1"), version("m:2"), **{"m:1": Script(exits=0), "m:2": Script(exits=0)})
    assert rig.world.named("shop-migrate-1").starts == 1


LIMITED = {
    "image": "app:1",
    "mem_limit": "64m",
    "cpus": 0.5,
    "pids_limit": 50,
    "cpu_shares": 256,
    "restart": "always",
    "networks": {"net": {"aliases": ["w"]}},
}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Memory", 32 << 20), ("NanoCpus", 10**8), ("PidsLimit", 7), ("CpuShares", 2), ("CpusetCpus", "0"),
        ("RestartPolicy", {"Name": "no", "MaximumRetryCount": 0}), ("MemorySwap", 10 << 30),
    ],
)  # fmt: skip
def test_a_live_edit_of_a_field_is_put_right_in_place(field: str, value: object) -> None:
    app = shop({"web": LIMITED}, networks={"net": {"name": "shop_net"}})
    rig = Rig()
    rig.converge(app)
    web = rig.world.named("shop-web-1")
    was = web.spec["HostConfig"].get(field)
    web.spec["HostConfig"][field] = value
    plan = rig.plan(app)
    assert [(c.verb, c.reason) for c in plan.changes] == [
        (Verb.UPDATE if was or field == "MemorySwap" else Verb.REPLACE, Reason.DRIFT)
    ]
    assert [f.path for f in plan.changes[0].fields] == [f"/HostConfig/{field}"]
    assert rig.run(plan, app).errors == []
    assert rig.plan(app).changes == ()
    if was:
        assert rig.world.named("shop-web-1") is web
        assert web.spec["HostConfig"][field] == was
        assert web.starts == 1


def test_networks_that_were_joined_or_left_by_hand_are_put_right_in_place() -> None:
    app = shop({"web": LIMITED, "other": {"image": "app:1"}}, networks={"net": {"name": "shop_net"}})
    rig = Rig()
    rig.converge(app)
    web = rig.world.named("shop-web-1")
    del web.networks["shop_net"]
    web.networks["shop_default"] = {}
    plan = rig.plan(app)
    assert [(c.verb, c.disruption) for c in plan.changes] == [(Verb.UPDATE, Disruption.NONE)]
    rig.run(plan, app)
    assert set(web.networks) == {"shop_net"}
    web.networks["shop_net"] = {"Aliases": ["else"]}
    assert rig.converge(app) == 1
    assert web.networks["shop_net"]["Aliases"] == ["shop-web-1", "w", "web"]
    assert web.starts == 1


@pytest.mark.parametrize("status", [RunState.PAUSED, RunState.CREATED, RunState.DEAD, RunState.EXITED])
def test_a_container_in_the_wrong_state_runs_again(status: RunState) -> None:
    app = shop({"web": {"image": "app:1", **CHECK}})
    rig = Rig()
    rig.converge(app)
    web = rig.world.named("shop-web-1")
    rig.world.stop(web)
    web.status = status
    assert rig.converge(app) == 1
    assert names(rig) == ["shop-web-1"]
    assert (rig.world.named("shop-web-1") is web) == (status is not RunState.DEAD)


def test_what_crashed_by_itself_is_not_fought() -> None:
    app = shop({"web": {"image": "app:1"}})
    rig = Rig()
    rig.converge(app)
    rig.world.exit(rig.world.named("shop-web-1"), 3)
    assert rig.plan(app).changes == ()


def test_differences_that_are_ignored_are_left_alone() -> None:
    app = shop({"web": LIMITED}, networks={"net": {"name": "shop_net"}})
    rig = Rig()
    rig.converge(app)
    rig.world.named("shop-web-1").spec["HostConfig"]["Memory"] = 32 << 20
    for rule, count in (("/HostConfig/Memory", 0), ("/HostConfig", 0), ("/HostConfig/Mem", 1), ("/Config", 1)):
        ignore = IgnoreDifference(kind="Container", name="web", json_pointers=(rule,))
        assert len(rig.plan(app, ignore=(ignore,)).changes) == count
    assert len(rig.plan(app, ignore=(IgnoreDifference(kind="Network", json_pointers=("/HostConfig",)),)).changes) == 1


def test_without_prune_nothing_goes() -> None:
    services: Services = {"web": {"image": "app:1"}, "old": {"image": "app:1"}}
    rig = Rig()
    rig.converge(shop(services))
    plan = rig.plan(shop({"web": {"image": "app:1"}}), prune=False)
    assert plan.nodes == ()
    assert [(c.verb, "prune is off" in c.detail) for c in plan.changes] == [(Verb.KEEP, True)]


def test_a_limit_that_git_takes_away_needs_a_new_container_but_pids_and_restart_do_not() -> None:
    def version(*gone: str) -> Application:
        limited = {key: value for key, value in LIMITED.items() if key not in gone}
        return shop({"web": limited}, networks={"net": {"name": "shop_net"}})

    _, changes = edit(version(), version("mem_limit"))
    assert changes == [("replace", "shop-web-1", "spec-changed")]
    rig, changes = edit(version(), version("pids_limit", "restart"))
    assert changes == [("update", "shop-web-1", "spec-changed")]
    assert rig.world.named("shop-web-1").starts == 1
