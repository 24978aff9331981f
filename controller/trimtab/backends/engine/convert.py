"""Specs as the bodies of the Engine API's requests: the only place where secrets are revealed. Pure.

What the engine's API version cannot express is refused with the version that can; nothing is dropped.
Source: Engine API version history, v1.41 to v1.51.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trimtab.backends.engine.normalise.mounts import CONTENT, RECURSIVE
from trimtab.errors import UnsupportedByBackend
from trimtab.model.desired import Secret
from trimtab.model.untyped import mapping, members

Version = tuple[int, int]
Body = dict[str, Any]

SERVICE = "service:"
_DOCKER_RELEASES = {42: "23.0", 43: "24.0", 44: "25.0", 45: "26.0", 46: "27.0", 48: "28.0", 49: "28.1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What the references in a spec point to now: container ids of services, mount points of content volumes."""

    services: Mapping[str, str] = field(default_factory=dict)
    mountpoints: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRequest:
    """A container's create body, and the endpoints that this API version attaches afterwards, by network."""

    body: Body
    later: tuple[tuple[str, Body], ...]


def reveal(value: object) -> Any:
    """Plain JSON, with secrets as what they are."""
    match value:
        case Secret():
            return value.reveal()
        case Mapping():
            return {str(key): reveal(item) for key, item in value.items()}
        case list() | tuple():
            return [reveal(item) for item in value]
        case _:
            return value


def references(spec: Mapping[str, object]) -> tuple[frozenset[str], frozenset[str]]:
    """(services, content volumes) that a container's spec refers to."""
    host = mapping(spec.get("HostConfig"))
    services = {
        mode.removeprefix("container:").removeprefix(SERVICE)
        for mode in (str(host.get(name) or "") for name in ("NetworkMode", "PidMode", "IpcMode"))
        if mode.startswith(f"container:{SERVICE}")
    }
    services |= {str(s).split(":")[1] for s in members(host.get("VolumesFrom")) if str(s).startswith(SERVICE)}
    sources = (str(mapping(mount).get("Source") or "") for mount in mapping(spec.get("Mounts")).values())
    return frozenset(services), frozenset(
        s.removeprefix(CONTENT).partition("/")[0] for s in sources if s.startswith(CONTENT)
    )


def container_request(
    spec: Mapping[str, object],
    labels: Mapping[str, str],
    *,
    api: Version,
    resolved: Resolved,
    image: Mapping[str, Any] | None = None,
) -> CreateRequest:
    """What ``POST /containers/create`` takes. ``image``: its inspect, needed when ``Cmd`` is emptied.

    Raises:
        UnsupportedByBackend: this engine cannot express something in ``spec``.
    """
    config, host = dict(mapping(spec.get("Config"))), dict(mapping(spec.get("HostConfig")))
    body = _config(config, host, api, image)
    body["Labels"] = {**{k: str(reveal(v)) for k, v in mapping(config.get("Labels")).items()}, **labels}
    body["HostConfig"] = host_body = _host(host, api, resolved)
    mounts, binds = _mounts(mapping(spec.get("Mounts")), api, resolved)
    if mounts:
        host_body["Mounts"] = mounts
    if binds:
        host_body["Binds"] = binds
    first = str(host.get("NetworkMode") or "")
    endpoints = {name: dict(mapping(e)) for name, e in sorted(mapping(spec.get("Networks")).items())}
    if mac := config.get("MacAddress"):
        if first in {"none", "host"} or ":" in first:
            # The engine drops it, or refuses it, by version.
            raise UnsupportedByBackend(
                f"mac_address {mac}: with network_mode {first} there is no network card to give it to",
                hint="leave out mac_address, or attach a network",
            )
        if api < (1, 44):
            body["MacAddress"] = mac
        else:
            endpoints.setdefault(first or "bridge", {}).setdefault("MacAddress", mac)
    elif api < (1, 44) and first in endpoints and "MacAddress" in endpoints[first]:
        # Before endpoints had addresses of their own, the container's was that of its first network.
        body["MacAddress"] = endpoints[first].pop("MacAddress")
    ordered = sorted(endpoints, key=lambda name: (name != first, name))
    now = ordered if api >= (1, 44) else ordered[:1]
    if now:
        body["NetworkingConfig"] = {"EndpointsConfig": {name: endpoint_body(endpoints[name], api) for name in now}}
    later = tuple((name, endpoint_body(endpoints[name], api)) for name in ordered[len(now) :])
    return CreateRequest(body=body, later=later)


def endpoint_body(endpoint: Mapping[str, object], api: Version) -> Body:
    """An EndpointSettings of the API."""
    body: Body = {}
    ipam = {key: reveal(endpoint[key]) for key in ("IPv4Address", "IPv6Address", "LinkLocalIPs") if endpoint.get(key)}
    if ipam:
        body["IPAMConfig"] = ipam
    for key in ("Aliases", "Links", "DriverOpts"):
        if endpoint.get(key):
            body[key] = reveal(endpoint[key])
    if "com.docker.network.endpoint.ifname" in mapping(endpoint.get("DriverOpts")):
        _need(api, 49, "networks.interface_name")
    if endpoint.get("MacAddress"):
        _need(api, 44, "networks.mac_address on more than the first network")
        body["MacAddress"] = endpoint["MacAddress"]
    if endpoint.get("GwPriority"):
        _need(api, 48, "networks.gw_priority")
        body["GwPriority"] = endpoint["GwPriority"]
    return body


def network_body(name: str, spec: Mapping[str, object], labels: Mapping[str, str], api: Version) -> Body:
    """What ``POST /networks/create`` takes."""
    body: Body = {"Name": name, "CheckDuplicate": True, "Driver": str(spec.get("Driver") or "bridge")}
    for key in ("Internal", "Attachable", "EnableIPv6"):
        if spec.get(key):
            body[key] = True
    if spec.get("EnableIPv4") is False:
        _need(api, 48, "networks.enable_ipv4: false")
        body["EnableIPv4"] = False
    if spec.get("Options"):
        body["Options"] = reveal(spec["Options"])
    if ipam := mapping(spec.get("IPAM")):
        body["IPAM"] = {"Driver": "default", **reveal(ipam)}
    body["Labels"] = {**reveal(mapping(spec.get("Labels"))), **labels}
    return body


def volume_body(name: str, spec: Mapping[str, object], labels: Mapping[str, str]) -> Body:
    """What ``POST /volumes/create`` takes."""
    return {
        "Name": name,
        "Driver": str(spec.get("Driver") or "local"),
        "DriverOpts": reveal(mapping(spec.get("DriverOpts"))),
        "Labels": {**reveal(mapping(spec.get("Labels"))), **labels},
    }


def host_body(host: Mapping[str, object], api: Version) -> Body:
    """The fields of ``POST /containers/{id}/update``: Resources and RestartPolicy."""
    return _host(host, api, Resolved())


def _config(
    config: Mapping[str, object], host: Mapping[str, object], api: Version, image: Mapping[str, Any] | None
) -> Body:
    body: Body = {
        key: reveal(config[key])
        for key in (
            "Image",
            "User",
            "WorkingDir",
            "Hostname",
            "Domainname",
            "StopSignal",
            "StopTimeout",
            "Tty",
            "OpenStdin",
            "StdinOnce",
        )
        if key in config
    }
    if env := mapping(config.get("Env")):
        body["Env"] = [f"{name}={reveal(value)}" for name, value in env.items()]
    ports = {str(port) for port in members(config.get("ExposedPorts"))} | {
        str(port) for port in mapping(host.get("PortBindings"))
    }
    if ports:
        # A port that is not exposed is not published either.
        body["ExposedPorts"] = {port: {} for port in sorted(ports)}
    if check := mapping(config.get("Healthcheck")):
        if "StartInterval" in check:
            _need(api, 44, "healthcheck.start_interval")
        body["Healthcheck"] = reveal(check)
    if "Entrypoint" in config:
        # The engine takes an empty list for "the image's"; one empty word clears it.
        body["Entrypoint"] = reveal(config["Entrypoint"]) or [""]
    if "Cmd" in config:
        body["Cmd"] = reveal(config["Cmd"])
        if not body["Cmd"] and "Entrypoint" not in body:
            # Only beside an entrypoint of its own does an empty command not mean the image's.
            entrypoint = (image or {}).get("Config", {}).get("Entrypoint")
            if not entrypoint:
                raise UnsupportedByBackend(
                    f"command: [] leaves nothing to run: image {config.get('Image')} has no entrypoint",
                    hint="give a command or an entrypoint",
                )
            body["Entrypoint"] = entrypoint
    return body


def _host(host: Mapping[str, object], api: Version, resolved: Resolved) -> Body:
    body: Body = {key: reveal(host[key]) for key in sorted(host)}
    if body.get("Annotations"):
        _need(api, 43, "annotations")
    for mode in ("NetworkMode", "PidMode", "IpcMode"):
        if mode in body:
            body[mode] = _mode(str(body[mode]), resolved)
    if "VolumesFrom" in body:
        body["VolumesFrom"] = [_volumes_from(source, resolved) for source in body["VolumesFrom"]]
    if "Ulimits" in body:
        body["Ulimits"] = [{"Name": name, **limit} for name, limit in body["Ulimits"].items()]
    if "systempaths=unconfined" in body.get("SecurityOpt", ()):
        # An option of clients, not of the engine: it means that nothing of /proc and /sys is hidden.
        body["SecurityOpt"] = [option for option in body["SecurityOpt"] if option != "systempaths=unconfined"]
        body["MaskedPaths"] = []
        body["ReadonlyPaths"] = []
    return body


def _mode(mode: str, resolved: Resolved) -> str:
    prefix = f"container:{SERVICE}"
    return f"container:{resolved.services[mode.removeprefix(prefix)]}" if mode.startswith(prefix) else mode


def _volumes_from(source: str, resolved: Resolved) -> str:
    if not source.startswith(SERVICE):
        return source
    _, service, access = source.split(":", 2)
    return f"{resolved.services[service]}:{access}"


def _mounts(mounts: Mapping[str, object], api: Version, resolved: Resolved) -> tuple[list[Body], list[str]]:
    """(HostConfig.Mounts, HostConfig.Binds); the latter only where there is no other way to have a directory made."""
    long: list[Body] = []
    short: list[str] = []
    for target in sorted(mounts):
        mount = dict(reveal(mapping(mounts[target])))
        source = str(mount.get("Source") or "")
        if source.startswith(CONTENT):
            long.append(_content(target, source, api, resolved))
        elif mount.get("CreateMountpoint") and api < (1, 42):
            short.append(_bind(target, mount))
        else:
            long.append(_mount(target, mount, api))
    return long, short


def _content(target: str, source: str, api: Version, resolved: Resolved) -> Body:
    volume, _, path = source.removeprefix(CONTENT).partition("/")
    if api >= (1, 45):
        options: Body = {"NoCopy": True, **({"Subpath": path} if path else {})}
        return {"Type": "volume", "Source": volume, "Target": target, "ReadOnly": True, "VolumeOptions": options}
    if not path:
        return {
            "Type": "volume",
            "Source": volume,
            "Target": target,
            "ReadOnly": True,
            "VolumeOptions": {"NoCopy": True},
        }
    return {"Type": "bind", "Source": f"{resolved.mountpoints[volume]}/{path}", "Target": target, "ReadOnly": True}


def _bind(target: str, mount: Mapping[str, Any]) -> str:
    source = str(mount["Source"])
    if ":" in source or ":" in target or mount.get("Recursive"):
        _need((1, 41), 42, f"bind.create_host_path for {source}")
    options = [
        *(["ro"] if mount.get("ReadOnly") else []),
        *([mount["Propagation"]] if mount.get("Propagation") else []),
    ]
    return ":".join([source, target, *([",".join(options)] if options else [])])


def _mount(target: str, mount: Mapping[str, Any], api: Version) -> Body:
    if mount.get("Subpath"):
        _need(api, 45, "volume.subpath")
    options: dict[str, Body] = {
        "BindOptions": {key: mount.get(key) for key in ("Propagation", "CreateMountpoint")} | _recursive(mount, api),
        "VolumeOptions": {key: mount.get(key) for key in ("NoCopy", "Subpath", "Labels")},
        "TmpfsOptions": {"SizeBytes": mount.get("TmpfsSize"), "Mode": mount.get("TmpfsMode")},
    }
    body: Body = {"Type": mount["Type"], "Target": target}
    body |= {key: mount[key] for key in ("Source", "ReadOnly") if mount.get(key)}
    for name, values in options.items():
        if said := {key: value for key, value in values.items() if value}:
            body[name] = said
    return body


def _recursive(mount: Mapping[str, Any], api: Version) -> Body:
    word = mount.get("Recursive")
    if word is None:
        return {}
    option = next((option for option, known in RECURSIVE.items() if known == word), None)
    if option is None:
        raise UnsupportedByBackend(
            f"bind.recursive: {word} is not known", hint=f"one of {', '.join(RECURSIVE.values())}"
        )
    if option != "NonRecursive":
        _need(api, 44, f"bind.recursive: {word}")
    return {option: True}


def _need(api: Version, minor: int, attribute: str) -> None:
    if api < (1, minor):
        raise UnsupportedByBackend(
            f"{attribute} needs Engine API 1.{minor}, this engine speaks {api[0]}.{api[1]}",
            hint=f"use Docker {_DOCKER_RELEASES[minor]} or newer, or leave it out",
        )
