"""What a plan runs into is found before it is begun: ports, subnets, paths, images, space; and nothing else is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.rig import Rig, application, project, shop
from trimtab.backends.engine import preflight_rules as rules
from trimtab.backends.engine.items import Item
from trimtab.backends.engine.preflight import EnginePreflight
from trimtab.errors import TrimtabError, UserError
from trimtab.model.application import Application
from trimtab.model.change import Change
from trimtab.model.diagnostics import Diagnostic
from trimtab.model.keys import Kind
from trimtab.model.observed import ObservedState

INSPECTED = {
    "State": {"Running": True},
    "NetworkSettings": {"Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "53/udp": None}},
}
LISTED = {"State": "running", "Ports": [{"IP": "0.0.0.0", "PublicPort": 8080, "PrivatePort": 80, "Type": "tcp"}]}


class Registry:
    """An ImageProbe that knows what it has not."""

    def __init__(self, *absent: str) -> None:
        self.absent, self.asked = absent, list[str]()

    def refusal(self, ref: str) -> TrimtabError | None:
        self.asked.append(ref)
        return UserError(f"{ref} does not exist", code="TT4202") if ref in self.absent else None


def changes(rig: Rig, app: Application) -> tuple[Change, ...]:
    return rig.plan(app).changes


def web(**more: object) -> Application:
    return shop({"web": {"image": "web:1", **more}})


def port(published: str = "8080", **more: object) -> list[Mapping[str, object]]:
    return [{"target": 80, "published": published, "protocol": "tcp", **more}]


@pytest.mark.parametrize("inspect", [INSPECTED, LISTED], ids=["inspect", "list"])
def test_a_port_that_a_foreign_container_holds_is_found_with_its_place(inspect: Mapping[str, object]) -> None:
    held = list(rules.held_ports("other", "blog", inspect))
    (found,) = rules.port_findings(changes(Rig(), web(ports=port())), held)
    assert found.code == "TT3013"
    assert "8080/tcp" in found.message
    assert "container blog" in found.message
    assert str(found.origin).startswith("compose.yaml:10")


@pytest.mark.parametrize(
    "ports",
    [
        port("8081"),
        port("8080-8090"),
        port(""),
        [{"target": 80, "published": "8080", "protocol": "udp"}],
    ],
    ids=["another", "range", "any", "udp"],
)
def test_a_port_that_is_free_or_may_be_another_is_none(ports: list[Mapping[str, object]]) -> None:
    held = list(rules.held_ports("other", "blog", INSPECTED))
    assert list(rules.port_findings(changes(Rig(), web(ports=ports)), held)) == []


def test_an_address_of_its_own_does_not_clash_with_another() -> None:
    inspect = {
        "State": {"Running": True},
        "NetworkSettings": {"Ports": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]}},
    }
    held = list(rules.held_ports("other", "blog", inspect))
    assert list(rules.port_findings(changes(Rig(), web(ports=port(host_ip="127.0.0.2"))), held)) == []
    assert list(rules.port_findings(changes(Rig(), web(ports=port(host_ip="127.0.0.1"))), held))
    assert list(rules.port_findings(changes(Rig(), web(ports=port())), held))


def test_a_stopped_container_holds_no_port() -> None:
    assert list(rules.held_ports("o", "blog", INSPECTED | {"State": {"Running": False}})) == []
    assert list(rules.held_ports("o", "blog", LISTED | {"State": "exited"})) == []


def test_a_port_that_this_very_plan_frees_is_free() -> None:
    rig = Rig()
    rig.world.images.clear()
    rig.converge(web(ports=port()))
    container = rig.world.named("shop-web-1")
    held = list(rules.held_ports(container.id, container.name, INSPECTED))
    moved = shop({"api": {"image": "web:1", "ports": port()}})
    assert list(rules.port_findings(changes(rig, moved), held)) == []


def networked(subnet: str) -> Application:
    networks = {"edge": {"name": "shop_edge", "ipam": {"config": [{"subnet": subnet}]}}}
    return application(project({"web": {"image": "web:1", "networks": {"edge": None}}}, networks=networks))


@pytest.mark.parametrize(
    ("subnet", "count"),
    [("10.9.0.0/16", 1), ("10.9.8.0/24", 1), ("10.8.0.0/14", 1), ("10.10.0.0/16", 0), ("fd00::/64", 0)],
)
def test_a_subnet_that_overlaps_is_found(subnet: str, count: int) -> None:
    other = {"Driver": "bridge", "IPAM": {"Config": [{"Subnet": "10.9.0.0/16"}]}}
    held = list(rules.held_subnets("other", "blog_default", other))
    found = list(rules.subnet_findings(changes(Rig(), networked(subnet)), held))
    assert [d.code for d in found] == ["TT3014"] * count


def test_a_path_that_is_not_there_is_found_unless_it_is_to_be_made() -> None:
    volumes = [
        {"type": "bind", "source": "/gone", "target": "/a"},
        {"type": "bind", "source": "/gone/too", "target": "/b", "bind": {"create_host_path": True}},
        {"type": "bind", "source": "/there", "target": "/c"},
    ]
    (found,) = rules.bind_findings(changes(Rig(), web(volumes=volumes)), lambda path: path == "/there")
    assert found.code == "TT3015"
    assert "/gone," in found.message


def test_little_space_matters_only_where_an_image_is_fetched() -> None:
    rig = Rig()
    fetching = changes(rig, web())
    assert [d.code for d in rules.disk_findings(fetching, 100 << 20, 512 << 20, "/var/lib/docker")] == ["TT3016"]
    assert list(rules.disk_findings(fetching, 600 << 20, 512 << 20, "/")) == []
    assert list(rules.disk_findings(fetching, None, 512 << 20, "/")) == []
    rig.converge(web())
    assert list(rules.disk_findings(changes(rig, web(mem_limit=64 << 20)), 0, 512 << 20, "/")) == []


def test_without_any_space_no_container_is_replaced_for_its_old_one_could_not_be_put_back() -> None:
    rig = Rig()
    rig.converge(web())
    replacing = changes(rig, web(environment={"A": "b"}))
    (found,) = rules.disk_findings(replacing, 3 << 20, 512 << 20, "/var/lib/docker")
    assert found.code == "TT3016"
    assert "shop-web-1" in found.message
    assert list(rules.disk_findings(replacing, 100 << 20, 512 << 20, "/")) == []
    # Who says that nothing has to be free has his way.
    assert list(rules.disk_findings(replacing, 3 << 20, 0, "/")) == []


def observed(rig: Rig, root: str = "/nowhere") -> ObservedState:
    state = rig.world.observe(images=["web:1", "api:1", "db:1"])
    return replace(state, facts=replace(state.facts, root_dir=root))


def findings(app: Application, registry: Registry, *items: Item, **more: object) -> tuple[Diagnostic, ...]:
    rig = Rig()
    settings = {"local": False, "min_free_bytes": 0} | more
    preflight = EnginePreflight(lambda: items, registry, **settings)  # type: ignore[arg-type]
    return preflight.findings(changes(rig, app), observed(rig))


def test_all_problems_are_told_at_once() -> None:
    app = shop(
        {
            "api": {"image": "api:1", "ports": port()},
            "db": {"image": "db:1", "ports": port("5432")},
            "web": {"image": "web:1"},
        }
    )
    blog = Item(kind=Kind.CONTAINER, handle="b", name="blog", key=None, inspect=INSPECTED)
    found = findings(app, Registry("db:1", "web:1"), blog)
    assert sorted(d.code for d in found) == ["TT3013", "TT4202", "TT4202"]
    assert all(d.origin.line for d in found)


def test_an_image_that_is_there_is_not_asked_for() -> None:
    rig, registry = Rig(), Registry("web:1")
    rig.converge(web())
    preflight = EnginePreflight(lambda: (), registry, local=False, min_free_bytes=0)
    app = web(pull_policy="always", environment={"A": "b"})
    assert preflight.findings(changes(rig, app), observed(rig)) == ()
    assert registry.asked == []


def test_the_disk_is_looked_at_only_where_the_engines_files_can_be_seen(tmp_path: Path) -> None:
    rig = Rig()
    plan = changes(rig, web())
    for local, made, count in ((True, False, 0), (False, True, 0), (True, True, 1)):
        if made:
            (tmp_path / "containers").mkdir(exist_ok=True)
        preflight = EnginePreflight(lambda: (), Registry(), local=local, min_free_bytes=1 << 60)
        found = preflight.findings(plan, observed(rig, str(tmp_path)))
        assert [d.code for d in found] == ["TT3016"] * count
