"""How ids read in a spec: what ``inspect`` says of other objects by id, said by their names. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """How ids read in a spec: containers of the application by id and name, content volumes with their mount points."""

    services: Mapping[str, str] = field(default_factory=dict)
    contents: Mapping[str, str] = field(default_factory=dict)
    networks: Mapping[str, str] = field(default_factory=dict)


def network_mode(host: Mapping[str, object], names: Names) -> str:
    """The network mode, with the application's own networks and containers by their names."""
    mode = str(host.get("NetworkMode") or "default")
    if mode == "default":
        return "bridge"
    return names.networks.get(mode, reference(mode, names))


def reference(mode: str, names: Names) -> str:
    """``container:<id>`` of a container of the application, as the spec writes it."""
    prefix, colon, target = mode.partition(":")
    if prefix == "container" and colon and (service := names.services.get(target)):
        return f"container:service:{service}"
    return mode


def volumes_from(source: str, names: Names) -> str:
    """An entry of ``VolumesFrom``, its container by the name of its service."""
    target, _, access = source.partition(":")
    service = names.services.get(target)
    return f"service:{service}:{access or 'rw'}" if service else f"{target}:{access or 'rw'}"
