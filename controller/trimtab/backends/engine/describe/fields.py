"""Which field of the engine is which attribute of a service, where one is the other's value. Pure.

The tables are read by ``service``; what is neither here nor there cannot be said in a compose file.
"""

from __future__ import annotations

from collections.abc import Mapping

from trimtab.model.untyped import section

# Field of Config: attribute.
CONFIG = {
    "User": "user",
    "WorkingDir": "working_dir",
    "StopSignal": "stop_signal",
    "Hostname": "hostname",
    "Domainname": "domainname",
    "Tty": "tty",
    "OpenStdin": "stdin_open",
    "MacAddress": "mac_address",
}
# Field of HostConfig: attribute.
HOST = {
    "Privileged": "privileged",
    "ReadonlyRootfs": "read_only",
    "Init": "init",
    "CapAdd": "cap_add",
    "CapDrop": "cap_drop",
    "SecurityOpt": "security_opt",
    "GroupAdd": "group_add",
    "UTSMode": "uts",
    "UsernsMode": "userns_mode",
    "CgroupnsMode": "cgroup",
    "Runtime": "runtime",
    "Sysctls": "sysctls",
    "StorageOpt": "storage_opt",
    "Annotations": "annotations",
    "Dns": "dns",
    "DnsSearch": "dns_search",
    "DnsOptions": "dns_opt",
    "ExtraHosts": "extra_hosts",
    "Memory": "mem_limit",
    "MemoryReservation": "mem_reservation",
    "MemorySwap": "memswap_limit",
    "MemorySwappiness": "mem_swappiness",
    "ShmSize": "shm_size",
    "OomKillDisable": "oom_kill_disable",
    "OomScoreAdj": "oom_score_adj",
    "CpuShares": "cpu_shares",
    "CpuQuota": "cpu_quota",
    "CpuPeriod": "cpu_period",
    "CpuRealtimePeriod": "cpu_rt_period",
    "CpuRealtimeRuntime": "cpu_rt_runtime",
    "CpusetCpus": "cpuset",
    "PidsLimit": "pids_limit",
    "DeviceCgroupRules": "device_cgroup_rules",
    "CgroupParent": "cgroup_parent",
}
BLKIO = {
    "BlkioWeight": "weight",
    "BlkioWeightDevice": "weight_device",
    "BlkioDeviceReadBps": "device_read_bps",
    "BlkioDeviceReadIOps": "device_read_iops",
    "BlkioDeviceWriteBps": "device_write_bps",
    "BlkioDeviceWriteIOps": "device_write_iops",
}
# What no attribute says, in the words of docker run.
UNSAID = {
    "AutoRemove": "--rm",
    "PublishAllPorts": "--publish-all",
    "VolumeDriver": "--volume-driver",
    "KernelMemory": "--kernel-memory",
    "CpusetMems": "--cpuset-mems",
    "Isolation": "--isolation",
}
_UNITS = ((1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us"))


def own(fields: Mapping[str, object], given: Mapping[str, object], name: str) -> dict[str, object]:
    """One section's fields without those that image or engine would have given anyway."""
    inherited = section(given, name)
    return {
        key: value for key, value in section(fields, name).items() if key not in inherited or inherited[key] != value
    }


def duration(nanoseconds: object) -> str:
    """As people write it: 90s, 250ms."""
    number = int(str(nanoseconds))
    for size, unit in _UNITS:
        if number % size == 0:
            return f"{number // size}{unit}"
    return f"{number}ns"
