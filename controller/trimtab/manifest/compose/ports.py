"""Published ports: "8080:80", "127.0.0.1::53/udp", "3000-3005" and the long form.

Source: Compose Specification, 05-services.md "ports".
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from typing_extensions import override

from trimtab.manifest.codes import Code
from trimtab.manifest.compose.scalars import NATURAL, PLAIN, TEXT
from trimtab.manifest.compose.shapes import Record, Report, Shape, Style, is_reset, mapping, text
from trimtab.manifest.nodes import MappingNode, Node, Scalar, SequenceNode

if TYPE_CHECKING:
    from collections.abc import Mapping

_RANGE = re.compile(r"([0-9]+)(?:-([0-9]+))?", re.ASCII)
_MAX_PORT = 65535
PROTOCOLS = ("tcp", "udp", "sctp")
_HINT = "write it as [HOST_IP:][HOST_PORT:]CONTAINER_PORT[/PROTOCOL], such as 127.0.0.1:8080:80/tcp"


def _defaults(node: MappingNode) -> Mapping[str, Node]:
    return {"mode": text("ingress", node), "protocol": text("tcp", node)}


_PORT = Record(
    {
        "name": PLAIN,
        "mode": PLAIN,
        "host_ip": PLAIN,
        "target": NATURAL,
        "published": TEXT,
        "protocol": PLAIN,
        "app_protocol": PLAIN,
    },
    defaults=_defaults,
)


class Ports(Shape):
    """The list of a service's ports; one short entry may become several."""

    @override
    def read(self, node: Node, where: str, report: Report) -> Node:
        if is_reset(node) or not isinstance(node, SequenceNode):
            return node
        found: list[Node] = []
        for i, item in enumerate(node.items):
            place = f"{where}[{i}]"
            if (
                isinstance(item, Scalar)
                and isinstance(item.value, str | int | float)
                and not isinstance(item.value, bool)
            ):
                found += self._short(item, place, report)
            else:
                found.append(_PORT.read(item, place, report))
        return replace(node, items=tuple(found))

    @override
    def complete(self, node: Node) -> Node:
        if not isinstance(node, SequenceNode):
            return node
        return replace(node, items=tuple(_PORT.complete(item) for item in node.items))

    @override
    def document(self, value: object, style: Style) -> object:
        return [_PORT.document(item, style) for item in value] if isinstance(value, list | tuple) else value

    def _short(self, item: Scalar, where: str, report: Report) -> list[Node]:
        try:
            return [mapping(entry, item) for entry in _expand(str(item.value), item)]
        except ValueError as error:
            report.error(Code.BAD_PORT, f"{where} is '{item.value}': {error}", item, _HINT)
            return [item]


def _expand(spec: str, at: Scalar) -> list[dict[str, Node]]:
    """The long forms of a short one.

    Raises:
        ValueError: it is malformed; the text says what is wrong.
    """
    address, host, container = _split(spec)
    container, _, protocol = container.partition("/")
    protocol = protocol.lower() or "tcp"
    if protocol not in PROTOCOLS:
        raise ValueError(f"'{protocol}' is not one of {', '.join(PROTOCOLS)}")
    first, last = port_range(container)
    host_first, host_last = port_range(host) if host else (0, 0)
    if host and last != first and last - first != host_last - host_first:
        raise ValueError(f"the ranges {host} and {container} differ in length")
    entries = []
    for offset in range(last - first + 1):
        entry: dict[str, Node] = {"mode": text("ingress", at)}
        if address:
            entry["host_ip"] = text(address, at)
        entry["target"] = text(first + offset, at)
        if host:
            # A range of host ports for one container port lets the engine choose one of them.
            choose = first == last and host_first != host_last
            entry["published"] = text(f"{host_first}-{host_last}" if choose else str(host_first + offset), at)
        entry["protocol"] = text(protocol, at)
        entries.append(entry)
    return sorted(entries, key=lambda entry: str(getattr(entry["target"], "value", "")))


def _split(spec: str) -> tuple[str, str, str]:
    parts = spec.rsplit(":", 2)
    address = parts[0] if len(parts) == 3 else ""
    host = parts[-2] if len(parts) > 1 else ""
    if address.startswith("[") and address.endswith("]"):
        address = address[1:-1]
    elif ":" in address:
        raise ValueError(f"the IPv6 address {address} is not in brackets")
    if address:
        try:
            ipaddress.ip_address(address)
        except ValueError:
            raise ValueError(f"'{address}' is not an IP address") from None
    return address, host, parts[-1]


def port_range(ports: str) -> tuple[int, int]:
    """The first and the last of "80" or "8000-8010".

    Raises:
        ValueError: it is no port or range of ports.
    """
    found = _RANGE.fullmatch(ports)
    if found is None:
        raise ValueError(f"'{ports}' is not a port or a range of ports" if ports else "no container port is given")
    first, last = int(found[1]), int(found[2] or found[1])
    if last > _MAX_PORT or first > _MAX_PORT:
        raise ValueError(f"ports end at {_MAX_PORT}")
    if last < first:
        raise ValueError(f"the range {ports} ends before it begins")
    return first, last
