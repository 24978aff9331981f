"""Networks and volumes as the engine's objects. Pure.

Source: Compose Specification 06-networks, 07-volumes; Engine API NetworkCreate, VolumeCreate.
"""

from __future__ import annotations

from collections.abc import Mapping

from trimtab.backends.engine.labels import user_labels
from trimtab.model.application import Application, ComposeProject, Pointer
from trimtab.model.desired import Resource
from trimtab.model.diagnostics import Origin
from trimtab.model.keys import Kind, ResourceKey
from trimtab.model.sensitive import sensitive_values
from trimtab.plan.canonical import digest

# What the engine takes when nothing is said, so that saying it is no difference.
DEFAULT_DRIVER = {Kind.NETWORK: "bridge", Kind.VOLUME: "local"}


def network_resource(app: Application, name: str) -> Resource:
    """One top-level network."""
    definition = app.compose.networks.get(name) or {}
    spec = _common(definition, Kind.NETWORK, "driver_opts", "Options")
    for field, attribute in (("Internal", "internal"), ("Attachable", "attachable"), ("EnableIPv6", "enable_ipv6")):
        if definition.get(attribute):
            spec[field] = True
    if definition.get("enable_ipv4") is False:
        spec["EnableIPv4"] = False
    ipam = definition.get("ipam")
    if isinstance(ipam, Mapping):
        spec |= _ipam(ipam)
    return _resource(app, Kind.NETWORK, name, definition, spec)


def volume_resource(app: Application, name: str) -> Resource:
    """One top-level volume."""
    definition = app.compose.volumes.get(name) or {}
    return _resource(app, Kind.VOLUME, name, definition, _common(definition, Kind.VOLUME, "driver_opts", "DriverOpts"))


def _common(
    definition: Mapping[str, object], kind: Kind, options_attribute: str, options_field: str
) -> dict[str, object]:
    spec: dict[str, object] = {}
    driver = str(definition.get("driver") or "")
    if driver and driver not in {"default", DEFAULT_DRIVER[kind]}:
        spec["Driver"] = driver
    options = definition.get(options_attribute)
    if isinstance(options, Mapping) and options:
        spec[options_field] = {str(k): str(v) for k, v in sorted(options.items())}
    labels = definition.get("labels")
    if isinstance(labels, Mapping):
        own = user_labels({str(k): str(v) for k, v in labels.items()})
        if own:
            spec["Labels"] = own
    return spec


def _ipam(ipam: Mapping[str, object]) -> dict[str, object]:
    out: dict[str, object] = {}
    driver = str(ipam.get("driver") or "")
    if driver and driver != "default":
        out["Driver"] = driver
    pools = []
    configs = ipam.get("config")
    for pool in configs if isinstance(configs, list | tuple) else ():
        if isinstance(pool, Mapping):
            entry: dict[str, object] = {}
            for field, attribute in (("Subnet", "subnet"), ("IPRange", "ip_range"), ("Gateway", "gateway")):
                if pool.get(attribute):
                    entry[field] = str(pool[attribute])
            auxiliary = pool.get("aux_addresses")
            if isinstance(auxiliary, Mapping) and auxiliary:
                entry["AuxiliaryAddresses"] = {str(k): str(v) for k, v in sorted(auxiliary.items())}
            if entry:
                pools.append(entry)
    if pools:
        out["Config"] = pools
    options = ipam.get("options")
    if isinstance(options, Mapping) and options:
        out["Options"] = {str(k): str(v) for k, v in sorted(options.items())}
    return {"IPAM": out} if out else {}


_ATTRIBUTES = {
    "Driver": "driver",
    "Options": "driver_opts",
    "DriverOpts": "driver_opts",
    "Labels": "labels",
    "IPAM": "ipam",
}


def _resource(
    app: Application, kind: Kind, name: str, definition: Mapping[str, object], spec: Mapping[str, object]
) -> Resource:
    section = f"{kind.value}s"
    external = bool(definition.get("external"))
    return Resource(
        key=ResourceKey(app.key, kind, name),
        name=str(definition.get("name") or f"{app.key.project}_{name}"),
        spec={} if external else spec,
        digest=digest({} if external else spec),
        origins=_origins(app.compose, (section, name), spec),
        external=external,
        hides=sensitive_values(app.compose.environment),
    )


def _origins(project: ComposeProject, base: Pointer, spec: Mapping[str, object]) -> dict[str, Origin]:
    found = {"": project.origin(*base)}
    for field in spec:
        found[f"/{field}"] = project.origin(*base, _ATTRIBUTES.get(field, field.lower()))
    return {pointer: origin for pointer, origin in found.items() if origin is not None}
