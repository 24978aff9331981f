"""How a container sits on its host: namespaces, privileges, name resolution, logging, published ports. Pure.

Source: Compose Specification 05-services; docker/compose pkg/compose/create.go (getCreateConfigs).
"""

from __future__ import annotations

from collections.abc import Mapping

from trimtab.backends.engine.render.writer import ServiceReader, SpecWriter

SERVICE_REF = "service:"


def write_host(writer: SpecWriter, names: Mapping[str, str]) -> None:
    """The fields of ``HostConfig`` that are neither resources, mounts nor networks.

    ``names`` maps services to the engine name of their first container.
    """
    reader = writer.reader
    for field, attribute in (("Privileged", "privileged"), ("ReadonlyRootfs", "read_only")):
        writer.put(f"/HostConfig/{field}", reader.flag(attribute), attribute)
    if reader.get("init") is not None:
        writer.put("/HostConfig/Init", reader.flag("init"), "init", keep_empty=True)
    for field, attribute in (("CapAdd", "cap_add"), ("CapDrop", "cap_drop")):
        capabilities = {cap.upper().removeprefix("CAP_") for cap in reader.texts(attribute)}
        writer.put(f"/HostConfig/{field}", sorted(capabilities), attribute)
    writer.put("/HostConfig/SecurityOpt", sorted(reader.texts("security_opt")), "security_opt")
    writer.put("/HostConfig/GroupAdd", sorted(reader.texts("group_add")), "group_add")
    for field, attribute in (
        ("PidMode", "pid"),
        ("IpcMode", "ipc"),
    ):
        mode = reader.text(attribute)
        writer.put(f"/HostConfig/{field}", namespace_ref(mode), attribute)
    for field, attribute in (
        ("UTSMode", "uts"),
        ("UsernsMode", "userns_mode"),
        ("CgroupnsMode", "cgroup"),
        ("Runtime", "runtime"),
        ("Isolation", "isolation"),
    ):
        writer.put(f"/HostConfig/{field}", reader.text(attribute), attribute)
    for field, attribute in (("Sysctls", "sysctls"), ("StorageOpt", "storage_opt"), ("Annotations", "annotations")):
        values = reader.mapping(attribute)
        writer.put(f"/HostConfig/{field}", {key: str(values[key]) for key in sorted(values)}, attribute)
    _write_names(writer)
    _write_logging(writer)
    _write_ports(writer)
    _write_volumes_from(writer, names)


def namespace_ref(mode: str) -> str:
    """``service:db`` as the spec writes a reference to a container of the application; others as they are."""
    return f"container:{mode}" if mode.startswith(SERVICE_REF) else mode


def _write_names(writer: SpecWriter) -> None:
    reader = writer.reader
    writer.put("/HostConfig/Dns", list(reader.texts("dns")), "dns")
    writer.put("/HostConfig/DnsSearch", list(reader.texts("dns_search")), "dns_search")
    writer.put("/HostConfig/DnsOptions", sorted(reader.texts("dns_opt")), "dns_opt")
    hosts = sorted(host.replace("=", ":", 1) for host in reader.texts("extra_hosts"))
    if not hosts:
        hosts = sorted(
            f"{host}:{address}"
            for host, addresses in reader.mapping("extra_hosts").items()
            for address in (addresses if isinstance(addresses, list | tuple) else (addresses,))
        )
    writer.put("/HostConfig/ExtraHosts", hosts, "extra_hosts")


def _write_logging(writer: SpecWriter) -> None:
    reader = writer.reader
    if not reader.mapping("logging"):
        return
    options = reader.mapping("logging", "options")
    config = {key: str(options[key]) for key in sorted(options)}
    driver = reader.text("logging", "driver")
    # Without a driver the engine's own is meant, whatever that is; the comparison leaves it open, too.
    named = {"Type": driver} if driver else {}
    writer.put("/HostConfig/LogConfig", {**named, "Config": config}, "logging")


def published(reader: ServiceReader) -> dict[str, list[dict[str, str]]]:
    """The engine's PortBindings of a service."""
    bindings: dict[str, list[dict[str, str]]] = {}
    for item in reader.items("ports"):
        if isinstance(item, Mapping):
            port = f"{item['target']}/{item.get('protocol') or 'tcp'}"
            binding = {"HostIp": str(item.get("host_ip") or ""), "HostPort": str(item.get("published") or "")}
            if binding not in bindings.setdefault(port, []):
                bindings[port].append(binding)
    return {port: sorted(bindings[port], key=lambda b: (b["HostIp"], b["HostPort"])) for port in sorted(bindings)}


def _write_ports(writer: SpecWriter) -> None:
    writer.put("/HostConfig/PortBindings", published(writer.reader), "ports")


def _write_volumes_from(writer: SpecWriter, names: Mapping[str, str]) -> None:
    sources = []
    for text in writer.reader.texts("volumes_from"):
        kind, _, rest = text.partition(":")
        if kind == "container":
            sources.append(rest if rest.endswith((":ro", ":rw")) else f"{rest}:rw")
            continue
        mode = rest or "rw"
        sources.append(f"{SERVICE_REF}{kind}:{mode}" if kind in names else f"{kind}:{mode}")
    writer.put("/HostConfig/VolumesFrom", sorted(sources), "volumes_from")
