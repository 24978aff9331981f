"""What ``inspect`` says, in the shape of a spec: without what the engine allocates, fills in or reorders. Pure.

Two mappings of the same shape come out: ``fields``, what the engine has; ``inherited``, what it would have had
without us: the image's own settings, and values that the engine chose (an address, a runtime, a swap limit).
So a value that nobody asked for is no drift, and one that somebody asked for is still compared.

Source: moby daemon/commit.go (merge) for images, daemon/daemon_unix.go (adaptContainerSettings) for defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from trimtab.backends.engine.labels import COMPOSE_PREFIX, PREFIX, user_labels
from trimtab.backends.engine.normalise_mounts import normalise_mounts
from trimtab.model.observed import EngineFacts

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
_FILLED_IN = ("com.docker.network.enable_ipv4", "com.docker.network.enable_ipv6")
# Network modes in which the engine itself lists a network of that name.
_BUILT_IN = ("bridge", "default", "host", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """How ids read in a spec: containers of the application by id and name, content volumes with their mount points."""

    services: Mapping[str, str] = field(default_factory=dict)
    contents: Mapping[str, str] = field(default_factory=dict)
    networks: Mapping[str, str] = field(default_factory=dict)


def normalise_container(
    inspect: Mapping[str, object], image: Mapping[str, object] | None, *, names: Names, facts: EngineFacts
) -> tuple[Fields, Fields]:
    """(fields, inherited) of one container; ``image`` is its image's inspect, None when the image is gone."""
    config, host = _map(inspect.get("Config")), _map(inspect.get("HostConfig"))
    image_config = _map((image or {}).get("Config"))
    mode = _network_mode(host, names)
    own_config, image_given = _config(config, image_config, host, str(inspect.get("Id") or ""), mode)
    own_host, engine_given = _host(host, facts, names, mode)
    mounts, mounts_given = normalise_mounts(inspect, image_config, names.contents, facts.root_dir)
    networks, networks_given = _networks(inspect, own_config, image_given, mode)
    parts = {"Config": own_config, "HostConfig": own_host, "Mounts": mounts, "Networks": networks}
    given = {"Config": image_given, "HostConfig": engine_given, "Mounts": mounts_given, "Networks": networks_given}
    return {k: v for k, v in parts.items() if v}, {k: v for k, v in given.items() if v}


def normalise_network(inspect: Mapping[str, object]) -> tuple[Fields, Fields]:
    """(fields, inherited) of one network; its subnet counts as the engine's choice as well."""
    fields: Fields = {}
    given: Fields = {}
    driver = str(inspect.get("Driver") or "bridge")
    fields["Driver"] = driver
    if driver == "bridge":
        given["Driver"] = driver
    for flag in ("Internal", "Attachable", "EnableIPv6"):
        if inspect.get(flag):
            fields[flag] = True
    if inspect.get("EnableIPv4") is False:
        fields["EnableIPv4"] = False
    if options := _texts(inspect.get("Options")):
        fields["Options"] = options
        # Source: moby 27+, libnetwork fills these in for every bridge network.
        if chosen := {
            k: v
            for k, v in options.items()
            if k in {"com.docker.network.enable_ipv4", "com.docker.network.enable_ipv6"}
        }:
            given["Options"] = chosen
    if ipam := _ipam(_map(inspect.get("IPAM"))):
        fields["IPAM"] = ipam
        if pools := ipam.get("Config"):
            given["IPAM"] = {"Config": pools}
    if labels := user_labels(_texts(inspect.get("Labels"))):
        fields["Labels"] = labels
    return fields, given


def normalise_volume(inspect: Mapping[str, object]) -> tuple[Fields, Fields]:
    """(fields, inherited) of one volume."""
    driver = str(inspect.get("Driver") or "local")
    fields: Fields = {"Driver": driver}
    given: Fields = {"Driver": driver} if driver == "local" else {}
    if options := _texts(inspect.get("Options")):
        fields["DriverOpts"] = options
    if labels := user_labels(_texts(inspect.get("Labels"))):
        fields["Labels"] = labels
    return fields, given


def _ipam(ipam: Mapping[str, object]) -> Fields:
    out: Fields = {}
    if (driver := str(ipam.get("Driver") or "default")) != "default":
        out["Driver"] = driver
    pools = []
    for pool in _list(ipam.get("Config")):
        entry: Fields = {k: str(v) for k in ("Subnet", "IPRange", "Gateway") if (v := _map(pool).get(k))}
        # create takes AuxiliaryAddresses, inspect answers with AuxiliaryAddresses or AuxAddress by version.
        if auxiliary := _texts(_map(pool).get("AuxiliaryAddresses") or _map(pool).get("AuxAddress")):
            entry["AuxiliaryAddresses"] = auxiliary
        if entry:
            pools.append(entry)
    if pools:
        out["Config"] = pools
    if options := _texts(ipam.get("Options")):
        out["Options"] = options
    return out


def _config(
    config: Mapping[str, object], image: Mapping[str, object], host: Mapping[str, object], container_id: str, mode: str
) -> tuple[Fields, Fields]:
    given = _image_part(image)
    fields = _image_part(config)
    fields["Image"] = str(config.get("Image") or "")
    for name in ("Domainname", "MacAddress", "StopTimeout", "Tty", "OpenStdin"):
        if (value := config.get(name)) or (name == "StopTimeout" and value is not None):
            fields[name] = value
    hostname = str(config.get("Hostname") or "")
    borrowed = mode == "host" or mode.startswith("container:") or host.get("UTSMode") == "host"
    if hostname and hostname != container_id[:12]:
        fields["Hostname"] = hostname
        if borrowed:
            given["Hostname"] = hostname
            if "Domainname" in fields:
                given["Domainname"] = fields["Domainname"]
    published = sorted(_map(host.get("PortBindings")))
    if published:
        given["ExposedPorts"] = sorted({*published, *_strings(given.get("ExposedPorts"))})
    return fields, given


def _image_part(config: Mapping[str, object]) -> Fields:
    """What a container's and an image's config have in common."""
    fields: Fields = {}
    env = dict(str(entry).partition("=")[::2] for entry in _list(config.get("Env")))
    if env:
        fields["Env"] = {name: env[name] for name in sorted(env)}
    for name in ("Cmd", "Entrypoint"):
        if parts := _list(config.get(name)):
            fields[name] = [str(part) for part in parts]
    labels = {k: v for k, v in _texts(config.get("Labels")).items() if not k.startswith((PREFIX, COMPOSE_PREFIX))}
    if labels:
        fields["Labels"] = labels
    if ports := _map(config.get("ExposedPorts")):
        fields["ExposedPorts"] = sorted(str(port) for port in ports)
    for name in ("User", "WorkingDir", "StopSignal"):
        if value := config.get(name):
            fields[name] = str(value)
    if check := {name: value for name, value in sorted(_map(config.get("Healthcheck")).items()) if value}:
        fields["Healthcheck"] = check
    return fields


def _host(host: Mapping[str, object], facts: EngineFacts, names: Names, mode: str) -> tuple[Fields, Fields]:
    fields, given = _chosen(host, facts)
    fields |= _asked(host)
    fields["NetworkMode"] = mode
    if mode == "bridge":
        given["NetworkMode"] = mode
    if pid := str(host.get("PidMode") or ""):
        fields["PidMode"] = _reference(pid, names)
    if ipc := str(host.get("IpcMode") or ""):
        fields["IpcMode"] = _reference(ipc, names)
        # The engine's default-ipc-mode is one of these two.
        if ipc in {"private", "shareable"}:
            given["IpcMode"] = ipc
    if sources := _list(host.get("VolumesFrom")):
        fields["VolumesFrom"] = sorted(_volumes_from(str(source), names) for source in sources)
    return fields, given


def _chosen(host: Mapping[str, object], facts: EngineFacts) -> tuple[Fields, Fields]:
    """What the engine fills in where nothing is asked for, and with what."""
    memory = _int(host.get("Memory"))
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
    found["RestartPolicy"] = _policy(_map(host.get("RestartPolicy")))
    if log := _map(host.get("LogConfig")):
        found["LogConfig"] = {"Type": str(log.get("Type") or ""), "Config": _texts(log.get("Config"))}
    fields = {name: value for name, value in found.items() if value}
    return fields, {name: value for name, value in fields.items() if value == defaults[name]}


def _asked(host: Mapping[str, object]) -> Fields:
    """What is only there because somebody asked for it."""
    fields: Fields = {name: _plain(host[name]) for name in _PLAIN if host.get(name)}
    fields |= {name: [_plain(item) for item in _list(host[name])] for name in _IN_ORDER if host.get(name)}
    fields |= {name: sorted(str(item) for item in _list(host[name])) for name in _SORTED if host.get(name)}
    fields |= {name: _texts(host[name]) for name in _TEXTS if host.get(name)}
    for name, member in _BY_MEMBER.items():
        if items := _list(host.get(name)):
            fields[name] = [_plain(item) for item in sorted(items, key=lambda item: str(_map(item).get(member)))]
    fields |= {
        name: sorted(str(item).upper().removeprefix("CAP_") for item in _list(host[name]))
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
    links = [":".join(end.rpartition("/")[2] for end in str(link).split(":")) for link in _list(host.get("Links"))]
    if links:
        fields["Links"] = sorted(links)
    if limits := _list(host.get("Ulimits")):
        fields["Ulimits"] = _ulimits(limits)
    if bindings := _ports(_map(host.get("PortBindings"))):
        fields["PortBindings"] = bindings
    if options := _security(host):
        fields["SecurityOpt"] = options
    return fields


def _ulimits(limits: list[object]) -> Fields:
    by_name = {str(_map(limit).get("Name")): _map(limit) for limit in limits}
    return {
        name: {"Soft": by_name[name].get("Soft", 0), "Hard": by_name[name].get("Hard", 0)} for name in sorted(by_name)
    }


def _security(host: Mapping[str, object]) -> list[str]:
    options = sorted(str(option) for option in _list(host.get("SecurityOpt")))
    # Clients turn this option into empty lists of paths; null lists belong to privileged containers.
    if host.get("MaskedPaths") == [] and host.get("ReadonlyPaths") == []:
        options = sorted([*options, "systempaths=unconfined"])
    # Source: moby daemon/create.go, generateSecurityOpt: for these the engine itself switches labelling off.
    if host.get("Privileged") or "host" in {host.get("PidMode"), host.get("IpcMode")}:
        options = [option for option in options if option != "label=disable"]
    return options


def _policy(policy: Mapping[str, object]) -> Fields:
    return {"Name": str(policy.get("Name") or "no"), "MaximumRetryCount": _int(policy.get("MaximumRetryCount"))}


def _ports(bindings: Mapping[str, object]) -> Fields:
    out: Fields = {}
    for port in sorted(bindings):
        hosts = [
            {"HostIp": str(_map(b).get("HostIp") or ""), "HostPort": str(_map(b).get("HostPort") or "")}
            for b in _list(bindings[port])
        ]
        if hosts:
            out[str(port)] = sorted(hosts, key=lambda b: (b["HostIp"], b["HostPort"]))
    return out


def _network_mode(host: Mapping[str, object], names: Names) -> str:
    mode = str(host.get("NetworkMode") or "default")
    if mode == "default":
        return "bridge"
    return names.networks.get(mode, _reference(mode, names))


def _reference(mode: str, names: Names) -> str:
    """``container:<id>`` of a container of the application, as the spec writes it."""
    prefix, colon, target = mode.partition(":")
    if prefix == "container" and colon and (service := names.services.get(target)):
        return f"container:service:{service}"
    return mode


def _volumes_from(source: str, names: Names) -> str:
    target, _, access = source.partition(":")
    service = names.services.get(target)
    return f"service:{service}:{access or 'rw'}" if service else f"{target}:{access or 'rw'}"


def _networks(inspect: Mapping[str, object], config: Fields, config_given: Fields, mode: str) -> tuple[Fields, Fields]:
    fields: Fields = {}
    given: Fields = {}
    short_id = str(inspect.get("Id") or "")[:12]
    attached = _map(_map(inspect.get("NetworkSettings")).get("Networks"))
    own_mac = config.get("MacAddress")
    for name in sorted(attached):
        if name in _BUILT_IN and (mode in _BUILT_IN or name != "bridge"):
            continue
        endpoint = _map(attached[name])
        out = _endpoint(endpoint, short_id)
        # A given address and an allocated one look the same, so it is compared only where one is asked for.
        if mac := endpoint.get("MacAddress") or (own_mac if name == mode else None):
            out["MacAddress"] = mac
            given[name] = {"MacAddress": mac}
            if name == mode:
                config.setdefault("MacAddress", mac)
        fields[name] = out
    if mode in _BUILT_IN and (allocated := _map(attached.get("bridge")).get("MacAddress")):
        config.setdefault("MacAddress", allocated)
    if "MacAddress" in config:
        config_given["MacAddress"] = config["MacAddress"]
    return fields, given


def _endpoint(endpoint: Mapping[str, object], short_id: str) -> Fields:
    out: Fields = {}
    # Source: moby daemon/container_operations.go before API v1.45: short id and hostname are put after the given ones.
    aliases = [str(alias) for alias in _list(endpoint.get("Aliases"))]
    if short_id in aliases:
        del aliases[aliases.index(short_id) :]
    wanted = _map(endpoint.get("IPAMConfig"))
    out["Aliases"] = sorted(set(aliases))
    out |= {key: str(wanted.get(key) or "") for key in ("IPv4Address", "IPv6Address")}
    out["LinkLocalIPs"] = sorted(_strings(wanted.get("LinkLocalIPs")))
    out["DriverOpts"] = _texts(endpoint.get("DriverOpts"))
    out["Links"] = sorted(_strings(endpoint.get("Links")))
    out["GwPriority"] = endpoint.get("GwPriority")
    return {key: value for key, value in out.items() if value}


def _plain(value: object) -> object:
    """JSON with sorted keys, without members that say nothing."""
    if isinstance(value, Mapping):
        return {str(k): _plain(value[k]) for k in sorted(value) if value[k] not in (None, "", [], {})}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _map(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []


def _strings(value: object) -> list[str]:
    return [str(item) for item in _list(value)]


def _texts(value: object) -> dict[str, str]:
    mapping = _map(value)
    return {str(key): str(mapping[key]) for key in sorted(mapping)}


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0
