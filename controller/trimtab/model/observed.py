"""What is there: every object that is ours, and the names that others hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from trimtab.model.keys import Kind, ResourceKey


class RunState(StrEnum):
    """A container's status, in the engine's words; ABSENT for objects that do not run."""

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    RESTARTING = "restarting"
    REMOVING = "removing"
    EXITED = "exited"
    DEAD = "dead"
    ABSENT = ""


class Probe(StrEnum):
    """What a container's health check says; NONE when it has none."""

    NONE = "none"
    STARTING = "starting"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A container's state. ``stopped_by_request``: an API call stopped it (known from events, else None)."""

    status: RunState = RunState.ABSENT
    probe: Probe = Probe.NONE
    exit_code: int | None = None
    oom_killed: bool = False
    restart_count: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error: str = ""
    probe_output: str = ""
    stopped_by_request: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """One object of ours on the engine.

    ``fields`` has the shape of ``Resource.spec``, normalised; ``inherited`` holds, in the same shape, what
    the image alone would give (so that it is not drift). ``digest`` and ``revision`` are the labels'.
    ``image_refs``: by what registries have its image, as ``repository@digest``.
    ``endpoints`` of a network or volume: names of attached containers that are not the application's. ``adopted``: it
    was taken over as it was, under this name, which need not be the one that we would give it; "" for what we made.
    ``was`` is the key that its labels say, when a `moved` gives it another. ``copied_from`` names the volume that a
    volume's data was copied from. ``renamed_from`` is the name that we made a container for, where somebody gave it
    another one since. ``listed``: of a service's address, the short ids of the containers that it sends connections to;
    None when that is not known.
    """

    key: ResourceKey
    handle: str
    name: str
    digest: str
    revision: str = ""
    # The engine shows environments as they are, secrets included: no repr may.
    fields: Mapping[str, object] = field(default_factory=dict, repr=False)
    inherited: Mapping[str, object] = field(default_factory=dict, repr=False)
    running: Running = Running()
    image_id: str = ""
    image_refs: tuple[str, ...] = ()
    created_at: datetime | None = None
    endpoints: tuple[str, ...] = ()
    adopted: str = ""
    was: ResourceKey | None = None
    copied_from: str = ""
    renamed_from: str = ""
    listed: tuple[str, ...] | None = None
    wave: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFacts:
    """What the engine does where nothing is asked for, and where it keeps what it has."""

    root_dir: str = "/var/lib/docker"
    default_runtime: str = "runc"
    log_driver: str = "json-file"
    cgroup_version: str = "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """The container that this very process runs in, if it does in one of this engine, and what it lives on, by name.

    ``helped``: a helper is there that hands over to it.
    """

    handle: str
    name: str
    networks: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    helped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedState:
    """One look at an engine, of one application or of all: a multimap, because it loses nothing.

    ``foreign`` maps (kind, engine name) of objects that are not ours to their ids.
    ``images`` maps references that were asked for to image ids ("" when not on the engine).
    ``digest`` changes when anything that a plan could depend on does.
    """

    target: str
    taken_at: datetime
    live: Mapping[ResourceKey, tuple[Live, ...]]
    digest: str
    foreign: Mapping[tuple[Kind, str], str] = field(default_factory=dict)
    images: Mapping[str, str] = field(default_factory=dict)
    facts: EngineFacts = EngineFacts()
    own: Own | None = None
