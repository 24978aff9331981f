"""What Git says should be: resources with their specs, digests, needs and places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from trimtab.model.application import Moved
from trimtab.model.diagnostics import Diagnostic, Origin
from trimtab.model.keys import AppKey, Kind, ResourceKey

if TYPE_CHECKING:
    from trimtab.model.tasks import Hook, Job


class Secret:
    """A value that no text of ours may show; only the edge that hands it to the engine reveals it.

    ``fingerprint`` is a keyed digest: it tells that a value changed, and lets nobody guess it.
    """

    __slots__ = ("_value", "fingerprint")

    def __init__(self, value: str, fingerprint: str) -> None:
        self._value = value
        self.fingerprint = fingerprint

    def reveal(self) -> str:
        """The value itself, for the engine's API alone."""
        return self._value

    def __repr__(self) -> str:
        return f"(secret {self.fingerprint[:8]})"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Secret):
            return self._value == other._value
        return isinstance(other, str) and self._value == other

    def __hash__(self) -> int:
        return hash(self._value)


class Condition(StrEnum):
    """What has to be true of a need before its dependent may start; Compose's words."""

    EXISTS = "exists"
    STARTED = "service_started"
    HEALTHY = "service_healthy"
    COMPLETED = "service_completed_successfully"


@dataclass(frozen=True, slots=True, order=True)
class Need:
    """``key`` (replica 0 of a container: all its replicas) must meet ``condition`` first.

    ``follows``: the dependent holds the other's namespace or mounts, so it is replaced when that is.
    ``restarts``: the dependent is restarted when the other is replaced (``depends_on.restart``).
    """

    key: ResourceKey
    condition: Condition = Condition.EXISTS
    follows: bool = False
    restarts: bool = False
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One desired object.

    ``name`` is the engine's name for it. ``spec`` is canonical JSON-like data in the shape of the
    engine's ``inspect`` with only what the manifest set; it may hold ``Secret``. ``digest`` is that of
    ``spec``, computed once, here. ``origins`` maps JSON pointers of ``spec`` to places in files.
    ``traits`` are decisions of the renderer that are not compared (grace periods, deadlines).
    ``hides`` are values that may stand somewhere in ``spec`` and that no text may show.
    """

    key: ResourceKey
    name: str
    spec: Mapping[str, object]
    digest: str
    needs: tuple[Need, ...] = ()
    origins: Mapping[str, Origin] = field(default_factory=dict)
    traits: Mapping[str, object] = field(default_factory=dict)
    external: bool = False
    hides: tuple[str, ...] = field(default=(), repr=False)

    def origin(self, pointer: str) -> Origin | None:
        """The place of a JSON pointer of ``spec``, or of its nearest known ancestor."""
        while pointer:
            if (found := self.origins.get(pointer)) is not None:
                return found
            pointer = pointer.rpartition("/")[0]
        return self.origins.get("")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageChoice:
    """The image a service runs: the reference, and how to build it when it is built here.

    ``build`` is opaque to all but its builder; ``build_facts`` are what a reader may want to know of it.
    """

    ref: str
    build: object | None = None
    build_facts: Mapping[str, object] | None = None
    origin: Origin | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentFile:
    """One file of a content volume: from the snapshot's tree, or given bytes (never both).

    ``mode`` is the permission bits; ``data`` is kept out of every repr.
    """

    path: str
    mode: int = 0o444
    uid: int = 0
    gid: int = 0
    tree_path: str | None = None
    link_target: str | None = None
    data: bytes | None = field(default=None, repr=False)
    secret: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredState:
    """All of one application at one revision; the empty one means: nothing of it should be.

    ``contents`` maps a content resource's engine name to its files. ``builds`` maps an image
    reference to the opaque build instructions that its builder understands. ``hooks`` run in a sync, ``jobs``
    on their schedule; what they need (images, networks, files) is among the resources, their runs are not. ``moved``
    are renames.
    """

    app: AppKey
    revision: str
    resources: Mapping[ResourceKey, Resource]
    digest: str
    contents: Mapping[str, tuple[ContentFile, ...]] = field(default_factory=dict)
    builds: Mapping[str, object] = field(default_factory=dict)
    diagnostics: tuple[Diagnostic, ...] = ()
    hooks: tuple[Hook, ...] = ()
    jobs: tuple[Job, ...] = ()
    moved: tuple[Moved, ...] = ()

    def of_kind(self, kind: Kind) -> tuple[Resource, ...]:
        """Its resources of one kind, in key order."""
        return tuple(self.resources[key] for key in sorted(self.resources) if key.kind is kind)
