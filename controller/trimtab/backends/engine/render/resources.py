"""How much a container may use: limits, reservations, devices, restart policy. Pure.

``deploy.resources`` and the older service attributes say the same things; where both are given,
``deploy`` wins, as Compose does it. Source: Compose Specification deploy.md; docker/compose getDeployResources.
"""

from __future__ import annotations

from collections.abc import Mapping

from trimtab.backends.engine.render.writer import ServiceReader, SpecWriter
from trimtab.manifest.compose.units import parse_size

LIMITS = ("deploy", "resources", "limits")
RESERVATIONS = ("deploy", "resources", "reservations")
NANO = 1_000_000_000


def write_resources(writer: SpecWriter) -> None:
    """Every field of the engine's ``Resources`` and the restart policy."""
    _write_memory(writer)
    _write_cpu(writer)
    _write_pids(writer)
    _write_blkio(writer)
    _write_devices(writer)
    _write_ulimits(writer)
    _write_restart(writer)
    writer.put("/HostConfig/CgroupParent", writer.reader.text("cgroup_parent"), "cgroup_parent")


def _write_memory(writer: SpecWriter) -> None:
    reader = writer.reader
    for field, old, new in (("Memory", "mem_limit", LIMITS), ("MemoryReservation", "mem_reservation", RESERVATIONS)):
        chosen: tuple[str, ...] = (*new, "memory") if reader.get(*new, "memory") not in (None, "") else (old,)
        size_bytes = reader.size_bytes(*chosen)
        if size_bytes:
            writer.put(f"/HostConfig/{field}", size_bytes, *chosen)
    swap = reader.text("memswap_limit")
    if swap:
        writer.put("/HostConfig/MemorySwap", -1 if swap == "-1" else parse_size(swap), "memswap_limit")
    swappiness = reader.integer("mem_swappiness")
    if swappiness is not None:
        writer.put("/HostConfig/MemorySwappiness", swappiness, "mem_swappiness", keep_empty=True)
    writer.put("/HostConfig/ShmSize", reader.size_bytes("shm_size"), "shm_size")
    writer.put("/HostConfig/OomKillDisable", reader.flag("oom_kill_disable"), "oom_kill_disable")
    score = reader.integer("oom_score_adj")
    if score:
        writer.put("/HostConfig/OomScoreAdj", score, "oom_score_adj")


def _write_cpu(writer: SpecWriter) -> None:
    reader = writer.reader
    chosen: tuple[str, ...] = (*LIMITS, "cpus") if reader.get(*LIMITS, "cpus") not in (None, "") else ("cpus",)
    cpus = reader.number(*chosen)
    if cpus:
        writer.put("/HostConfig/NanoCpus", round(cpus * NANO), *chosen)
    for field, attribute in (("CpuShares", "cpu_shares"), ("CpuQuota", "cpu_quota"), ("CpuPeriod", "cpu_period")):
        value = reader.text(attribute)
        if value:
            number = (
                round(float(value))
                if value.replace(".", "", 1).lstrip("-").isdigit()
                else _microseconds(reader, attribute)
            )
            writer.put(f"/HostConfig/{field}", number or None, attribute)
    for field, attribute in (("CpuRealtimePeriod", "cpu_rt_period"), ("CpuRealtimeRuntime", "cpu_rt_runtime")):
        value = reader.text(attribute)
        if value:
            writer.put(
                f"/HostConfig/{field}", int(value) if value.isdigit() else _microseconds(reader, attribute), attribute
            )
    writer.put("/HostConfig/CpusetCpus", reader.text("cpuset"), "cpuset")


def _microseconds(reader: ServiceReader, attribute: str) -> int:
    return (reader.duration_ns(attribute) or 0) // 1000


def _write_pids(writer: SpecWriter) -> None:
    reader = writer.reader
    chosen: tuple[str, ...] = (*LIMITS, "pids") if reader.get(*LIMITS, "pids") not in (None, "") else ("pids_limit",)
    limit = reader.integer(*chosen)
    # 0 and -1 both mean without limit, which is what the engine has when nothing is said.
    if limit and limit > 0:
        writer.put("/HostConfig/PidsLimit", limit, *chosen)


def _write_blkio(writer: SpecWriter) -> None:
    reader = writer.reader
    weight = reader.integer("blkio_config", "weight")
    if weight:
        writer.put("/HostConfig/BlkioWeight", weight, "blkio_config", "weight")
    weights = [
        {"Path": str(item["path"]), "Weight": int(str(item["weight"]))}
        for item in reader.items("blkio_config", "weight_device")
        if isinstance(item, Mapping)
    ]
    writer.put("/HostConfig/BlkioWeightDevice", _by_path(weights), "blkio_config", "weight_device")
    for field, attribute in (
        ("BlkioDeviceReadBps", "device_read_bps"),
        ("BlkioDeviceReadIOps", "device_read_iops"),
        ("BlkioDeviceWriteBps", "device_write_bps"),
        ("BlkioDeviceWriteIOps", "device_write_iops"),
    ):
        rates = [
            {"Path": str(item["path"]), "Rate": parse_size(str(item["rate"]))}
            for item in reader.items("blkio_config", attribute)
            if isinstance(item, Mapping)
        ]
        writer.put(f"/HostConfig/{field}", _by_path(rates), "blkio_config", attribute)


def _by_path(devices: list[dict[str, object]]) -> list[dict[str, object]]:
    return sorted(devices, key=lambda device: str(device["Path"]))


def _write_devices(writer: SpecWriter) -> None:
    reader = writer.reader
    devices = [
        {
            "PathOnHost": str(item["source"]),
            "PathInContainer": str(item.get("target") or item["source"]),
            "CgroupPermissions": str(item.get("permissions") or "rwm"),
        }
        for item in reader.items("devices")
        if isinstance(item, Mapping)
    ]
    writer.put("/HostConfig/Devices", sorted(devices, key=lambda device: device["PathInContainer"]), "devices")
    writer.put("/HostConfig/DeviceCgroupRules", sorted(reader.texts("device_cgroup_rules")), "device_cgroup_rules")
    requests = [_device_request(item) for item in reader.items(*RESERVATIONS, "devices") if isinstance(item, Mapping)]
    requests += [
        _device_request({**item, "capabilities": [*_listed(item, "capabilities"), "gpu"]})
        for item in reader.items("gpus")
        if isinstance(item, Mapping)
    ]
    writer.put("/HostConfig/DeviceRequests", requests, "gpus" if reader.items("gpus") else "deploy")


def _listed(item: Mapping[str, object], name: str) -> list[str]:
    value = item.get(name)
    return [str(v) for v in value] if isinstance(value, list | tuple) else []


def _device_request(item: Mapping[str, object]) -> dict[str, object]:
    count = item.get("count")
    ids = _listed(item, "device_ids")
    number = 0 if ids else (-1 if count in (None, "", "all") else int(str(count)))
    options = item.get("options")
    request: dict[str, object] = {"Count": number, "Capabilities": [sorted(set(_listed(item, "capabilities")))]}
    if item.get("driver"):
        request["Driver"] = str(item["driver"])
    if ids:
        request["DeviceIDs"] = ids
    if isinstance(options, Mapping) and options:
        request["Options"] = {str(k): str(v) for k, v in sorted(options.items())}
    return request


def _write_ulimits(writer: SpecWriter) -> None:
    reader = writer.reader
    ulimits: dict[str, object] = {}
    for name, value in sorted(reader.mapping("ulimits").items()):
        if isinstance(value, Mapping):
            ulimits[name] = {"Soft": int(str(value.get("soft", 0))), "Hard": int(str(value.get("hard", 0)))}
        else:
            ulimits[name] = {"Soft": int(str(value)), "Hard": int(str(value))}
    writer.put("/HostConfig/Ulimits", ulimits, "ulimits")


def restart_policy(reader: ServiceReader) -> tuple[str, int, tuple[str, ...]]:
    """The engine's policy, how often it tries (0: no limit), and the attribute that says so; "no" without one."""
    restart = reader.text("restart")
    condition = reader.text("deploy", "restart_policy", "condition")
    if condition or reader.mapping("deploy", "restart_policy"):
        # Source: Compose Specification deploy.md: the default condition is any.
        name = {"none": "no", "on-failure": "on-failure"}.get(condition, "always")
        attempts = reader.integer("deploy", "restart_policy", "max_attempts") or 0
        attribute: tuple[str, ...] = ("deploy", "restart_policy")
    elif restart:
        name, _, count = restart.partition(":")
        attempts = int(count) if count else 0
        attribute = ("restart",)
    else:
        return "no", 0, ()
    return name, attempts if name == "on-failure" else 0, attribute


def _write_restart(writer: SpecWriter) -> None:
    name, retries, attribute = restart_policy(writer.reader)
    if name != "no":
        writer.put("/HostConfig/RestartPolicy", {"Name": name, "MaximumRetryCount": retries}, *attribute)
