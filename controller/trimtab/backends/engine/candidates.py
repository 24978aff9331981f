"""What runs already and may be taken over: a compose project, or single containers, as the engine shows them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trimtab.backends.engine.adoptions import witness_of
from trimtab.backends.engine.errors import Missing
from trimtab.backends.engine.labels import COMPOSE_PREFIX
from trimtab.errors import UserError
from trimtab.model.keys import Kind

if TYPE_CHECKING:
    from trimtab.backends.engine.client import EngineClient

PROJECT = COMPOSE_PREFIX + "project"
SERVICE = COMPOSE_PREFIX + "service"
NUMBER = COMPOSE_PREFIX + "container-number"
ONE_OFF = COMPOSE_PREFIX + "oneoff"
DEPENDS_ON = COMPOSE_PREFIX + "depends_on"
# Networks that every engine has.
BUILT_IN = ("bridge", "host", "none")
_ANONYMOUS = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One object. ``service`` and ``number`` of a container, ``witness`` of a volume; see ``adoptions.Adopted``."""

    kind: Kind
    handle: str
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    service: str = ""
    number: int = 0
    witness: str = ""
    # Volumes that a container mounts, by target; for a look at what would be left behind.
    volumes: Mapping[str, str] = field(default_factory=dict)
    networks: tuple[str, ...] = ()

    @property
    def project(self) -> str:
        """The compose project that it says it belongs to; "" for none."""
        return self.labels.get(PROJECT, "")

    def called(self, project: str) -> str:
        """What a file of that project would call a network or volume."""
        said = self.labels.get(COMPOSE_PREFIX + self.kind.value, "")
        return said if said and self.project == project else self.name.removeprefix(f"{project}_")


def of_project(client: EngineClient, project: str) -> tuple[Candidate, ...]:
    """Every container of a compose project, one-off ones too, in the order of names."""
    filters = json.dumps({"label": [f"{PROJECT}={project}"]})
    params = {"all": "1", "filters": filters}
    listed = client.call("GET", "/containers/json", what="list the project's containers", key=project, params=params)
    found = [one for summary in listed if (one := _container(client, summary["Id"])) is not None]
    return tuple(sorted(found, key=lambda one: one.name))


def named(client: EngineClient, wanted: Mapping[str, str]) -> tuple[Candidate, ...]:
    """Containers by id or name, each with the service that it is to be ("" for what its labels or its name say).

    Raises:
        UserError: there is no such container.
    """
    found = []
    for ref, service in wanted.items():
        one = _container(client, ref, service)
        if one is None:
            raise UserError(f"there is no container {ref}", hint="'docker ps -a' lists them")
        found.append(one)
    return tuple(found)


def objects(client: EngineClient, seal_key: bytes, wanted: Iterable[tuple[Kind, str]]) -> tuple[Candidate, ...]:
    """Those of these networks and volumes, by name, that there are."""
    names = frozenset(wanted)
    found = []
    if any(kind is Kind.NETWORK for kind, _ in names):
        found += [
            Candidate(kind=Kind.NETWORK, handle=n["Id"], name=n["Name"], labels=n.get("Labels") or {})
            for n in client.call("GET", "/networks", what="list networks")
            if (Kind.NETWORK, n["Name"]) in names and n["Name"] not in BUILT_IN
        ]
    for kind, name in sorted(names):
        if kind is Kind.VOLUME and (inspect := _inspect(client, f"/volumes/{name}", name)) is not None:
            found.append(
                Candidate(
                    kind=kind,
                    handle=name,
                    name=name,
                    labels=inspect.get("Labels") or {},
                    witness=witness_of(inspect, seal_key),
                )
            )
    return tuple(sorted(found, key=lambda one: (one.kind, one.name, one.handle)))


def anonymous(volume: str) -> bool:
    """Whether the engine named it, because nobody did."""
    return _ANONYMOUS.fullmatch(volume) is not None


def shared(client: EngineClient, containers: Collection[str]) -> frozenset[tuple[Kind, str]]:
    """Networks and volumes, by name, that other containers than these have."""
    found: set[tuple[Kind, str]] = set()
    for summary in client.call("GET", "/containers/json", what="list containers", params={"all": "1"}):
        if summary["Id"] not in containers:
            found |= {(Kind.NETWORK, name) for name in (summary.get("NetworkSettings") or {}).get("Networks") or {}}
            found |= {(Kind.VOLUME, mount["Name"]) for mount in summary.get("Mounts") or () if mount.get("Name")}
    return frozenset(found)


def _container(client: EngineClient, ref: str, service: str = "") -> Candidate | None:
    inspect = _inspect(client, f"/containers/{ref}/json", ref)
    if inspect is None:
        return None
    labels = (inspect.get("Config") or {}).get("Labels") or {}
    number = str(labels.get(NUMBER, ""))
    return Candidate(
        kind=Kind.CONTAINER,
        handle=str(inspect["Id"]),
        name=str(inspect["Name"]).lstrip("/"),
        labels=labels,
        service=service or labels.get(SERVICE, ""),
        number=int(number) if number.isdigit() else 0,
        volumes={
            str(mount.get("Destination")): str(mount.get("Name"))
            for mount in inspect.get("Mounts") or ()
            if mount.get("Type") == "volume"
        },
        networks=tuple(sorted((inspect.get("NetworkSettings") or {}).get("Networks") or {})),
    )


def _inspect(client: EngineClient, path: str, key: str) -> Mapping[str, Any] | None:
    try:
        found: Mapping[str, Any] = client.call("GET", path, what="look at what may be adopted", key=key)
    except Missing:
        return None
    return found
