"""Hypothesis strategies for container specs as the renderer writes them: every field that a plain machine can create.

The networks ``<app>_front``, ``_back`` and ``_six``, the volume ``<app>_data`` and the services of ``SERVICES`` are
what the specs refer to.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Strategy = st.SearchStrategy[Any]
Version = tuple[int, int]
Spec = dict[str, dict[str, Any]]

MIB = 1 << 20
NS = 1_000_000_000

PEER, SHARED = "peer", "shared"
# Containers that must be there: one on <app>_front, and one whose ipc namespace can be shared.
SERVICES = (PEER, SHARED)

# What needs more than a plain machine, and why; a test holds every other field to be in here.
NOT_HERE = {
    "/Config/Image": "every spec has it",
    "/HostConfig/NetworkMode": "comes with the networks",
    "/HostConfig/BlkioWeight": "needs the cfq or bfq scheduler",
    "/HostConfig/BlkioWeightDevice": "needs the cfq or bfq scheduler",
    "/HostConfig/CpuRealtimePeriod": "needs a kernel with RT_GROUP_SCHED",
    "/HostConfig/CpuRealtimeRuntime": "needs a kernel with RT_GROUP_SCHED",
    "/HostConfig/StorageOpt": "needs overlay2 on xfs with project quotas",
    "/State/Status": "is nothing that is asked for",
}
# Refused, or dropped with a warning, by engines on cgroup v2.
CGROUP_V1 = ("MemorySwappiness", "OomKillDisable")
SINCE = {"Annotations": (1, 43)}
# Without a network of its own there is nothing to give these to.
_OF_A_NETWORK = ("MacAddress", "Hostname", "Domainname", "ExposedPorts")
_OF_A_NETWORK_ON_THE_HOST = ("Sysctls", "PortBindings", "Dns", "ExtraHosts", "Links")

_TRUE = st.just(True)  # noqa: FBT003 - a value, not a parameter
_words = st.text("abcdefghij0123456789", min_size=1, max_size=8)
_texts = st.text(
    st.characters(codec="utf-8", exclude_characters="\x00", exclude_categories=("Cs", "Cc")),
    max_size=12,
)
_names = st.sampled_from(["PATH", "TERM", "A", "B_C", "http_proxy", "LONG_NAME_1"])
_seconds = st.integers(1, 90).map(lambda s: s * NS)


def _sorted(elements: Strategy) -> Strategy:
    return st.lists(elements, unique=True, min_size=1).map(sorted)


def _optional(fields: dict[str, Strategy]) -> Strategy:
    """Some of the fields; each about as often whether there are five or fifty of them."""
    chosen = st.lists(st.sampled_from(sorted(fields)), unique=True, max_size=min(12, len(fields)))
    return chosen.flatmap(lambda names: st.fixed_dictionaries({name: fields[name] for name in sorted(names)}))


def configs(api: Version) -> dict[str, Strategy]:
    """The fields of the section Config, without the image."""
    check = {"Interval": _seconds, "Timeout": _seconds, "StartPeriod": _seconds, "Retries": st.integers(1, 9)}
    if api >= (1, 44):
        check["StartInterval"] = _seconds
    return {
        "Env": st.dictionaries(_names, _texts, min_size=1),
        "Cmd": st.lists(_texts.filter(bool), min_size=1, max_size=3),
        "Entrypoint": st.lists(_words, min_size=1, max_size=2),
        "Labels": st.dictionaries(_words, _texts, min_size=1, max_size=3),
        "User": st.sampled_from(["0", "1000:1000", "nobody", "root"]),
        "WorkingDir": st.sampled_from(["/", "/srv", "/a/b"]),
        "Hostname": _words,
        "Domainname": st.just("example.test"),
        "ExposedPorts": _sorted(st.sampled_from(["80/tcp", "53/udp", "9000/tcp", "9000/sctp"])),
        "StopSignal": st.sampled_from(["SIGINT", "SIGUSR1", "9", "RTMIN+3"]),
        "StopTimeout": st.integers(0, 60),
        "Tty": _TRUE,
        "OpenStdin": _TRUE,
        "MacAddress": st.just("02:42:ac:11:00:09"),
        "Healthcheck": st.one_of(
            st.just({"Test": ["NONE"]}),
            st.fixed_dictionaries({}, optional=check).filter(bool),
            st.fixed_dictionaries(
                {"Test": st.sampled_from([["CMD", "true"], ["CMD-SHELL", "exit 0"]])}, optional=check
            ),
        ),
    }


def _limits() -> Strategy:
    """Fields that depend on each other."""
    memory = st.integers(8, 64).map(lambda m: m * MIB)
    memories = memory.flatmap(
        lambda m: st.sampled_from(
            [
                {"Memory": m},
                {"Memory": m, "MemorySwap": m},
                {"Memory": m, "MemorySwap": 2 * m},
                {"Memory": m, "MemorySwap": -1},
                {"Memory": m, "MemoryReservation": 7 * MIB},
                {"MemoryReservation": m},
            ]
        )
    )
    cpus = st.sampled_from(
        [
            {"NanoCpus": 500_000_000},
            {"CpuQuota": 50_000, "CpuPeriod": 100_000},
            {"CpuPeriod": 50_000},
            {"CpuShares": 512, "CpusetCpus": "0"},
        ]
    )
    nothing: Strategy = st.just({})
    return st.tuples(st.one_of(nothing, memories), st.one_of(nothing, cpus)).map(lambda parts: {**parts[0], **parts[1]})


LIMITS = ("Memory", "MemorySwap", "MemoryReservation", "NanoCpus", "CpuQuota", "CpuPeriod", "CpuShares", "CpusetCpus")


def hosts(app: str, api: Version, *, cgroup_v1: bool = True) -> dict[str, Strategy]:
    """The fields of the section HostConfig, without the network mode and ``LIMITS``."""
    rates = st.lists(st.sampled_from(["/dev/loop0", "/dev/loop1"]), unique=True, min_size=1).map(
        lambda paths: [{"Path": path, "Rate": MIB} for path in sorted(paths)]
    )
    port = st.fixed_dictionaries(
        {"HostIp": st.sampled_from(["", "127.0.0.1", "::1"]), "HostPort": st.sampled_from(["", "8080", "8000-8010"])}
    )
    fields: dict[str, Strategy] = {
        "RestartPolicy": st.sampled_from(
            [
                {"Name": "no", "MaximumRetryCount": 0},
                {"Name": "always", "MaximumRetryCount": 0},
                {"Name": "unless-stopped", "MaximumRetryCount": 0},
                {"Name": "on-failure", "MaximumRetryCount": 0},
                {"Name": "on-failure", "MaximumRetryCount": 3},
            ]
        ),
        "MemorySwappiness": st.sampled_from([0, 60]),
        "OomKillDisable": _TRUE,
        "OomScoreAdj": st.integers(-500, 500).filter(bool),
        "PidsLimit": st.one_of(st.just(-1), st.integers(10, 100)),
        **{f"BlkioDevice{way}{unit}": rates for way in ("Read", "Write") for unit in ("Bps", "IOps")},
        "PortBindings": st.dictionaries(
            st.sampled_from(["80/tcp", "53/udp"]),
            st.lists(port, min_size=1, max_size=2, unique_by=lambda p: (p["HostIp"], p["HostPort"])).map(
                lambda ports: sorted(ports, key=lambda p: (p["HostIp"], p["HostPort"]))
            ),
            min_size=1,
        ),
        "CapAdd": _sorted(st.sampled_from(["NET_ADMIN", "SYS_TIME", "ALL"])),
        "CapDrop": _sorted(st.sampled_from(["CHOWN", "MKNOD", "NET_RAW"])),
        "SecurityOpt": _sorted(
            st.sampled_from(["no-new-privileges:true", "seccomp=unconfined", "systempaths=unconfined"])
        ),
        "Sysctls": st.just({"net.ipv4.ip_unprivileged_port_start": "0"}),
        "Ulimits": st.dictionaries(
            st.sampled_from(["nofile", "nproc"]),
            st.sampled_from([{"Soft": 100, "Hard": 200}, {"Soft": 0, "Hard": -1}]),
            min_size=1,
        ),
        "Devices": st.lists(
            st.sampled_from(
                [
                    {"PathOnHost": "/dev/null", "PathInContainer": "/dev/nothing", "CgroupPermissions": "rwm"},
                    {"PathOnHost": "/dev/zero", "PathInContainer": "/dev/zero", "CgroupPermissions": "r"},
                ]
            ),
            min_size=1,
            unique_by=lambda d: d["PathInContainer"],
        ).map(lambda devices: sorted(devices, key=lambda d: d["PathInContainer"])),
        "DeviceCgroupRules": st.just(["c 1:3 rwm"]),
        "DeviceRequests": st.sampled_from(
            [
                [{"Count": -1, "Capabilities": [["gpu"]]}],
                [
                    {
                        "Count": 0,
                        "Driver": "nvidia",
                        "DeviceIDs": ["0", "1"],
                        "Capabilities": [["gpu", "utility"]],
                        "Options": {"virtualization": "false"},
                    }
                ],
            ]
        ),
        "LogConfig": st.sampled_from(
            [
                {"Type": "json-file", "Config": {"max-size": "1m"}},
                {"Type": "local", "Config": {}},
                {"Type": "none", "Config": {}},
                {"Config": {"max-size": "1m"}},
            ]
        ),
        "Dns": st.lists(st.sampled_from(["10.0.0.1", "10.0.0.2"]), unique=True, min_size=1),
        "DnsSearch": st.just(["example.test"]),
        "DnsOptions": st.just(["ndots:2"]),
        "ExtraHosts": _sorted(st.sampled_from(["a:10.0.0.1", "b:10.0.0.2", "gw:host-gateway", "six:fd00::1"])),
        "ShmSize": st.sampled_from([64 * MIB, 128 * MIB]),
        "Init": st.booleans(),
        "ReadonlyRootfs": _TRUE,
        "Privileged": _TRUE,
        "PidMode": st.sampled_from(["host", f"container:service:{PEER}"]),
        "IpcMode": st.sampled_from(["private", "shareable", "host", "none", f"container:service:{SHARED}"]),
        "UTSMode": st.just("host"),
        "UsernsMode": st.just("host"),
        "CgroupnsMode": st.sampled_from(["host", "private"]),
        "CgroupParent": st.just("/trimtab-tests"),
        "GroupAdd": _sorted(st.sampled_from(["20", "100"])),
        "Runtime": st.sampled_from(["runc", "io.containerd.runc.v2"]),
        "Isolation": st.just("default"),
        "Tmpfs": st.just({"/scratch": "", "/small": "size=1m"}),
        "VolumesFrom": st.sampled_from([[f"service:{PEER}:ro"], [f"service:{PEER}:rw", f"service:{SHARED}:rw"]]),
        "Annotations": st.just({"example.test/a": "b"}),
        # Carried out on the default bridge only, where the peer is not: such a container is created, not started.
        "Links": st.just([f"{app}-{PEER}-1:db"]),
    }
    return {
        name: field
        for name, field in fields.items()
        if api >= SINCE.get(name, (1, 41)) and (cgroup_v1 or name not in CGROUP_V1)
    }


def mounts(app: str, api: Version) -> dict[str, Strategy]:
    """The section Mounts, by target."""
    data = {"Type": "volume", "Source": f"{app}_data"}
    bind = {"Type": "bind", "Source": "/tmp"}
    binds: list[dict[str, Any]] = [
        {"Type": "bind", "Source": "/etc", "ReadOnly": True},
        {**bind, "Propagation": "rslave"},
        {**bind, "CreateMountpoint": True, "ReadOnly": True},
        {**bind, "Recursive": "disabled"},
    ]
    if api >= (1, 44):
        binds += [
            {**bind, "ReadOnly": True, "Recursive": "writable"},
            {**bind, "ReadOnly": True, "Recursive": "readonly", "Propagation": "rprivate"},
        ]
    volumes: list[dict[str, Any]] = [
        data,
        {**data, "ReadOnly": True, "NoCopy": True},
        {**data, "Source": f"{app}_labelled", "Labels": {"a": "b"}},
    ]
    if api >= (1, 45):
        volumes.append({**data, "Subpath": "below"})
    return {
        "/data": st.sampled_from(volumes),
        "/anonymous": st.sampled_from([{"Type": "volume"}, {"Type": "volume", "NoCopy": True}]),
        "/host": st.sampled_from(binds),
        "/memory": st.sampled_from(
            [
                {"Type": "tmpfs"},
                {"Type": "tmpfs", "TmpfsSize": MIB, "TmpfsMode": 0o700},
                {"Type": "tmpfs", "ReadOnly": True},
            ]
        ),
    }


def _endpoints(app: str, api: Version) -> dict[str, Strategy]:
    """An endpoint for each of the networks."""
    # The renderer always gives a container its name and its service's as aliases.
    always = {"Aliases": _sorted(st.sampled_from(["any", "db", "other"]))}
    options: list[dict[str, str]] = [{"com.example.option": "x"}]
    if api >= (1, 49):
        options.append({"com.docker.network.endpoint.ifname": "web0"})
    common: dict[str, Strategy] = {"DriverOpts": st.sampled_from(options), "Links": st.just([f"{app}-{PEER}-1:db"])}
    if api >= (1, 44):
        common["MacAddress"] = st.just("02:42:0a:00:00:0a")
    if api >= (1, 48):
        common["GwPriority"] = st.integers(-9, 9).filter(bool)
    four, six = st.just("10.213.77.20"), st.just("fd00:beef::9")
    return {
        f"{app}_front": st.fixed_dictionaries(always, optional=common),
        f"{app}_back": st.fixed_dictionaries(
            always, optional={**common, "IPv4Address": four, "LinkLocalIPs": st.just(["169.254.8.8"])}
        ),
        f"{app}_six": st.fixed_dictionaries(always, optional={**common, "IPv6Address": six}),
    }


def _attachments(app: str, api: Version) -> Strategy:
    endpoints = _endpoints(app, api)
    some = _sorted(st.sampled_from(sorted(endpoints)))
    attached = some.flatmap(
        lambda names: st.fixed_dictionaries(
            {
                "mode": st.sampled_from(names),
                "networks": st.fixed_dictionaries({name: endpoints[name] for name in names}),
            }
        )
    )
    modes = st.sampled_from(["none", "bridge", "host", f"container:service:{PEER}"])
    return st.one_of(attached, modes.map(lambda mode: {"mode": mode, "networks": {}}))


def container_specs(app: str, api: Version, *, cgroup_v1: bool = True) -> st.SearchStrategy[Spec]:
    """Whole specs that an engine of that API version takes; ``app`` is the start of all names."""

    def combine(parts: tuple[dict[str, Any], ...]) -> Spec:
        config, plain, limits, mounted, attached = parts
        mode = attached["mode"]
        host = {**plain, **limits, "NetworkMode": mode}
        if mode in {"none", "host"} or ":" in mode:
            _drop(config, *_OF_A_NETWORK)
            _drop(host, *_OF_A_NETWORK_ON_THE_HOST)
        if host.get("UTSMode"):
            _drop(config, "Hostname", "Domainname")
        if mode != "bridge":
            _drop(host, "Links")
        if "MacAddress" in attached["networks"].get(mode, {}):
            _drop(config, "MacAddress")
        spec = {"Config": config, "HostConfig": host, "Mounts": mounted, "Networks": attached["networks"]}
        return {name: part for name, part in spec.items() if part}

    return st.tuples(
        _optional(configs(api)),
        _optional(hosts(app, api, cgroup_v1=cgroup_v1)),
        _limits(),
        _optional(mounts(app, api)),
        _attachments(app, api),
    ).map(combine)


def _drop(section: dict[str, Any], *names: str) -> None:
    for name in names:
        section.pop(name, None)
