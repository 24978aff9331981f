"""Containers, networks and volumes as one compose file. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from trimtab.backends.engine.describe.secrets import Variables
from trimtab.backends.engine.describe.service import ServiceWriter
from trimtab.model.keys import Kind, ResourceKey
from trimtab.model.observed import Live
from trimtab.model.untyped import members, section

_SECTIONS = {Kind.NETWORK: "networks", Kind.VOLUME: "volumes"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is not in the objects themselves.

    ``external``: networks and volumes that others use as well, by section and the file's name for them, with the
    engine's. ``depends_on`` by service, in the words of Compose's label: ``db:service_healthy:true,...``.
    """

    external: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    depends_on: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A compose file as data, its secret variables, the places that they stand in, and what it cannot say."""

    document: Mapping[str, object]
    variables: Variables
    notes: tuple[str, ...]


def describe(project: str, live: Mapping[ResourceKey, tuple[Live, ...]], around: Surroundings) -> Described:
    """The file from which the same containers would be made. A service's first container speaks for all of it."""
    variables = Variables()
    tops, names = _tops(project, live, around, variables)
    services: dict[str, object] = {}
    notes: list[str] = []
    containers = {
        key.name: tuple(one for other in sorted(live) if _same_service(key, other) for one in live[other])
        for key in sorted(live)
        if key.kind is Kind.CONTAINER
    }
    for service, ones in containers.items():
        writer = ServiceWriter(ones[0], service, variables, names)
        out = writer.write()
        notes += writer.notes
        if len(ones) > 1:
            deploy = out.get("deploy")
            out["deploy"] = {"replicas": len(ones), **(deploy if isinstance(deploy, Mapping) else {})}
        elif ones[0].name != f"{project}-{service}-1":
            out = {"container_name": ones[0].name, **out}
        if needs := _depends_on(around.depends_on.get(service, ""), containers):
            out["depends_on"] = needs
        services[service] = out
    document: dict[str, object] = {"name": project, "services": services}
    for kind, found in tops.items():
        # The default network is there without being said.
        said = {name: definition for name, definition in sorted(found.items()) if name != "default" or definition}
        if said:
            document[kind] = said
    return Described(document=document, variables=variables, notes=tuple(notes))


def _same_service(one: ResourceKey, other: ResourceKey) -> bool:
    return (one.kind, one.name) == (other.kind, other.name)


def _tops(
    project: str, live: Mapping[ResourceKey, tuple[Live, ...]], around: Surroundings, variables: Variables
) -> tuple[dict[str, dict[str, object]], dict[str, dict[str, str]]]:
    """The sections of networks and volumes, and what the file calls them by the engine's names."""
    names: dict[str, dict[str, str]] = {"networks": {}, "volumes": {}}
    tops: dict[str, dict[str, object]] = {"networks": {}, "volumes": {}}
    for kind, external in sorted(around.external.items()):
        names[kind] |= {engine: own for own, engine in external.items()}
        tops[kind] |= {own: {"name": engine, "external": True} for own, engine in sorted(external.items())}
    static = _static_networks(live)
    for key in sorted(live):
        kind = _SECTIONS.get(key.kind, "")
        for one in live[key] if kind else ():
            names[kind][one.name] = key.name
            definition = _top(one, kind, variables, pools=one.name in static)
            named = {"name": one.name} if one.name != f"{project}_{key.name}" else {}
            tops[kind][key.name] = {**named, **definition} or None
    return tops, names


def _static_networks(live: Mapping[ResourceKey, tuple[Live, ...]]) -> frozenset[str]:
    """Networks in which a container has an address of its own choice: those need their address pools said."""
    return frozenset(
        network
        for key, lives in live.items()
        if key.kind is Kind.CONTAINER
        for one in lives
        for network, endpoint in section(one.fields, "Networks").items()
        if isinstance(endpoint, Mapping) and (endpoint.get("IPv4Address") or endpoint.get("IPv6Address"))
    )


def _top(live: Live, kind: str, variables: Variables, *, pools: bool) -> dict[str, object]:
    fields = live.fields
    out: dict[str, object] = {}
    if fields.get("Driver") not in {None, "bridge" if kind == "networks" else "local"}:
        out["driver"] = fields["Driver"]
    given = section(live.inherited, "Options")
    options = {
        name: value
        for part in ("Options", "DriverOpts")
        for name, value in section(fields, part).items()
        if given.get(name) != value
    }
    place = f"{kind}.{live.key.name}.driver_opts"
    if options:
        # Options of volumes hold passwords of shares among others: "o: username=u,password=p".
        hidden = {n: "driver_opts_secret" if "pass" in str(v).lower() else n for n, v in options.items()}
        out["driver_opts"] = {n: variables.text(place, hidden[n], str(options[n])) for n in sorted(options)}
    for flag, attribute in (("Internal", "internal"), ("Attachable", "attachable"), ("EnableIPv6", "enable_ipv6")):
        if fields.get(flag):
            out[attribute] = True
    if fields.get("EnableIPv4") is False:
        out["enable_ipv4"] = False
    if ipam := _ipam(section(fields, "IPAM"), pools=pools or bool(fields.get("EnableIPv6"))):
        out["ipam"] = ipam
    labels = section(fields, "Labels")
    if labels:
        out["labels"] = {n: variables.text(f"{kind}.{live.key.name}.labels", n, str(labels[n])) for n in sorted(labels)}
    return out


def _ipam(ipam: Mapping[str, object], *, pools: bool) -> dict[str, object]:
    out: dict[str, object] = {}
    if ipam.get("Driver"):
        out["driver"] = ipam["Driver"]
    if pools:
        words = {"Subnet": "subnet", "IPRange": "ip_range", "Gateway": "gateway", "AuxiliaryAddresses": "aux_addresses"}
        out["config"] = [
            {words[name]: pool[name] for name in words if name in pool}
            for pool in members(ipam.get("Config"))
            if isinstance(pool, Mapping)
        ]
    if ipam.get("Options"):
        out["options"] = ipam["Options"]
    return {name: value for name, value in out.items() if value}


def _depends_on(label: str, services: Mapping[str, object]) -> dict[str, object]:
    """Source: docker/compose pkg/api/labels.go, DependenciesLabel: service:condition:restart, separated by commas."""
    needs: dict[str, object] = {}
    for text in label.split(","):
        service, _, rest = text.partition(":")
        condition, _, restart = rest.partition(":")
        if service in services:
            options: dict[str, object] = {"condition": condition or "service_started"}
            needs[service] = {**options, "restart": True} if restart == "true" else options
    return needs
