"""Attributes that must fit together: what excludes, repeats or contradicts something else in one model.

Most of it is what the Compose tools refuse as well; port clashes, container names used twice and
fixed host ports of scaled services are found here before an engine would stumble over them.
"""

from __future__ import annotations

import ipaddress
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from trimtab.manifest.codes import Code
from trimtab.manifest.compose.ports import port_range
from trimtab.manifest.compose.references import error, key, mappings, plain, section, texts
from trimtab.manifest.nodes import MappingNode, Node, SequenceNode
from trimtab.model.diagnostics import Diagnostic, Severity

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

_ANY_V4, _ANY_V6 = "0.0.0.0", "::"  # noqa: S104 - compared with, not listened on
# The old place of a limit, its place under deploy.resources, and how it is told.
_TWICE = (
    ("cpus", ("limits", "cpus")),
    ("mem_limit", ("limits", "memory")),
    ("mem_reservation", ("reservations", "memory")),
    ("pids_limit", ("limits", "pids")),
)
_TEST_WORDS = ("CMD", "CMD-SHELL", "NONE")
_CONTENT = {"configs": ("file", "environment", "content"), "secrets": ("file", "environment")}
_EXTERNAL_KEEPS = ("name", "external")


def check_consistency(model: MappingNode, enabled: Collection[str] | None = None) -> list[Diagnostic]:
    """Everything in a canonical model that cannot be meant together."""
    services = {
        name: service
        for name, service in sorted(section(model, "services").items())
        if enabled is None or name in enabled
    }
    found = list(_resources(model))
    for name, service in services.items():
        where = f"services.{name}"
        found += _image(where, service, key(model.items["services"], name))
        found += _network_mode(where, service)
        found += _healthcheck(where, service)
        found += _resource_limits(where, service)
        found += _scale(where, service)
        found += _mounts(where, service)
        found += _sources(where, service)
        found += _device_requests(where, service)
        found += _addresses(where, service)
        found += _watch(where, service)
    return found + list(_container_names(services)) + list(_port_clashes(services))


def _image(where: str, service: MappingNode, at: Node) -> Iterator[Diagnostic]:
    build = service.items.get("build")
    if not isinstance(build, MappingNode):
        # A service that still has `extends` could not be extended, which is reported there.
        if not plain(service, "image") and not {"provider", "extends"} & set(service.items):
            yield error(Code.NO_IMAGE, f"{where} has neither an image nor a build", at, "add `image:` or `build:`")
        return
    if plain(build, "dockerfile_inline") and plain(build, "dockerfile"):
        message = f"{where}.build has both dockerfile and dockerfile_inline"
        yield error(Code.EXCLUSIVE, message, build.items["dockerfile_inline"], "leave one out")
    platforms = [str(item.value) for item in texts(build.items.get("platforms"))]
    platform = plain(service, "platform")
    if platform and platforms and platform not in platforms:
        message = f"{where}.platform is '{platform}', which {where}.build.platforms lacks"
        yield error(Code.CONFLICTING_VALUES, message, service.items["platform"], f"add it to {where}.build.platforms")


def _network_mode(where: str, service: MappingNode) -> Iterator[Diagnostic]:
    networks = service.items.get("networks")
    if plain(service, "network_mode") and isinstance(networks, MappingNode) and networks.items:
        message = f"{where} has both network_mode and networks"
        yield error(Code.EXCLUSIVE, message, service.items["network_mode"], "leave one out")


def _healthcheck(where: str, service: MappingNode) -> Iterator[Diagnostic]:
    check = service.items.get("healthcheck")
    test = check.items.get("test") if isinstance(check, MappingNode) else None
    if isinstance(test, SequenceNode) and test.items and plain(test.items[0]) not in _TEST_WORDS:
        message = f"{where}.healthcheck.test starts with '{plain(test.items[0])}'"
        yield error(Code.WRONG_VALUE, message, test.items[0], f"start it with one of {', '.join(_TEST_WORDS)}")


def _resource_limits(where: str, service: MappingNode) -> Iterator[Diagnostic]:
    for old, (group, new) in _TWICE:
        first = plain(service, old)
        limits = _below(service, "deploy", "resources", group)
        # A group that is there without the attribute counts as 0, as for the Compose tools.
        if first and first != "0" and isinstance(limits, MappingNode) and plain(limits, new) != first:
            message = f"{where}.{old} and {where}.deploy.resources.{group}.{new} differ"
            yield error(Code.CONFLICTING_VALUES, message, service.items[old], f"leave out {old}, or set both alike")


def _scale(where: str, service: MappingNode) -> Iterator[Diagnostic]:
    scale, replicas = plain(service, "scale"), plain(service, "deploy", "replicas")
    if isinstance(scale, int) and isinstance(replicas, int) and scale != replicas:
        message = f"{where}.scale is {scale} and {where}.deploy.replicas is {replicas}"
        yield error(Code.CONFLICTING_VALUES, message, service.items["scale"], "leave one out")
    for name, count, at in (
        ("scale", scale, service.items.get("scale")),
        ("deploy.replicas", replicas, _below(service, "deploy", "replicas")),
    ):
        if isinstance(count, int) and count < 0 and at is not None:
            yield error(Code.OUT_OF_RANGE, f"{where}.{name} is {count}; it must be at least 0", at)
    count = scale if isinstance(scale, int) else replicas
    if not isinstance(count, int) or count <= 1:
        return
    if plain(service, "container_name"):
        message = f"{where} has container_name and {count} replicas, but a name belongs to one container"
        yield error(Code.NOT_SCALABLE, message, service.items["container_name"], "leave out container_name")
    fronted = isinstance(_below(service, "x-trimtab", "rollout", "address"), MappingNode)
    for port in _published(where, service) if not fronted else ():
        if port.last - port.first + 1 < count:
            message = f"{where} publishes the host port {port.text} and has {count} replicas"
            hint = f"publish a range of {count} ports, or leave the choice to the engine"
            yield error(Code.NOT_SCALABLE, message, port.at, hint)


def _mounts(where: str, service: MappingNode) -> Iterator[Diagnostic]:
    seen: dict[str, str] = {}
    targets: list[tuple[str, Node, str]] = [
        (str(item.value).partition(":")[0], item, f"{where}.tmpfs[{i}]")
        for i, item in enumerate(texts(service.items.get("tmpfs")))
    ]
    for i, mount in enumerate(mappings(service.items.get("volumes"))):
        target, source = plain(mount, "target"), plain(mount, "source")
        if target:
            targets.append((str(target), mount, f"{where}.volumes[{i}]"))
        else:
            message = f"{where}.volumes[{i}] has no target"
            yield error(Code.MISSING_ATTRIBUTE, message, mount, "add `target:`, a path in the container")
        if plain(mount, "type") == "bind" and not source:
            message = f"{where}.volumes[{i}] is a bind mount without a source"
            yield error(Code.MISSING_ATTRIBUTE, message, mount, "add `source:`, a path of the repository or the host")
    for target, at, place in targets:
        if target in seen:
            yield error(
                Code.DUPLICATE_MOUNT, f"{place} mounts at {target}, as {seen[target]} does", at, "leave one out"
            )
        seen.setdefault(target, place)


def _sources(where: str, service: MappingNode) -> Iterator[Diagnostic]:
    for kind in ("configs", "secrets"):
        for i, mount in enumerate(mappings(service.items.get(kind))):
            if not plain(mount, "source"):
                message = f"{where}.{kind}[{i}] has no source"
                yield error(Code.MISSING_ATTRIBUTE, message, mount, f"add `source:`, a name of the top-level `{kind}:`")
    for i, device in enumerate(mappings(service.items.get("devices"))):
        if "source" in device.items and not plain(device, "target"):
            message = f"{where}.devices[{i}] has no target"
            yield error(Code.MISSING_ATTRIBUTE, message, device, "add `target:`, a path in the container")


def _device_requests(where: str, service: MappingNode) -> Iterator[Diagnostic]:
    place = f"{where}.deploy.resources.reservations.devices"
    requests = [(item, place) for item in mappings(_below(service, *place.split(".")[2:]))]
    requests += [(item, f"{where}.gpus") for item in mappings(service.items.get("gpus"))]
    for request, place in requests:
        if "count" in request.items and "device_ids" in request.items:
            message = f"{place} asks for a count and for device_ids"
            yield error(Code.EXCLUSIVE, message, request.items["count"], "leave one out")


def _addresses(where: str, service: MappingNode) -> Iterator[Diagnostic]:
    for i, port in enumerate(mappings(service.items.get("ports"))):
        yield from _address(port, "host_ip", f"{where}.ports[{i}]")
        if "target" not in port.items:
            message = f"{where}.ports[{i}] has no target"
            yield error(Code.MISSING_ATTRIBUTE, message, port, "add `target:`, a port of the container")
        published = port.items.get("published")
        try:
            if published is not None and plain(published):
                port_range(str(plain(published)))
        except ValueError as problem:
            yield error(Code.BAD_PORT, f"{where}.ports[{i}].published: {problem}", published or port)
    networks = service.items.get("networks")
    for name, endpoint in networks.items.items() if isinstance(networks, MappingNode) else ():
        for attribute in ("ipv4_address", "ipv6_address"):
            yield from _address(endpoint, attribute, f"{where}.networks.{name}")


def _address(node: Node, attribute: str, where: str) -> Iterator[Diagnostic]:
    value = plain(node, attribute)
    if not isinstance(node, MappingNode) or not isinstance(value, str):
        return
    try:
        ipaddress.ip_address(value)
    except ValueError:
        message = f"{where}.{attribute} is '{value}', which is not an IP address"
        yield error(Code.BAD_ADDRESS, message, node.items[attribute])


def _watch(where: str, service: MappingNode) -> Iterator[Diagnostic]:
    for i, watch in enumerate(mappings(_below(service, "develop", "watch"))):
        action, place = plain(watch, "action"), f"{where}.develop.watch[{i}]"
        if plain(watch, "path") == "":
            yield error(Code.WRONG_VALUE, f"{place}.path is empty", watch.items["path"])
        if action and action not in ("rebuild", "restart") and not plain(watch, "target"):
            message = f"{place} has no target, which '{action}' needs"
            yield error(Code.MISSING_ATTRIBUTE, message, watch, "add `target:`, a path in the container")


def _container_names(services: Mapping[str, MappingNode]) -> Iterator[Diagnostic]:
    seen: dict[object, str] = {}
    for name, service in services.items():
        given = plain(service, "container_name")
        if given and given in seen:
            message = f"services.{name} and services.{seen[given]} have the same container_name '{given}'"
            yield error(Code.DUPLICATE_CONTAINER_NAME, message, service.items["container_name"], "leave one out")
        elif given:
            seen[given] = name


class _Published(NamedTuple):
    """Host ports that one entry asks for."""

    where: str
    at: Node
    address: str
    protocol: str
    first: int
    last: int
    text: str


def _published(where: str, service: MappingNode) -> Iterator[_Published]:
    for i, port in enumerate(mappings(service.items.get("ports"))):
        text = str(plain(port, "published") or "")
        try:
            first, last = port_range(text) if text else (0, 0)
        except ValueError:
            continue  # reported by _addresses
        if first:
            protocol = str(plain(port, "protocol") or "tcp")
            address = str(plain(port, "host_ip") or "")
            yield _Published(f"{where}.ports[{i}]", port, address, protocol, first, last, text)


def _port_clashes(services: Mapping[str, MappingNode]) -> Iterator[Diagnostic]:
    by_port: dict[tuple[str, int], list[_Published]] = {}
    for name, service in services.items():
        for port in _published(f"services.{name}", service):
            # From a range the engine takes one that is free; only a single port can clash for certain.
            if port.first == port.last:
                by_port.setdefault((port.protocol, port.first), []).append(port)
    for (protocol, number), ports in sorted(by_port.items()):
        for first, second in combinations(ports, 2):
            if _overlap(first.address, second.address):
                message = f"{second.where} publishes the host port {number}/{protocol}, as {first.where} does"
                yield error(Code.PORT_CLASH, message, second.at, "publish another host port, or on another host_ip")
                break


def _overlap(one: str, other: str) -> bool:
    """Whether two host addresses can both be asked for one port; "" is every address."""
    if one == other or not one or not other:
        return True
    return any(
        pair[0] == anything and (":" in pair[1]) == (anything == _ANY_V6)
        for pair in ((one, other), (other, one))
        for anything in (_ANY_V4, _ANY_V6)
    )


def _resources(model: MappingNode) -> Iterator[Diagnostic]:
    for kind, sources in _CONTENT.items():
        for name, resource in sorted(section(model, kind, nulls=True).items()):
            yield from _content(f"{kind}.{name}", resource, sources)
    for name, volume in sorted(section(model, "volumes").items()):
        yield from _external(f"volumes.{name}", volume, Severity.ERROR)
    # The Compose tools let these pass, and then use none of the attributes.
    for kind in ("networks", "configs", "secrets"):
        for name, resource in sorted(section(model, kind).items()):
            yield from _external(f"{kind}.{name}", resource, Severity.WARNING)


def _content(where: str, resource: MappingNode, sources: tuple[str, ...]) -> Iterator[Diagnostic]:
    given = [source for source in sources if source in resource.items]
    choice = ", ".join(f"`{source}`" for source in sources)
    if len(given) > 1:
        message = f"{where} has {' and '.join(given)}, but content comes from one place"
        yield error(Code.CONTENT_SOURCE, message, resource.items[given[1]], "leave one out")
    elif not given and "driver" not in resource.items and plain(resource, "external") is not True:
        yield error(Code.CONTENT_SOURCE, f"{where} does not say where its content is", resource, f"add one of {choice}")


def _external(where: str, resource: MappingNode, severity: Severity) -> Iterator[Diagnostic]:
    if plain(resource, "external") is not True:
        return
    for name in resource.items:
        if name not in _EXTERNAL_KEEPS and not name.startswith("x-"):
            yield Diagnostic(
                severity=severity,
                code=Code.EXTERNAL_CONFLICT,
                message=f"{where} is external, so its attribute '{name}' has no effect",
                origin=resource.key_origin(name),
                hint=f"leave out {name}, or `external`",
                length=len(name),
            )


def _below(node: Node, *path: str) -> Node | None:
    found: Node | None = node
    for name in path:
        found = found.items.get(name) if isinstance(found, MappingNode) else None
    return found
