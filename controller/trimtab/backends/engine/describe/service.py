"""One container as a service of a compose file. Pure.

The way back from ``render.service``; a test creates containers from generated specifications on a real engine and
expects that what is written here plans nothing for them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from trimtab.backends.engine.describe.fields import BLKIO, CONFIG, HOST, UNSAID, duration, own
from trimtab.backends.engine.describe.secrets import Variables
from trimtab.model.observed import Live
from trimtab.model.untyped import members, section

_NANO = 1_000_000_000
_OWN_MODES = ("none", "host", "bridge")
# Not what the engine calls a volume that nobody named.
_NAMED = re.compile(r"^(?![0-9a-f]{64}$).")


class ServiceWriter:
    """Writes one service. ``names`` maps the engine's names of volumes and networks to those of the file."""

    def __init__(self, live: Live, service: str, variables: Variables, names: Mapping[str, Mapping[str, str]]) -> None:
        self._live = live
        self._service = service
        self._variables = variables
        self._names = names
        self.out: dict[str, object] = {}
        self.notes: list[str] = []

    def write(self) -> dict[str, object]:
        """The service, in the order in which people write one."""
        live = self._live
        config = own(live.fields, live.inherited, "Config")
        host = own(live.fields, live.inherited, "HostConfig")
        self.out["image"] = str(section(live.fields, "Config").get("Image") or "")
        self._config(config, section(live.inherited, "Config"))
        self._host(host)
        self._limits(host)
        self._mounts()
        self._networks(str(section(live.fields, "HostConfig").get("NetworkMode") or ""), host)
        for field in sorted(UNSAID):
            if field in host and host[field] != "default":
                self.notes.append(f"{self._service}: {UNSAID[field]} of docker run cannot be said in a compose file")
        return {name: value for name, value in self.out.items() if value not in (None, "", [], {})}

    def _text(self, attribute: str, name: str, value: object) -> str:
        place = f"services.{self._service}.{attribute}" + (f".{name}" if name else "")
        return self._variables.text(place, name, str(value))

    def _texts(self, attribute: str, values: object) -> list[str]:
        return [self._text(attribute, "", value) for value in members(values)]

    def _mapping(self, attribute: str, values: Mapping[str, object]) -> dict[str, str]:
        return {str(name): self._text(attribute, str(name), values[name]) for name in sorted(values)}

    def _plain(self, attribute: str, value: object) -> object:
        match value:
            case str():
                return self._text(attribute, "", value)
            case Mapping():
                return self._mapping(attribute, value)
            case list() | tuple():
                return [self._plain(attribute, item) for item in value]
            case _:
                return value

    def _config(self, config: Mapping[str, object], image: Mapping[str, object]) -> None:
        for field, attribute in (("Entrypoint", "entrypoint"), ("Cmd", "command")):
            if field in config:
                self.out[attribute] = self._texts(attribute, config[field])
        whole = section(self._live.fields, "Config")
        if "Entrypoint" in config and "Cmd" in whole:
            # An own entrypoint drops the image's command, so that it has to be said although it is the same.
            self.out["command"] = self._texts("command", whole["Cmd"])
        for field, attribute in CONFIG.items():
            if field in config:
                self.out[attribute] = self._plain(attribute, config[field])
        for field, attribute in (("Env", "environment"), ("Labels", "labels")):
            inherited = section(image, field)
            values = {k: v for k, v in section(config, field).items() if inherited.get(k) != v}
            self.out[attribute] = self._mapping(attribute, values)
        if (timeout := config.get("StopTimeout")) is not None:
            self.out["stop_grace_period"] = f"{timeout}s"
        published = section(section(self._live.fields, "HostConfig"), "PortBindings")
        known = {str(port) for port in (*members(image.get("ExposedPorts")), *published)}
        self.out["expose"] = [str(port) for port in members(config.get("ExposedPorts")) if str(port) not in known]
        if "Healthcheck" in config:
            self.out["healthcheck"] = self._healthcheck(section(config, "Healthcheck"))

    def _healthcheck(self, check: Mapping[str, object]) -> dict[str, object]:
        test = members(check.get("Test"))
        if test == ["NONE"]:
            return {"disable": True}
        out: dict[str, object] = {"test": self._texts("healthcheck", test)} if test else {}
        for field, attribute in (
            ("Interval", "interval"),
            ("Timeout", "timeout"),
            ("StartPeriod", "start_period"),
            ("StartInterval", "start_interval"),
        ):
            if field in check:
                out[attribute] = duration(check[field])
        if "Retries" in check:
            out["retries"] = check["Retries"]
        return out

    def _host(self, host: Mapping[str, object]) -> None:
        policy = section(host, "RestartPolicy")
        if policy:
            count = f":{policy['MaximumRetryCount']}" if policy.get("MaximumRetryCount") else ""
            self.out["restart"] = f"{policy.get('Name')}{count}"
        for field, attribute in HOST.items():
            if field in host:
                self.out[attribute] = self._plain(attribute, host[field])
        for field, attribute in (("PidMode", "pid"), ("IpcMode", "ipc")):
            if field in host:
                self.out[attribute] = _reference(str(host[field]))
        if log := section(host, "LogConfig"):
            driver = {"driver": str(log["Type"])} if log.get("Type") else {}
            self.out["logging"] = {**driver, "options": self._mapping("logging", section(log, "Config"))}
        self.out["ports"] = [
            _port(str(port), binding)
            for port, bindings in sorted(section(host, "PortBindings").items())
            for binding in members(bindings)
            if isinstance(binding, Mapping)
        ]
        self.out["volumes_from"] = [
            text.removeprefix("service:") if text.startswith("service:") else f"container:{text}"
            for text in (str(source) for source in members(host.get("VolumesFrom")))
        ]

    def _limits(self, host: Mapping[str, object]) -> None:
        if "NanoCpus" in host:
            self.out["cpus"] = int(str(host["NanoCpus"])) / _NANO
        self.out["ulimits"] = {
            name: {"soft": limit["Soft"], "hard": limit["Hard"]}
            for name, limit in sorted(section(host, "Ulimits").items())
            if isinstance(limit, Mapping)
        }
        self.out["devices"] = [
            f"{item['PathOnHost']}:{item['PathInContainer']}:{item['CgroupPermissions']}"
            for item in members(host.get("Devices"))
            if isinstance(item, Mapping)
        ]
        blkio: dict[str, object] = {}
        for field, attribute in BLKIO.items():
            if field == "BlkioWeight" and field in host:
                blkio[attribute] = host[field]
            elif field in host:
                blkio[attribute] = [
                    {key.lower(): item[key] for key in sorted(item)}
                    for item in members(host[field])
                    if isinstance(item, Mapping)
                ]
        self.out["blkio_config"] = blkio
        requests = [_device_request(item) for item in members(host.get("DeviceRequests")) if isinstance(item, Mapping)]
        if requests:
            reservations: dict[str, object] = {"devices": requests}
            if "mem_reservation" in self.out:
                # Both places may not be used together.
                reservations["memory"] = str(self.out.pop("mem_reservation"))
            self.out["deploy"] = {"resources": {"reservations": reservations}}

    def _mounts(self) -> None:
        inherited = section(self._live.inherited, "Mounts")
        volumes: list[object] = []
        for target, mount in sorted(section(self._live.fields, "Mounts").items()):
            if isinstance(mount, Mapping):
                anonymous = mount.get("Type") == "volume" and not _NAMED.search(str(mount.get("Source") or ""))
                if anonymous and target in inherited and not mount.get("NoCopy"):
                    continue
                volumes.append(self._mount(target, mount, anonymous=anonymous))
        self.out["volumes"] = volumes
        tmpfs = section(section(self._live.fields, "HostConfig"), "Tmpfs")
        self.out["tmpfs"] = [f"{path}:{tmpfs[path]}" if tmpfs[path] else path for path in sorted(tmpfs)]

    def _mount(self, target: str, mount: Mapping[str, object], *, anonymous: bool) -> dict[str, object]:
        kind, source = str(mount.get("Type")), str(mount.get("Source") or "")
        out: dict[str, object] = {"type": kind}
        if source and not anonymous:
            named = self._names["volumes"].get(source, source) if kind == "volume" else source
            out["source"] = named.replace("$", "$$")
        out["target"] = target.replace("$", "$$")
        if mount.get("ReadOnly"):
            out["read_only"] = True
        options: dict[str, object] = {}
        match kind:
            case "bind":
                options = {"create_host_path": bool(mount.get("CreateMountpoint"))}
                options |= {
                    a: mount[f] for f, a in (("Propagation", "propagation"), ("Recursive", "recursive")) if mount.get(f)
                }
            case "volume":
                pairs = (("NoCopy", "nocopy"), ("Subpath", "subpath"), ("Labels", "labels"))
                options = {a: mount[f] for f, a in pairs if mount.get(f)}
            case "tmpfs":
                options = {a: mount[f] for f, a in (("TmpfsSize", "size"), ("TmpfsMode", "mode")) if mount.get(f)}
            case _:
                pass
        if options:
            out[kind] = options
        return out

    def _networks(self, mode: str, host: Mapping[str, object]) -> None:
        attached = section(self._live.fields, "Networks")
        links = {str(link) for link in members(host.get("Links"))}
        if mode in _OWN_MODES or mode.startswith("container:") or not attached:
            self.out["network_mode"] = _reference(mode)
            self.out["external_links"] = sorted(links)
            return
        names = self._names["networks"]
        ordered = sorted(names.get(network, network) for network in attached)
        first = names.get(mode, mode)
        networks: dict[str, object] = {}
        for network, endpoint in sorted(attached.items()):
            name = names.get(network, network)
            options = self._endpoint(endpoint if isinstance(endpoint, Mapping) else {})
            if name == first and ordered[0] != first:
                # The one that decides the default route is not the first by name.
                options["priority"] = 1
            networks[name] = options or None
            links |= {str(link) for link in members(section(attached, network).get("Links"))}
        self.out["external_links"] = sorted(links)
        self.out["networks"] = {} if networks == {"default": None} else networks

    def _endpoint(self, endpoint: Mapping[str, object]) -> dict[str, object]:
        live = self._live
        aliases = {str(alias) for alias in members(endpoint.get("Aliases"))}
        out: dict[str, object] = {"aliases": sorted(aliases - {live.name, live.adopted, self._service})}
        for field, attribute in (
            ("IPv4Address", "ipv4_address"),
            ("IPv6Address", "ipv6_address"),
            ("LinkLocalIPs", "link_local_ips"),
            ("DriverOpts", "driver_opts"),
            ("GwPriority", "gw_priority"),
        ):
            out[attribute] = endpoint.get(field)
        return {name: value for name, value in out.items() if value}


def _reference(mode: str) -> str:
    return mode.removeprefix("container:") if mode.startswith("container:service:") else mode


def _port(port: str, binding: Mapping[str, object]) -> dict[str, object]:
    number, _, protocol = port.partition("/")
    out: dict[str, object] = {"target": int(number)}
    if binding.get("HostPort"):
        out["published"] = str(binding["HostPort"])
    if binding.get("HostIp"):
        out["host_ip"] = str(binding["HostIp"])
    return {**out, "protocol": protocol or "tcp"}


def _device_request(item: Mapping[str, object]) -> dict[str, object]:
    sets = members(item.get("Capabilities"))
    out: dict[str, object] = {"capabilities": members(sets[0]) if sets else []}
    if item.get("Driver"):
        out["driver"] = item["Driver"]
    if item.get("DeviceIDs"):
        out["device_ids"] = item["DeviceIDs"]
    else:
        out["count"] = "all" if item.get("Count") == -1 else item.get("Count")
    if item.get("Options"):
        out["options"] = item["Options"]
    return out
