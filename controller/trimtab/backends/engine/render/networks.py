"""Which networks a container is attached to, and how. Pure.

Source: Compose Specification 05-services (networks, network_mode, links); Engine API EndpointSettings.
"""

from __future__ import annotations

from collections.abc import Mapping

from trimtab.backends.engine.render.host import namespace_ref
from trimtab.backends.engine.render.writer import SpecWriter
from trimtab.model.untyped import mapping, members
from trimtab.plan.fielddiff import escape


def write_networks(
    writer: SpecWriter,
    container_name: str,
    network_names: Mapping[str, str],
    names: Mapping[str, str],
    *,
    named: bool = True,
) -> tuple[str, ...]:
    """``/Networks`` and ``/HostConfig/NetworkMode``; the model's names of the networks that are used.

    Not ``named``: another container has the service's name.
    """
    reader = writer.reader
    mode = reader.text("network_mode")
    links = _links(writer, names)
    if mode:
        # The engine's word for "bridge" on Linux.
        mode = "bridge" if mode == "default" else mode
        writer.put("/HostConfig/NetworkMode", namespace_ref(mode), "network_mode")
        writer.put("/HostConfig/Links", links, "links" if reader.get("links") else "external_links")
        return ()
    attached = reader.mapping("networks") or {"default": None}
    # The first one decides the default route; Compose orders by priority, then by name.
    ordered = sorted(attached, key=lambda name: (-_priority(attached[name]), name))
    for name in ordered:
        options = mapping(attached[name])
        aliases = {container_name, *([reader.name] if named else [])} | {
            str(a) for a in members(options.get("aliases"))
        }
        endpoint: dict[str, object] = {"Aliases": sorted(aliases)}
        for field, attribute in (
            ("IPv4Address", "ipv4_address"),
            ("IPv6Address", "ipv6_address"),
            ("MacAddress", "mac_address"),
        ):
            if options.get(attribute):
                endpoint[field] = str(options[attribute])
        if options.get("link_local_ips"):
            endpoint["LinkLocalIPs"] = sorted(str(a) for a in members(options["link_local_ips"]))
        driver_opts = dict(mapping(options.get("driver_opts")))
        if options.get("interface_name"):
            # Source: Engine API v1.49, com.docker.network.endpoint.ifname.
            driver_opts["com.docker.network.endpoint.ifname"] = str(options["interface_name"])
        if driver_opts:
            endpoint["DriverOpts"] = {str(k): str(v) for k, v in sorted(driver_opts.items())}
        if options.get("gw_priority"):
            endpoint["GwPriority"] = int(str(options["gw_priority"]))
        if links:
            endpoint["Links"] = links
        writer.put(f"/Networks/{escape(network_names.get(name, name))}", endpoint, "networks", name)
    writer.put("/HostConfig/NetworkMode", network_names.get(ordered[0], ordered[0]), "networks", ordered[0])
    return tuple(ordered)


def _links(writer: SpecWriter, names: Mapping[str, str]) -> list[str]:
    links = set()
    for text in writer.reader.texts("links"):
        service, _, alias = text.partition(":")
        links.add(f"{names.get(service, service)}:{alias or service}")
    for text in writer.reader.texts("external_links"):
        container, _, alias = text.partition(":")
        links.add(f"{container}:{alias or container}")
    return sorted(links)


def _priority(options: object) -> float:
    return float(str(options.get("priority") or 0)) if isinstance(options, Mapping) else 0.0
