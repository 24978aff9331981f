"""Hypothesis strategies: compose models in their long form, and pairs of revisions of one."""

# ruff: noqa: C901, PLR0912 - choices, one after another; splitting them would hide how they depend on each other

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

from tests.support.rig import application, project
from trimtab.model.application import Application

NAMES = ("api", "db", "web", "worker")
PORTS = ("8080", "8081", "8082")
VOLUMES = ("data", "uploads")
NETWORKS = ("back", "front")
IMAGES = ("app:1", "app:2")
CHECK = {"test": ["CMD", "true"], "interval": "1s"}

Service = dict[str, Any]
_mib = st.sampled_from(["64m", "128m"])


def _optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Service]:
    return st.fixed_dictionaries({}, optional=fields)


def in_place() -> st.SearchStrategy[Service]:
    """Attributes that a running container can take over."""
    return _optional(
        mem_limit=_mib,
        cpus=st.sampled_from([0.5, 1]),
        cpu_shares=st.sampled_from([256, 512]),
        pids_limit=st.sampled_from([50, 100]),
        restart=st.sampled_from(["always", "on-failure:3", "no"]),
    )


def plain() -> st.SearchStrategy[Service]:
    """Attributes that need a new container."""
    return _optional(
        environment=st.dictionaries(st.sampled_from(["A", "B", "PASSWORD"]), st.sampled_from(["1", "two"]), min_size=1),
        command=st.sampled_from([["sleep", "600"], ["serve"]]),
        user=st.sampled_from(["1000", "nobody"]),
        labels=st.dictionaries(st.sampled_from(["team", "tier"]), st.sampled_from(["a", "b"]), min_size=1),
        init=st.booleans(),
        read_only=st.sampled_from([True]),
        stop_grace_period=st.sampled_from(["1s", "2m"]),
        expose=st.just(["9000"]),
        post_start=st.just([{"command": ["true"]}]),
        pre_stop=st.just([{"command": ["true"]}]),
    )


def _updating() -> st.SearchStrategy[Service]:
    return _optional(
        parallelism=st.integers(0, 2),
        delay=st.sampled_from(["1s", "1m"]),
        monitor=st.just("5s"),
        failure_action=st.sampled_from(["pause", "continue", "rollback"]),
        max_failure_ratio=st.sampled_from([0, 0.3, 1]),
    )


@st.composite
def _service(draw: st.DrawFn, before: tuple[str, ...], jobs: frozenset[str], ports: list[str], *, job: bool) -> Service:
    service: Service = {"image": draw(st.sampled_from(IMAGES)), **draw(in_place()), **draw(plain())}
    if job:
        service["image"] = "job:1"
        for attribute in ("post_start", "restart", "expose"):
            service.pop(attribute, None)
    else:
        if draw(st.booleans()):
            service["healthcheck"] = dict(CHECK)
        if draw(st.integers(0, 3)) == 0:
            service["deploy"] = {"replicas": draw(st.integers(0, 3))}
            if draw(st.booleans()):
                service["deploy"]["update_config"] = {
                    "order": draw(st.sampled_from(["start-first", "stop-first"])),
                    **draw(_updating()),
                }
    if draw(st.booleans()):
        service["volumes"] = [
            {
                "type": "volume",
                "source": name,
                "target": f"/{name}",
                **({"read_only": True} if draw(st.booleans()) else {}),
            }
            for name in draw(st.lists(st.sampled_from(VOLUMES), unique=True, min_size=1))
        ]
    if any(not mount.get("read_only") for mount in service.get("volumes", ())):
        # To start first is then to have two writers, which only a manifest that says so gets.
        service.get("deploy", {}).get("update_config", {}).pop("order", None)
    servers = [name for name in before if name not in jobs]
    depends = {}
    for other in draw(st.lists(st.sampled_from(before), unique=True)) if before else []:
        conditions = ["service_completed_successfully"] if other in jobs else ["service_started", "service_started"]
        depends[other] = {
            "condition": draw(st.sampled_from(conditions)),
            "restart": draw(st.booleans()),
            "required": True,
        }
    if depends:
        service["depends_on"] = depends
    mode = draw(st.integers(0, 7))
    if servers and mode == 0:
        service["network_mode"] = f"service:{draw(st.sampled_from(servers))}"
    elif mode == 1:
        service["network_mode"] = "none"
    else:
        if draw(st.booleans()):
            service["networks"] = {
                name: draw(st.sampled_from([None, {"aliases": ["other"]}]))
                for name in draw(st.lists(st.sampled_from(NETWORKS), unique=True, min_size=1))
            }
        replicas = service.get("deploy", {}).get("replicas", 1)
        if ports and not job and replicas == 1 and draw(st.booleans()):
            port = ports.pop(draw(st.integers(0, len(ports) - 1)))
            service["ports"] = [{"target": 80, "published": port, "protocol": "tcp", "mode": "ingress"}]
    if servers and draw(st.integers(0, 5)) == 0:
        service["volumes_from"] = [f"{draw(st.sampled_from(servers))}:ro"]
    if draw(st.integers(0, 4)) == 0:
        service["secrets"] = [{"source": "token", "target": "/run/secrets/token"}]
    return service


@st.composite
def services(draw: st.DrawFn) -> dict[str, Service]:
    """One to four services; each depends on earlier ones only. A dependency that must be healthy has a check."""
    names = draw(st.permutations(NAMES))[: draw(st.integers(1, len(NAMES)))]
    ports = list(PORTS)
    found: dict[str, Service] = {}
    jobs: set[str] = set()
    for place, name in enumerate(names):
        job = draw(st.integers(0, 5)) == 0
        found[name] = draw(_service(tuple(names[:place]), frozenset(jobs), ports, job=job))
        if job:
            jobs.add(name)
    _repair(found)
    for service in found.values():
        for other, options in service.get("depends_on", {}).items():
            if "healthcheck" in found[other] and options["condition"] == "service_started" and draw(st.booleans()):
                options["condition"] = "service_healthy"
    return found


def _repair(found: dict[str, Service]) -> None:
    """A service whose namespace or volumes others share has exactly one container, and is there."""
    for name in sorted(found):
        service = found[name]
        for mode in [service.get("network_mode", "")]:
            parent = mode.removeprefix("service:")
            if mode.startswith("service:") and parent not in found:
                del service["network_mode"]
            elif mode.startswith("service:"):
                found[parent].pop("deploy", None)
        sources = [s for s in service.get("volumes_from", []) if s.partition(":")[0] in found]
        for source in sources:
            found[source.partition(":")[0]].pop("deploy", None)
        service.pop("volumes_from", None)
        if sources:
            service["volumes_from"] = sources
        depends = {k: v for k, v in service.get("depends_on", {}).items() if k in found}
        service.pop("depends_on", None)
        if depends:
            service["depends_on"] = depends
    for service in found.values():
        for other, options in service.get("depends_on", {}).items():
            if options["condition"] == "service_healthy" and "healthcheck" not in found[other]:
                options["condition"] = "service_started"
            if options["condition"] == "service_completed_successfully" and found[other]["image"] != "job:1":
                options["condition"] = "service_started"
    taken: set[str] = set()
    for name in sorted(found):
        for port in found[name].get("ports", []):
            if port["published"] in taken:
                del found[name]["ports"]
            taken.add(port["published"])


def app_of(
    found: Mapping[str, Service], *, networks: Mapping[str, Any] | None = None, token: str = "swordfish"
) -> Application:
    """The services as an application, with every section that they refer to."""
    used_volumes = {v["source"] for s in found.values() for v in s.get("volumes", ())}
    used_networks = {n for s in found.values() for n in s.get("networks") or {}}
    definitions = {
        name: {"name": f"shop_{name}", **((networks or {}).get(name) or {})} for name in sorted(used_networks)
    }
    secrets = {"token": {"content": token}} if any("secrets" in s for s in found.values()) else {}
    return application(
        project(
            found,
            networks=definitions,
            volumes={name: {"name": f"shop_{name}"} for name in sorted(used_volumes)},
            secrets=secrets,
        )
    )


def applications() -> st.SearchStrategy[Application]:
    return services().map(app_of)


@st.composite
def edits(draw: st.DrawFn) -> tuple[Application, Application]:
    """Two revisions: unrelated, or the second made from the first by one to three small edits."""
    first = draw(services())
    if draw(st.integers(0, 3)) == 0:
        return app_of(first), app_of(draw(services()))
    second = deepcopy(first)
    networks: dict[str, Any] = {}
    for _ in range(draw(st.integers(1, 3))):
        _edit(draw, second, networks)
    _repair(second)
    return app_of(first), app_of(second, networks=networks, token=draw(st.sampled_from(["swordfish", "changed"])))


def _edit(draw: st.DrawFn, found: dict[str, Service], networks: dict[str, Any]) -> None:
    name = draw(st.sampled_from(sorted(found)))
    service = found[name]
    job = service["image"] == "job:1"
    match draw(st.integers(0, 9)):
        case 0 if not job:
            service["image"] = "app:3"
        case 1:
            service.update(draw(in_place()) if not job else {})
        case 2:
            service["environment"] = {"C": draw(st.sampled_from(["1", "2"]))}
        case 3 if len(found) > 1:
            del found[name]
        case 4 if "deploy" in service:
            service["deploy"]["replicas"] = draw(st.integers(0, 4))
            if service["deploy"]["replicas"] != 1:
                service.pop("ports", None)
        case 5:
            networks[draw(st.sampled_from(NETWORKS))] = {"internal": True}
        case 6:
            # Whoever has a port gives it to the next one.
            holders = [n for n in sorted(found) if found[n].get("ports")]
            ports = [found[n]["ports"] for n in holders]
            for n, given in zip(holders, ports[1:] + ports[:1], strict=True):
                found[n]["ports"] = given
        case 7 if service.get("ports"):
            heirs = [
                n
                for n in sorted(found)
                if n != name
                and "network_mode" not in found[n]
                and found[n]["image"] != "job:1"
                and found[n].get("deploy", {}).get("replicas", 1) == 1
                and not found[n].get("ports")
            ]
            if heirs:
                found[draw(st.sampled_from(heirs))]["ports"] = service.pop("ports")
        case 8 if "network_mode" not in service:
            service["networks"] = {draw(st.sampled_from(NETWORKS)): {"aliases": [draw(st.sampled_from(["x", "y"]))]}}
        case _:
            for key in draw(
                st.lists(st.sampled_from(["mem_limit", "healthcheck", "volumes", "pids_limit", "command"]), max_size=2)
            ):
                service.pop(key, None)
