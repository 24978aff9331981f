"""Every attribute that a service may have, with an example: what it becomes on the engine, or why it does not."""

# ruff: noqa: E501 - a table: one attribute a line

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Attribute:
    """``value`` is an example in the long form; ``spec`` pointers of a container, ``code`` of a diagnostic.

    ``word``: honoured, refused, noted (a remark is made, nothing changes), or read (by the loader: it is resolved before
    an application is rendered). ``beside``: what else the example needs; ``sections``: at the top level of the model.
    """

    word: str
    how: str
    value: object = None
    spec: Sequence[str] = ()
    code: str = ""
    trait: str = ""
    beside: Mapping[str, object] | None = None
    sections: Mapping[str, Mapping[str, Mapping[str, object]]] | None = None


def _host(field: str, value: object, how: str = "", **more: object) -> Attribute:
    return Attribute("honoured", how or f"`HostConfig.{field}`", value, (f"/HostConfig/{field}",), **more)  # type: ignore[arg-type]


def _config(field: str, value: object, how: str = "") -> Attribute:
    return Attribute("honoured", how or f"`Config.{field}`", value, (f"/Config/{field}",))


def _refused(value: object, code: str, how: str) -> Attribute:
    return Attribute("refused", how, value, code=code)


def _noted(value: object, code: str, how: str) -> Attribute:
    return Attribute("noted", how, value, code=code)


def _read(how: str) -> Attribute:
    return Attribute("read", how)


SERVICE: Mapping[str, Attribute] = {
    "annotations": _host("Annotations", {"a": "b"}, "`HostConfig.Annotations`, from Engine API 1.43"),
    "attach": _noted(value=False, code="TT2121", how="it is for the terminal of `docker compose up`"),
    "blkio_config": _host("BlkioWeight", {"weight": 300}, "`HostConfig.Blkio*`: weight, per device weights and rates"),
    "build": Attribute("honoured", "built from the commit's tree; the tag is the build key", {"context": "."}),
    "cap_add": _host("CapAdd", ["NET_ADMIN"]),
    "cap_drop": _host("CapDrop", ["ALL"]),
    "cgroup": _host("CgroupnsMode", "private"),
    "cgroup_parent": _host("CgroupParent", "m-executor"),
    "command": _config("Cmd", ["serve"]),
    "configs": Attribute(
        "honoured", "an immutable file of a content volume, read-only", [{"source": "c", "target": "/c"}], ("/Mounts/~1c",),
        sections={"configs": {"c": {"content": "x"}}},
    ),
    "container_name": Attribute("honoured", "the container's name; such a service has one replica", "other"),
    "cpu_count": _refused(2, "TT2106", "exists on Windows only"),
    "cpu_percent": _refused(50, "TT2107", "exists on Windows only"),
    "cpu_period": _host("CpuPeriod", 100000, "in place"),
    "cpu_quota": _host("CpuQuota", 50000, "in place"),
    "cpu_rt_period": _host("CpuRealtimePeriod", "1400us", "in place"),
    "cpu_rt_runtime": _host("CpuRealtimeRuntime", "400us", "in place"),
    "cpu_shares": _host("CpuShares", 512, "in place"),
    "cpus": _host("NanoCpus", 0.5, "in place"),
    "cpuset": _host("CpusetCpus", "0", "in place"),
    "credential_spec": _refused({"file": "x.json"}, "TT2103", "exists on Windows only"),
    "depends_on": Attribute(
        "honoured", "order of steps, with all three conditions, `restart` and `required` (`false` lets it be absent, or fail: it is waited for all the same)",
        {"other": {"condition": "service_started", "required": True}},
    ),
    "deploy": _host(
        "Memory", {"resources": {"limits": {"memory": "64m"}}},
        "`replicas`, `resources`, `restart_policy`, `update_config`, `rollback_config`, jobs by `mode`; what needs Swarm is noted (TT2122 to TT2127)",
    ),
    "develop": _noted({"watch": []} | {"x-a": 1}, "TT2120", "it is for `docker compose watch`"),
    "device_cgroup_rules": _host("DeviceCgroupRules", ["c 1:3 mr"]),
    "devices": _host("Devices", [{"source": "/dev/null", "target": "/dev/x", "permissions": "r"}]),
    "dns": _host("Dns", ["9.9.9.9"]),
    "dns_opt": _host("DnsOptions", ["use-vc"]),
    "dns_search": _host("DnsSearch", ["example.test"]),
    "domainname": _config("Domainname", "example.test"),
    "entrypoint": _config("Entrypoint", ["/run"]),
    "env_file": _read("merged into `environment`; files of the repository"),
    "environment": _config("Env", {"A": "1"}, "`Config.Env`; values that look secret are shown as fingerprints"),
    "expose": _config("ExposedPorts", ["80"]),
    "extends": _read("merged, from the same file or another one"),
    "external_links": Attribute("honoured", "`Links` of every endpoint", ["db:d"], ("/Networks/shop_default/Links",)),
    "extra_hosts": _host("ExtraHosts", ["db=10.0.0.1"]),
    "gpus": _host("DeviceRequests", [{"count": 1}]),
    "group_add": _host("GroupAdd", ["mail"]),
    "healthcheck": _config("Healthcheck", {"test": ["CMD", "true"]}, "`Config.Healthcheck`; decides when a release counts as healthy"),
    "hostname": _config("Hostname", "web"),
    "image": _config("Image", "app:1", "pulled when it is not there; see `pull_policy`"),
    "init": _host("Init", value=True),
    "ipc": _host("IpcMode", "shareable"),
    "isolation": _refused("hyperv", "TT2105", "exists on Windows only"),
    "label_file": _read("merged into `labels`"),
    "labels": _config("Labels", {"team": "a"}, "`Config.Labels`; ours and Compose's prefixes are reserved"),
    "links": Attribute("honoured", "`Links` of every endpoint, and an order", ["other:o"], ("/Networks/shop_default/Links",)),
    "logging": _host("LogConfig", {"driver": "local"}),
    "mac_address": _config("MacAddress", "02:42:ac:11:00:09"),
    "mem_limit": _host("Memory", "64m", "in place"),
    "mem_reservation": _host("MemoryReservation", "32m", "in place"),
    "mem_swappiness": _host("MemorySwappiness", 10),
    "memswap_limit": _host("MemorySwap", "128m", "in place"),
    "models": _refused({"llm": {}}, "TT2102", "needs Docker's model runner"),
    "network_mode": _host("NetworkMode", "none", "`HostConfig.NetworkMode`; with `service:` it follows that service's replacements"),
    "networks": Attribute(
        "honoured", "endpoints; joined and left in place", {"default": {"aliases": ["w"]}}, ("/Networks/shop_default/Aliases",)
    ),
    "oom_kill_disable": _host("OomKillDisable", value=True),
    "oom_score_adj": _host("OomScoreAdj", 100),
    "pid": _host("PidMode", "host"),
    "pids_limit": _host("PidsLimit", 100, "in place"),
    "platform": Attribute("honoured", "of the image, and of the container that is created", "linux/amd64", trait="platform"),
    "ports": _host("PortBindings", [{"target": 80, "published": "8080", "protocol": "tcp"}]),
    "post_start": Attribute("honoured", "run after each start; a failure fails the release", [{"command": ["true"]}], trait="post_start"),
    "pre_stop": Attribute("honoured", "run before a stop of ours", [{"command": ["true"]}], trait="pre_stop"),
    "privileged": _host("Privileged", value=True),
    "profiles": _read("services of profiles that are not enabled are left out"),
    "provider": _refused({"type": "x"}, "TT2101", "runs programs on the controller's host"),
    "pull_policy": Attribute("honoured", "when an image is fetched; only a container that is to be created asks", "always", trait="pull_policy"),
    "pull_refresh_after": _read("see `pull_policy`"),
    "read_only": _host("ReadonlyRootfs", value=True),
    "restart": _host("RestartPolicy", "always", "in place"),
    "runtime": _host("Runtime", "crun"),
    "scale": Attribute("honoured", "the number of containers; `deploy.replicas` wins", 2),
    "secrets": Attribute(
        "honoured", "as configs, under /run/secrets; the volume's name is a keyed digest", [{"source": "s", "target": "/s"}],
        ("/Mounts/~1s",), sections={"secrets": {"s": {"content": "x"}}},
    ),
    "security_opt": _host("SecurityOpt", ["no-new-privileges"]),
    "shm_size": _host("ShmSize", "128m"),
    "stdin_open": _config("OpenStdin", value=True),
    "stop_grace_period": _config("StopTimeout", "30s"),
    "stop_signal": _config("StopSignal", "SIGINT"),
    "storage_opt": _host("StorageOpt", {"size": "1G"}),
    "sysctls": _host("Sysctls", {"net.core.somaxconn": "1024"}),
    "tmpfs": _host("Tmpfs", ["/tmp:size=1m"]),
    "tty": _config("Tty", value=True),
    "ulimits": _host("Ulimits", {"nofile": {"soft": 1, "hard": 2}}),
    "use_api_socket": _refused(value=True, code="TT2104", how="would hand the engine's socket to the container"),
    "user": _config("User", "1000"),
    "userns_mode": _host("UsernsMode", "host"),
    "uts": _host("UTSMode", "host"),
    "volumes": Attribute(
        "honoured", "volumes, binds, tmpfs; relative paths are files of the commit, read-only",
        [{"type": "tmpfs", "target": "/t", "tmpfs": {"size": "1m"}}], ("/Mounts/~1t",),
    ),
    "volumes_from": _host("VolumesFrom", ["other:ro"], "`HostConfig.VolumesFrom`; follows that service's replacements"),
    "working_dir": _config("WorkingDir", "/srv"),
}  # fmt: skip
