"""``HostConfig``: what was asked for, and what the engine fills in where nothing was. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from trimtab.backends.engine.normalise.names import Names, reference, volumes_from
from trimtab.model.observed import EngineFacts
from trimtab.model.untyped import integer, mapping, members, plain, texts

Fields = dict[str, object]


# Kept when they say something; nothing, zero, false and empty are the engine's way to say "not set".
_PLAIN = (
    "AutoRemove", "BlkioWeight", "CgroupParent", "CpuPeriod", "CpuQuota", "CpuRealtimePeriod", "CpuRealtimeRuntime",
    "CpuShares", "CpusetCpus", "CpusetMems", "KernelMemory", "Memory", "MemoryReservation", "NanoCpus",
    "OomKillDisable",
    "OomScoreAdj", "Privileged", "PublishAllPorts", "ReadonlyRootfs", "UTSMode", "UsernsMode", "VolumeDriver",
)  # fmt: skip


# Mappings of text, in which an empty value says something.
_TEXTS = ("Annotations", "StorageOpt", "Sysctls", "Tmpfs")


_IN_ORDER = ("Dns", "DnsSearch", "DeviceRequests")


_SORTED = ("DeviceCgroupRules", "DnsOptions", "ExtraHosts", "GroupAdd")


# Lists of objects, in the order of one of their members.
_BY_MEMBER = {
    "BlkioDeviceReadBps": "Path",
    "BlkioDeviceReadIOps": "Path",
    "BlkioDeviceWriteBps": "Path",
    "BlkioDeviceWriteIOps": "Path",
    "BlkioWeightDevice": "Path",
    "Devices": "PathInContainer",
}


# Source: moby opts/opts.go DefaultShmSize, 64 MiB.
_DEFAULT_SHM = 64 * 1024 * 1024


def normalise_host(host: Mapping[str, object], facts: EngineFacts, names: Names, mode: str) -> tuple[Fields, Fields]:
    """(fields, inherited) of a container's ``HostConfig``, without its mounts."""
    fields, given = _chosen(host, facts)
    fields |= _asked(host)
    fields["NetworkMode"] = mode
    if mode == "bridge":
        given["NetworkMode"] = mode
    if pid := str(host.get("PidMode") or ""):
        fields["PidMode"] = reference(pid, names)
    if ipc := str(host.get("IpcMode") or ""):
        fields["IpcMode"] = reference(ipc, names)
        # The engine's default-ipc-mode is one of these two.
        if ipc in {"private", "shareable"}:
            given["IpcMode"] = ipc
    if sources := members(host.get("VolumesFrom")):
        fields["VolumesFrom"] = sorted(volumes_from(str(source), names) for source in sources)
    return fields, given


def _chosen(host: Mapping[str, object], facts: EngineFacts) -> tuple[Fields, Fields]:
    """What the engine fills in where nothing is asked for, and with what."""
    memory = integer(host.get("Memory"))
    swap = host.get("MemorySwap")
    defaults: Fields = {
        # Source: moby daemon_unix.go: twice the memory, or unlimited where the kernel cannot limit it.
        "MemorySwap": swap if swap == -1 else 2 * memory,
        "ShmSize": _DEFAULT_SHM,
        "Runtime": facts.default_runtime,
        "CgroupnsMode": "host" if facts.cgroup_version == "1" else "private",
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
        "LogConfig": {"Type": facts.log_driver, "Config": {}},
    }
    found: Fields = {name: host.get(name) for name in ("MemorySwap", "ShmSize", "Runtime", "CgroupnsMode")}
    found["RestartPolicy"] = _policy(mapping(host.get("RestartPolicy")))
    if log := mapping(host.get("LogConfig")):
        found["LogConfig"] = {"Type": str(log.get("Type") or ""), "Config": texts(log.get("Config"))}
    fields = {name: value for name, value in found.items() if value}
    return fields, {name: value for name, value in fields.items() if value == defaults[name]}


def _asked(host: Mapping[str, object]) -> Fields:
    """What is only there because somebody asked for it."""
    fields: Fields = {name: plain(host[name]) for name in _PLAIN if host.get(name)}
    fields |= {name: [plain(item) for item in members(host[name])] for name in _IN_ORDER if host.get(name)}
    fields |= {name: sorted(str(item) for item in members(host[name])) for name in _SORTED if host.get(name)}
    fields |= {name: texts(host[name]) for name in _TEXTS if host.get(name)}
    for name, member in _BY_MEMBER.items():
        if found := members(host.get(name)):
            fields[name] = [plain(item) for item in sorted(found, key=lambda item: str(mapping(item).get(member)))]
    fields |= {
        name: sorted(str(item).upper().removeprefix("CAP_") for item in members(host[name]))
        for name in ("CapAdd", "CapDrop")
        if host.get(name)
    }
    for name, nothing in (
        ("Init", ()),
        ("PidsLimit", (0, -1)),
        ("MemorySwappiness", (-1,)),
        ("Isolation", ("", "default")),
    ):
        value = host.get(name)
        if value is not None and value not in nothing:
            fields[name] = value
    # Given as name:alias, told as /name:/own-name/alias.
    links = [":".join(end.rpartition("/")[2] for end in str(link).split(":")) for link in members(host.get("Links"))]
    if links:
        fields["Links"] = sorted(links)
    if limits := members(host.get("Ulimits")):
        fields["Ulimits"] = _ulimits(limits)
    if bindings := _ports(mapping(host.get("PortBindings"))):
        fields["PortBindings"] = bindings
    if options := _security(host):
        fields["SecurityOpt"] = options
    return fields


def _ulimits(limits: list[object]) -> Fields:
    by_name = {str(mapping(limit).get("Name")): mapping(limit) for limit in limits}
    return {
        name: {"Soft": by_name[name].get("Soft", 0), "Hard": by_name[name].get("Hard", 0)} for name in sorted(by_name)
    }


def _security(host: Mapping[str, object]) -> list[str]:
    options = sorted(str(option) for option in members(host.get("SecurityOpt")))
    # Clients turn this option into empty lists of paths; null lists belong to privileged containers.
    if host.get("MaskedPaths") == [] and host.get("ReadonlyPaths") == []:
        options = sorted([*options, "systempaths=unconfined"])
    # Source: moby daemon/create.go, generateSecurityOpt: for these the engine itself switches labelling off.
    if host.get("Privileged") or "host" in {host.get("PidMode"), host.get("IpcMode")}:
        options = [option for option in options if option != "label=disable"]
    return options


def _policy(policy: Mapping[str, object]) -> Fields:
    return {"Name": str(policy.get("Name") or "no"), "MaximumRetryCount": integer(policy.get("MaximumRetryCount"))}


def _ports(bindings: Mapping[str, object]) -> Fields:
    out: Fields = {}
    for port in sorted(bindings):
        hosts = [
            {"HostIp": str(mapping(b).get("HostIp") or ""), "HostPort": str(mapping(b).get("HostPort") or "")}
            for b in members(bindings[port])
        ]
        if hosts:
            out[str(port)] = sorted(hosts, key=lambda b: (b["HostIp"], b["HostPort"]))
    return out
