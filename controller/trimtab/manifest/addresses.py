"""Services with a stable address, as two services: the one itself, and the proxy that has its name. Pure.

The proxy is a service like any other from here on: planned, shown, guarded, healed and removed like any other. It takes
over what a client can reach the service by: its names on every network, its fixed addresses, its published ports.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from trimtab.manifest.codes import Code
from trimtab.manifest.compose.ports import port_range
from trimtab.model import application as model
from trimtab.model.application import Address, ComposeProject, Fronts, Pointer, ServiceSettings
from trimtab.model.diagnostics import Diagnostic, Origin, Severity

Service = Mapping[str, object]
# What of a network's options is how others reach the service; the rest is how a container is attached.
_REACHED_BY = ("aliases", "ipv4_address", "ipv6_address")
_HINT = "leave out x-trimtab.rollout.address, or {}"


def address_name(service: str) -> str:
    """What the proxy's service is called."""
    return f"{service}-address"


def with_addresses(
    project: ComposeProject, settings: Mapping[str, ServiceSettings], jobs: Collection[str]
) -> tuple[ComposeProject, Mapping[str, ServiceSettings], tuple[Diagnostic, ...]]:
    """The project and its settings with the proxies in them; ``jobs`` are services that run at certain times only."""
    wanted = {name: own.rollout.address for name, own in sorted(settings.items()) if own.rollout.address is not None}
    if not wanted:
        return project, settings, ()
    problems = [found for name in wanted for found in _problems(project, name, settings[name], jobs)]
    if problems:
        return project, settings, tuple(problems)
    services = {name: _pointed(name, service, wanted) for name, service in project.services.items()}
    origins, own = dict(project.origins), dict(settings)
    for name, address in wanted.items():
        service, proxy = services[name], address_name(name)
        ports = tuple(sorted({*(address.ports or _exposed(service)), *_targets(service)}))
        services[name], services[proxy] = _behind(service), _proxy(name, service, address, ports)
        own[proxy] = ServiceSettings(wave=settings[name].wave, fronts=Fronts(service=name, ports=ports))
        origins.update(_places(project, name, proxy))
    return replace(project, services=services, origins=origins), own, ()


def _proxy(name: str, service: Service, address: Address, ports: tuple[int, ...]) -> Service:
    networks = {}
    for network, options in _networks(service).items():
        said = {option: value for option, value in options.items() if option in _REACHED_BY and value}
        networks[network] = {**said, "aliases": [name, *_list(said.get("aliases"))]}
    found: dict[str, object] = {
        "image": address.image,
        "networks": networks,
        "restart": "unless-stopped",
        "expose": [str(port) for port in ports],
    }
    for attribute in ("ports", "stop_grace_period", "pull_policy", "platform"):
        if service.get(attribute):
            found[attribute] = service[attribute]
    return found


def _behind(service: Service) -> Service:
    """The service without what the proxy has instead."""
    networks = {
        network: {option: value for option, value in options.items() if option not in _REACHED_BY} or None
        for network, options in _networks(service).items()
    }
    return {**{key: value for key, value in service.items() if key != "ports"}, "networks": networks}


def _pointed(own: str, service: Service, wanted: Mapping[str, Address]) -> Service:
    """Who leans on a service with an address, or is one, leans on its address as well."""
    found = dict(service)
    needs = dict(_mapping(service.get("depends_on")))
    if links := [_link(str(text), wanted) for text in _list(service.get("links"))]:
        found["links"] = links
    if addresses := [address_name(name) for name in wanted if name in needs or name == own]:
        for name in addresses:
            needs.setdefault(name, {"condition": "service_started", "required": True})
        found["depends_on"] = needs
    return found


def _link(text: str, wanted: Mapping[str, Address]) -> str:
    service, _, alias = text.partition(":")
    return f"{address_name(service)}:{alias or service}" if service in wanted else text


def _places(project: ComposeProject, name: str, proxy: str) -> Mapping[Pointer, Origin]:
    """Where the proxy's parts were written."""
    setting: Pointer = ("services", name, "x-trimtab", "rollout", "address")
    sources: dict[Pointer, Pointer] = {
        (): setting,
        ("image",): (*setting, "image"),
        ("networks",): ("services", name, "networks"),
        ("ports",): ("services", name, "ports"),
        ("expose",): (*setting, "ports"),
    }
    found = {target: project.origin(*source) for target, source in sources.items()}
    return {("services", proxy, *target): origin for target, origin in found.items() if origin is not None}


def _problems(
    project: ComposeProject, name: str, settings: ServiceSettings, jobs: Collection[str]
) -> Iterator[Diagnostic]:
    service, rollout = project.services[name], settings.rollout
    told = rollout.address.ports if rollout.address is not None else ()
    carried = [str(port) for port in (*_list(service.get("expose")), *_published(service))]
    udp = [port for port in carried if not port.endswith("/tcp") and "/" in port]
    why = fix = ""
    if address_name(name) in project.services:
        why, fix = f"there is a service {address_name(name)!r} already, as it would be called", "rename that service"
    elif service.get("network_mode"):
        why, fix = f"with network_mode {service['network_mode']} it has no name that others reach it by", "use networks"
    elif settings.hook is not None or name in jobs or str(_deploy(service).get("mode", "")).endswith("-job"):
        why, fix = "it runs once and ends, so nobody reaches it by its name", "leave out what makes it run once"
    elif rollout.alias is model.AliasFrom.WHEN_HEALTHY:
        why, fix = "'alias: when-healthy' gives its name to the containers, and the address has it", "leave out alias"
    elif udp:
        why, fix = f"port {udp[0]} is not TCP, and only TCP connections can be sent on", "leave that port out"
    elif not told and not _exposed(service) and not _targets(service):
        why, fix = "it says no port", "name the TCP ports: ports: [8080]"
    if why:
        message = f"the service '{name}' cannot have a stable address: {why}"
        origin = project.origin("services", name, "x-trimtab", "rollout", "address") or Origin("")
        yield Diagnostic(
            severity=Severity.ERROR,
            code=Code.NO_ADDRESS.value,
            message=message,
            origin=origin,
            hint=_HINT.format(fix),
        )


def _exposed(service: Service) -> tuple[int, ...]:
    found: set[int] = set()
    for text in _list(service.get("expose")):
        first, last = port_range(str(text).partition("/")[0])
        found.update(range(first, last + 1))
    return tuple(sorted(found))


def _targets(service: Service) -> tuple[int, ...]:
    return tuple(int(str(port["target"])) for port in _list(service.get("ports")) if isinstance(port, Mapping))


def _published(service: Service) -> list[str]:
    ports = [port for port in _list(service.get("ports")) if isinstance(port, Mapping)]
    return [f"{port.get('target')}/{port.get('protocol') or 'tcp'}" for port in ports]


def _networks(service: Service) -> Mapping[str, Mapping[str, object]]:
    found = _mapping(service.get("networks")) or {"default": None}
    return {network: _mapping(options) for network, options in found.items()}


def _deploy(service: Service) -> Mapping[str, object]:
    return _mapping(service.get("deploy"))


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> tuple[object, ...]:
    return tuple(value) if isinstance(value, list | tuple) else ()
