"""Hypothesis strategies for container specs as the renderer writes them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

MIB = 1 << 20
NS = 1_000_000_000

_TRUE = st.sampled_from([True])
_words = st.text("abcdefghij0123456789", min_size=1, max_size=8)
_texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00", exclude_categories=("Cs", "Cc")), max_size=12)
_names = st.sampled_from(["PATH", "TERM", "A", "B_C", "http_proxy", "LONG_NAME_1"])


def _sorted(elements: st.SearchStrategy[Any], **size: int) -> st.SearchStrategy[list[Any]]:
    return st.lists(elements, unique=True, min_size=1, **size).map(sorted)


def _optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


def configs() -> st.SearchStrategy[dict[str, Any]]:
    """The section Config, without what every container has."""
    return _optional(
        Env=st.dictionaries(_names, _texts, min_size=1),
        Cmd=st.lists(_texts.filter(bool), min_size=1, max_size=3),
        Entrypoint=st.lists(_words, min_size=1, max_size=2),
        Labels=st.dictionaries(_words, _texts, min_size=1, max_size=3),
        User=st.sampled_from(["0", "1000:1000", "nobody", "root"]),
        WorkingDir=st.sampled_from(["/", "/srv", "/a/b"]),
        Hostname=_words,
        Domainname=st.sampled_from(["example.test"]),
        ExposedPorts=_sorted(st.sampled_from(["80/tcp", "53/udp", "9000/tcp"])),
        StopSignal=st.sampled_from(["SIGINT", "SIGUSR1", "9"]),
        StopTimeout=st.integers(0, 60),
        Tty=_TRUE,
        OpenStdin=_TRUE,
        MacAddress=st.just("02:42:ac:11:00:09"),
        Healthcheck=st.one_of(
            st.just({"Test": ["NONE"]}),
            st.fixed_dictionaries(
                {"Test": st.sampled_from([["CMD", "true"], ["CMD-SHELL", "exit 0"]])},
                optional={
                    "Interval": st.integers(1, 90).map(lambda s: s * NS),
                    "Timeout": st.integers(1, 90).map(lambda s: s * NS),
                    "StartPeriod": st.integers(1, 90).map(lambda s: s * NS),
                    "Retries": st.integers(1, 9),
                },
            ),
        ),
    )


def _limits() -> st.SearchStrategy[dict[str, Any]]:
    memory = st.integers(8, 64).map(lambda m: m * MIB)
    swaps = memory.flatmap(
        lambda m: st.sampled_from([{"Memory": m}, {"Memory": m, "MemorySwap": 2 * m}, {"Memory": m, "MemorySwap": -1}])
    )
    cpus = st.sampled_from(
        [
            {},
            {"NanoCpus": 500_000_000},
            {"CpuQuota": 50_000, "CpuPeriod": 100_000},
            {"CpuShares": 512, "CpusetCpus": "0"},
        ]
    )
    return st.tuples(st.one_of(st.just({}), swaps), cpus).map(lambda parts: {**parts[0], **parts[1]})


def hosts() -> st.SearchStrategy[dict[str, Any]]:
    """The section HostConfig, without its network mode."""
    plain = _optional(
        RestartPolicy=st.sampled_from(
            [
                {"Name": "no", "MaximumRetryCount": 0},
                {"Name": "always", "MaximumRetryCount": 0},
                {"Name": "unless-stopped", "MaximumRetryCount": 0},
                {"Name": "on-failure", "MaximumRetryCount": 3},
            ]
        ),
        CapAdd=_sorted(st.sampled_from(["NET_ADMIN", "SYS_TIME", "ALL"])),
        CapDrop=_sorted(st.sampled_from(["CHOWN", "MKNOD", "NET_RAW"])),
        SecurityOpt=_sorted(
            st.sampled_from(["no-new-privileges:true", "seccomp=unconfined", "systempaths=unconfined"])
        ),
        Sysctls=st.just({"net.ipv4.ip_unprivileged_port_start": "0"}),
        Ulimits=st.dictionaries(st.sampled_from(["nofile", "nproc"]), st.just({"Soft": 100, "Hard": 200}), min_size=1),
        Devices=st.just([{"PathOnHost": "/dev/null", "PathInContainer": "/dev/nothing", "CgroupPermissions": "rwm"}]),
        DeviceCgroupRules=st.just(["c 1:3 rwm"]),
        LogConfig=st.sampled_from(
            [{"Type": "json-file", "Config": {"max-size": "1m"}}, {"Type": "none", "Config": {}}]
        ),
        Dns=st.lists(st.sampled_from(["10.0.0.1", "10.0.0.2"]), unique=True, min_size=1),
        DnsSearch=st.just(["example.test"]),
        DnsOptions=st.just(["ndots:2"]),
        ExtraHosts=_sorted(st.sampled_from(["a:10.0.0.1", "b:10.0.0.2", "gw:host-gateway"])),
        ShmSize=st.sampled_from([64 * MIB, 128 * MIB]),
        Init=st.booleans(),
        ReadonlyRootfs=_TRUE,
        Privileged=_TRUE,
        PidMode=st.just("host"),
        IpcMode=st.sampled_from(["private", "shareable", "host", "none"]),
        UsernsMode=st.just("host"),
        CgroupnsMode=st.sampled_from(["host", "private"]),
        CgroupParent=st.just("/trimtab-tests"),
        GroupAdd=_sorted(st.sampled_from(["20", "100"])),
        OomScoreAdj=st.integers(-500, 500).filter(bool),
        PidsLimit=st.integers(10, 100),
        Runtime=st.just("runc"),
        Tmpfs=st.just({"/scratch": "", "/small": "size=1m"}),
    )
    return st.tuples(plain, _limits()).map(lambda parts: {**parts[0], **parts[1]})


def mounts(app: str) -> st.SearchStrategy[dict[str, Any]]:
    """The section Mounts."""
    return _optional(
        **{
            "/data": st.sampled_from(
                [
                    {"Type": "volume", "Source": f"{app}_data"},
                    {"Type": "volume", "Source": f"{app}_data", "ReadOnly": True, "NoCopy": True},
                ]
            ),
            "/anonymous": st.just({"Type": "volume"}),
            "/host": st.sampled_from(
                [
                    {"Type": "bind", "Source": "/etc", "ReadOnly": True},
                    {"Type": "bind", "Source": "/tmp", "Propagation": "rslave"},
                    {"Type": "bind", "Source": "/tmp", "CreateMountpoint": True, "ReadOnly": True},
                    {"Type": "bind", "Source": "/tmp", "Recursive": "disabled"},
                ]
            ),
            "/memory": st.sampled_from([{"Type": "tmpfs"}, {"Type": "tmpfs", "TmpfsSize": MIB, "TmpfsMode": 0o700}]),
        }
    )  # fmt: skip


def _attachments(app: str) -> st.SearchStrategy[dict[str, Any]]:
    front, back = f"{app}_front", f"{app}_back"
    # The renderer always gives a container its name and its service's as aliases.
    endpoint = st.fixed_dictionaries({"Aliases": _sorted(st.sampled_from(["any", "db", "other"]))})
    address = st.just({"Aliases": ["any"], "IPv4Address": "10.213.77.20"})
    both = st.fixed_dictionaries({front: endpoint, back: st.one_of(endpoint, address)})
    return st.one_of(
        st.sampled_from(["none", "bridge", "host"]).map(lambda mode: {"mode": mode, "networks": {}}),
        st.fixed_dictionaries({front: endpoint}).map(lambda networks: {"mode": front, "networks": networks}),
        st.tuples(both, st.sampled_from([front, back])).map(lambda pair: {"mode": pair[1], "networks": pair[0]}),
    )


def container_specs(app: str, api: tuple[int, int]) -> st.SearchStrategy[dict[str, dict[str, Any]]]:
    """Whole specs; ``app`` names its networks front and back and its volume data."""

    def combine(parts: tuple[dict[str, Any], ...]) -> dict[str, dict[str, Any]]:
        config, host, mounted, attached = parts
        host["NetworkMode"] = attached["mode"]
        if attached["mode"] in {"none", "host"}:
            # Without a network of its own there is nothing to give these to.
            for name in ("MacAddress", "Hostname", "Domainname"):
                config.pop(name, None)
            host.pop("Sysctls", None)
        spec = {"Config": config, "HostConfig": host, "Mounts": mounted, "Networks": attached["networks"]}
        return {name: part for name, part in spec.items() if part}

    assert api >= (1, 41)
    return st.tuples(configs(), hosts(), mounts(app), _attachments(app)).map(combine)
