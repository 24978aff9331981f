"""What of a plan's changes cannot be carried out, given what others hold on the host. Pure.

Ports, subnets and paths only: names are the diff's own business, images the registry's.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from trimtab.manifest.crossref import addresses_overlap
from trimtab.model.change import Change, Verb
from trimtab.model.desired import Resource
from trimtab.model.diagnostics import Diagnostic, Origin, Severity
from trimtab.model.keys import Kind
from trimtab.model.untyped import rows, section

_BEGINS = frozenset({Verb.CREATE, Verb.REPLACE})
_EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not bound to
# A container's own files are some 100 kB; what others write meanwhile is not known.
REPLACING_BYTES = 16 << 20
_FETCHES = frozenset({Verb.BUILD, Verb.PULL})


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPort:
    """A port of the host that a running container publishes; ``address`` "" is every address."""

    container: str
    handle: str
    address: str
    port: str
    protocol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldSubnet:
    """A stretch of addresses that a bridge network has."""

    network: str
    handle: str
    subnet: str


def held_ports(handle: str, name: str, inspect: Mapping[str, object]) -> Iterator[HeldPort]:
    """What one container publishes now, from its inspect or from its line in the list of containers."""
    state = inspect.get("State")
    running = state.get("Running") is True if isinstance(state, Mapping) else state in {"running", "paused"}
    if not running:
        return
    listed = inspect.get("Ports")
    for line in listed if isinstance(listed, list) else ():
        if line.get("PublicPort"):
            yield HeldPort(
                container=name,
                handle=handle,
                address=_any(str(line.get("IP") or "")),
                port=str(line["PublicPort"]),
                protocol=str(line.get("Type") or "tcp"),
            )
    for inner, bindings in sorted(section(section(inspect, "NetworkSettings"), "Ports").items()):
        for binding in rows(bindings):
            yield HeldPort(
                container=name,
                handle=handle,
                address=_any(str(binding.get("HostIp") or "")),
                port=str(binding.get("HostPort") or ""),
                protocol=str(inner).partition("/")[2] or "tcp",
            )


def held_subnets(handle: str, name: str, inspect: Mapping[str, object]) -> Iterator[HeldSubnet]:
    """The subnets of one bridge network."""
    ipam = inspect.get("IPAM")
    configs = ipam.get("Config") if isinstance(ipam, Mapping) else None
    if inspect.get("Driver") == "bridge":
        for config in configs or ():
            if config.get("Subnet"):
                yield HeldSubnet(network=name, handle=handle, subnet=str(config["Subnet"]))


def port_findings(changes: Sequence[Change], held: Iterable[HeldPort]) -> Iterator[Diagnostic]:
    """Ports that a container of ours is to publish, and that one which stays as it is has."""
    touched = _touched(changes)
    others = [port for port in held if port.handle not in touched]
    for change in changes:
        if change.verb not in _BEGINS or change.key.kind is not Kind.CONTAINER or change.after is None:
            continue
        for address, port, protocol in _published(change.after):
            holder = next(
                (
                    o
                    for o in others
                    if (o.port, o.protocol) == (port, protocol) and addresses_overlap(o.address, address)
                ),
                None,
            )
            if holder is not None:
                yield _finding(
                    "TT3013",
                    f"port {port}/{protocol} of the host, which {change.name} is to publish, is held by the container "
                    f"{holder.container}",
                    _place(change, "/HostConfig/PortBindings"),
                    f"stop {holder.container}, or publish another port",
                )


def subnet_findings(changes: Sequence[Change], held: Iterable[HeldSubnet]) -> Iterator[Diagnostic]:
    """Subnets that a network of ours is to have, and that overlap with those of one which stays as it is."""
    touched = _touched(changes)
    others = [subnet for subnet in held if subnet.handle not in touched]
    for change in changes:
        if change.verb not in _BEGINS or change.key.kind is not Kind.NETWORK or change.after is None:
            continue
        for wanted in _subnets(change.after):
            holder = next((other for other in others if _overlap(other.subnet, wanted)), None)
            if holder is not None:
                yield _finding(
                    "TT3014",
                    f"the subnet {wanted} of the network {change.name} overlaps with {holder.subnet} of the network "
                    f"{holder.network}",
                    _place(change, "/IPAM"),
                    "choose another subnet, or none and the engine finds one",
                )


def bind_findings(changes: Sequence[Change], exists: Callable[[str], bool]) -> Iterator[Diagnostic]:
    """Paths of the host that are to be mounted, are not there, and are not to be made."""
    for change in changes:
        if change.verb not in _BEGINS or change.key.kind is not Kind.CONTAINER or change.after is None:
            continue
        for target, mount in sorted(section(change.after.spec, "Mounts").items()):
            if not isinstance(mount, Mapping):
                continue
            source = str(mount.get("Source") or "")
            needed = mount.get("Type") == "bind" and source.startswith("/") and not mount.get("CreateMountpoint")
            if needed and not exists(source):
                yield _finding(
                    "TT3015",
                    f"{source}, which {change.name} is to mount, does not exist on the engine's host",
                    _place(change, f"/Mounts/{target.replace('~', '~0').replace('/', '~1')}"),
                    "make it there, or let the engine make it with bind.create_host_path",
                )


def disk_findings(
    changes: Sequence[Change], free_bytes: int | None, needed_bytes: int, where: str
) -> Iterator[Diagnostic]:
    """Too little room for images that are to be built or pulled, or to put one container in the place of another.

    Who stops a container first must not find out afterwards that nothing can be started any more, not even the old one.
    """
    if free_bytes is None or free_bytes >= needed_bytes:
        return
    fetched = [change for change in changes if change.verb in _FETCHES]
    replaced = [change for change in changes if change.verb is Verb.REPLACE and change.key.kind is Kind.CONTAINER]
    if replaced and not fetched and free_bytes < REPLACING_BYTES:
        yield _finding(
            "TT3016",
            f"{free_bytes >> 20} MiB are free in {where}, less than the {REPLACING_BYTES >> 20} MiB with which "
            f"{replaced[0].name} can be replaced, or be put back",
            replaced[0].origin or Origin(str(replaced[0].key)),
            "free space ('docker system df' shows what uses it); it goes on by itself then",
        )
    if not fetched:
        return
    yield _finding(
        "TT3016",
        f"{free_bytes >> 20} MiB are free in {where}, less than {needed_bytes >> 20} MiB, and {len(fetched)} "
        f"image{'s' if len(fetched) > 1 else ''} would be built or pulled",
        fetched[0].origin or Origin(str(fetched[0].key)),
        "free space ('docker system df' shows what uses it), or lower minFreeMib",
    )


def _touched(changes: Sequence[Change]) -> frozenset[str]:
    """Handles of what the plan takes away or replaces: what those hold will be free."""
    lives = [
        live
        for change in changes
        if change.verb in {Verb.REPLACE, Verb.DELETE, Verb.CREATE, Verb.UPDATE}
        for live in (change.before, change.staged, *change.extras)
        if live is not None
    ]
    return frozenset(live.handle for live in lives)


def _published(resource: Resource) -> Iterator[tuple[str, str, str]]:
    for inner, bindings in sorted(section(section(resource.spec, "HostConfig"), "PortBindings").items()):
        for binding in rows(bindings):
            port = str(binding.get("HostPort") or "")
            # A range means any free one of these; no number any free one at all.
            if port.isdecimal() and port != "0":
                yield _any(str(binding.get("HostIp") or "")), port, str(inner).partition("/")[2] or "tcp"


def _subnets(resource: Resource) -> Iterator[str]:
    if resource.spec.get("Driver") in {None, "", "bridge"}:
        for config in rows(section(resource.spec, "IPAM").get("Config")):
            if config.get("Subnet"):
                yield str(config["Subnet"])


def _any(address: str) -> str:
    return "" if address in _EVERYWHERE else address


def _overlap(one: str, other: str) -> bool:
    try:
        first, second = ipaddress.ip_network(one, strict=False), ipaddress.ip_network(other, strict=False)
    except ValueError:
        return False
    return first.version == second.version and first.overlaps(second)


def _place(change: Change, pointer: str) -> Origin:
    found = change.after.origin(pointer) if change.after is not None else None
    return found or change.origin or Origin(str(change.key))


def _finding(code: str, message: str, origin: Origin, hint: str) -> Diagnostic:
    return Diagnostic(severity=Severity.ERROR, code=code, message=message, origin=origin, hint=hint)
