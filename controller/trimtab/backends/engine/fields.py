"""What is known about each field of a container: its manifest word, its unit, and whether it changes live. Pure.

Source: Engine API v1.41-v1.51, ``POST /containers/{id}/update`` (UpdateConfig = Resources + RestartPolicy);
moby container.UpdateContainer, which takes a zero for "leave as it is", so that a limit can be
changed in place but not taken away.
"""

from __future__ import annotations

from dataclasses import dataclass

from trimtab.plan.fielddiff import unescape


@dataclass(frozen=True, slots=True)
class Field:
    """One field: the manifest's ``attribute``, a ``unit`` for people, and how the engine takes a change.

    ``update``: through ``docker update`` when the new value is set. ``unset``: the value that takes it away in place.
    """

    attribute: str
    unit: str = ""
    update: bool = False
    unset: object = None


FIELDS = {
    "/Config/Image": Field("image"),
    "/Config/Env": Field("environment"),
    "/Config/Cmd": Field("command"),
    "/Config/Entrypoint": Field("entrypoint"),
    "/Config/Labels": Field("labels"),
    "/Config/User": Field("user"),
    "/Config/WorkingDir": Field("working_dir"),
    "/Config/Hostname": Field("hostname"),
    "/Config/Domainname": Field("domainname"),
    "/Config/ExposedPorts": Field("expose"),
    "/Config/StopSignal": Field("stop_signal"),
    "/Config/StopTimeout": Field("stop_grace_period"),
    "/Config/Tty": Field("tty"),
    "/Config/OpenStdin": Field("stdin_open"),
    "/Config/MacAddress": Field("mac_address"),
    "/Config/Healthcheck": Field("healthcheck"),
    "/Config/Healthcheck/Interval": Field("healthcheck.interval", "ns"),
    "/Config/Healthcheck/Timeout": Field("healthcheck.timeout", "ns"),
    "/Config/Healthcheck/StartPeriod": Field("healthcheck.start_period", "ns"),
    "/Config/Healthcheck/StartInterval": Field("healthcheck.start_interval", "ns"),
    "/Config/Healthcheck/Retries": Field("healthcheck.retries"),
    "/Config/Healthcheck/Test": Field("healthcheck.test"),
    "/HostConfig/Memory": Field("mem_limit", "bytes", update=True),
    "/HostConfig/MemoryReservation": Field("mem_reservation", "bytes", update=True),
    "/HostConfig/MemorySwap": Field("memswap_limit", "bytes", update=True),
    "/HostConfig/MemorySwappiness": Field("mem_swappiness"),
    "/HostConfig/NanoCpus": Field("cpus", "nanocpus", update=True),
    "/HostConfig/CpuShares": Field("cpu_shares", update=True),
    "/HostConfig/CpuPeriod": Field("cpu_period", update=True),
    "/HostConfig/CpuQuota": Field("cpu_quota", update=True),
    "/HostConfig/CpuRealtimePeriod": Field("cpu_rt_period", update=True),
    "/HostConfig/CpuRealtimeRuntime": Field("cpu_rt_runtime", update=True),
    "/HostConfig/CpusetCpus": Field("cpuset", update=True),
    "/HostConfig/PidsLimit": Field("pids_limit", update=True, unset=-1),
    "/HostConfig/BlkioWeight": Field("blkio_config.weight", update=True),
    "/HostConfig/BlkioWeightDevice": Field("blkio_config.weight_device"),
    "/HostConfig/BlkioDeviceReadBps": Field("blkio_config.device_read_bps"),
    "/HostConfig/BlkioDeviceReadIOps": Field("blkio_config.device_read_iops"),
    "/HostConfig/BlkioDeviceWriteBps": Field("blkio_config.device_write_bps"),
    "/HostConfig/BlkioDeviceWriteIOps": Field("blkio_config.device_write_iops"),
    "/HostConfig/RestartPolicy": Field("restart", "restart", update=True, unset={"Name": "no", "MaximumRetryCount": 0}),
    "/HostConfig/PortBindings": Field("ports"),
    "/HostConfig/CapAdd": Field("cap_add"),
    "/HostConfig/CapDrop": Field("cap_drop"),
    "/HostConfig/SecurityOpt": Field("security_opt"),
    "/HostConfig/Sysctls": Field("sysctls"),
    "/HostConfig/Ulimits": Field("ulimits"),
    "/HostConfig/Devices": Field("devices"),
    "/HostConfig/DeviceCgroupRules": Field("device_cgroup_rules"),
    "/HostConfig/DeviceRequests": Field("gpus"),
    "/HostConfig/LogConfig": Field("logging"),
    "/HostConfig/Dns": Field("dns"),
    "/HostConfig/DnsOptions": Field("dns_opt"),
    "/HostConfig/DnsSearch": Field("dns_search"),
    "/HostConfig/ExtraHosts": Field("extra_hosts"),
    "/HostConfig/ShmSize": Field("shm_size", "bytes"),
    "/HostConfig/Init": Field("init"),
    "/HostConfig/ReadonlyRootfs": Field("read_only"),
    "/HostConfig/Privileged": Field("privileged"),
    "/HostConfig/PidMode": Field("pid"),
    "/HostConfig/IpcMode": Field("ipc"),
    "/HostConfig/UTSMode": Field("uts"),
    "/HostConfig/UsernsMode": Field("userns_mode"),
    "/HostConfig/CgroupnsMode": Field("cgroup"),
    "/HostConfig/CgroupParent": Field("cgroup_parent"),
    "/HostConfig/GroupAdd": Field("group_add"),
    "/HostConfig/NetworkMode": Field("network_mode"),
    "/HostConfig/OomScoreAdj": Field("oom_score_adj"),
    "/HostConfig/OomKillDisable": Field("oom_kill_disable"),
    "/HostConfig/Runtime": Field("runtime"),
    "/HostConfig/Isolation": Field("isolation"),
    "/HostConfig/StorageOpt": Field("storage_opt"),
    "/HostConfig/Tmpfs": Field("tmpfs"),
    "/HostConfig/VolumesFrom": Field("volumes_from"),
    "/HostConfig/Annotations": Field("annotations"),
    "/HostConfig/Links": Field("links"),
    "/Mounts": Field("volumes"),
    "/Networks": Field("networks"),
    "/State/Status": Field("status"),
}

# Values that are compared, shown and replaced as a whole, not entry by entry.
WHOLE = frozenset(
    {
        "/HostConfig/RestartPolicy",
        "/HostConfig/LogConfig",
        "/HostConfig/Devices",
        "/HostConfig/DeviceRequests",
        "/HostConfig/BlkioWeightDevice",
        "/HostConfig/BlkioDeviceReadBps",
        "/HostConfig/BlkioDeviceReadIOps",
        "/HostConfig/BlkioDeviceWriteBps",
        "/HostConfig/BlkioDeviceWriteIOps",
    }
)


def field_of(pointer: str) -> Field:
    """The field that ``pointer`` belongs to: itself, or its nearest known ancestor with the rest of its name."""
    prefix, rest = pointer, ""
    while prefix:
        if (found := FIELDS.get(prefix)) is not None:
            attribute = f"{found.attribute}.{unescape(rest)}" if rest else found.attribute
            return Field(attribute, found.unit, found.update, found.unset)
        prefix, _, last = prefix.rpartition("/")
        rest = f"{last}.{rest}" if rest else last
    return Field(pointer.lstrip("/").replace("/", "."))
