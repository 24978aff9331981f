"""The seams between the core and the world, each declared here by its user and implemented at an edge."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar

from trimtab.model.desired import ContentFile, DesiredState
from trimtab.model.events import EngineEvent, Event
from trimtab.model.keys import AppKey
from trimtab.model.observed import EngineFacts, ObservedState
from trimtab.model.snapshot import Snapshot, Tree

StepT_contra = TypeVar("StepT_contra", contravariant=True)


class Clock(Protocol):
    """Time as the runtime sees it, so that tests can own it."""

    def now(self) -> datetime:
        """Wall clock, aware, UTC."""
        ...

    def monotonic_s(self) -> float:
        """Seconds that only go forward."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One line of a history."""

    revision: str
    subject: str
    author: str
    committed_at: datetime | None


class Source(Protocol):
    """One target (branch, tag, range, commit) of one repository."""

    url: str  # scrubbed of credentials, for display
    local: bool  # watched, not polled

    def poll(self) -> str:
        """The full commit id that the target has now, cheaply. Raises GitUnavailable, UserError."""
        ...

    def snapshot(self, revision: str | None = None) -> Snapshot:
        """One commit, fetched when it is not here; None is the current target. Raises GitUnavailable, UserError."""
        ...

    def log(self, revision: str, limit: int) -> tuple[Commit, ...]:
        """``revision`` and its ancestors, newest first."""
        ...

    def watch(self, on_change: Callable[[], None]) -> Callable[[], None] | None:
        """Call back when a local repository's refs change; returns how to stop, or None for a remote one."""
        ...

    def close(self) -> None:
        """Release processes and files."""
        ...


class ImageBuilder(Protocol):
    """Builds an image from a tree; ``spec`` is what images.buildkey made of the manifest."""

    def build(
        self,
        spec: object,
        tree: Tree,
        *,
        tags: Sequence[str],
        labels: Mapping[str, str],
        log: Callable[[str], None],
        cancelled: threading.Event,
        timeout_s: float,
    ) -> str:
        """The image id. Raises BuildFailed, DeadlineExceeded, BackendUnavailable, UnsupportedByBackend."""
        ...


class ImagePuller(Protocol):
    """Fetches an image from its registry."""

    def pull(
        self,
        ref: str,
        *,
        platform: str,
        log: Callable[[str], None],
        cancelled: threading.Event,
        timeout_s: float,
    ) -> str:
        """The image id. Raises RegistryUnavailable, UserError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StepContext:
    """What a step may need beside itself.

    ``outputs`` are those of the nodes it needs, by node id. ``log`` takes progress lines (build log, pull progress).
    A step that waits must return soon after ``cancelled`` is set.
    """

    outputs: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    revision: str = ""
    repo_url: str = ""
    tree: Tree | None = None
    contents: Mapping[str, tuple[ContentFile, ...]] = field(default_factory=dict)
    builds: Mapping[str, object] = field(default_factory=dict)
    cancelled: threading.Event = field(default_factory=threading.Event)
    log: Callable[[str], None] = lambda _line: None
    timeout_s: float = 600.0


class Driver(Protocol[StepT_contra]):
    """The impure half of a backend."""

    target: str

    def facts(self) -> EngineFacts:
        """What the engine is and can; asked once, and again after a reconnect. Raises BackendUnavailable."""
        ...

    def observe(self, app: AppKey | None = None, *, images: Sequence[str] = (), fresh: bool = False) -> ObservedState:
        """Everything of one application (or of all), from the event-fed cache unless ``fresh``. Raises BackendUnavailable."""
        ...

    def perform(self, step: StepT_contra, context: StepContext) -> Mapping[str, str]:
        """Carry out one step; idempotent. Its outputs (ids, names) go to the steps that need it.

        Raises: a TrimtabError; nothing of the client library's own.
        """
        ...

    def watch(self, on_event: Callable[[EngineEvent], None]) -> Callable[[], None]:
        """Feed the cache from the event stream and call back for what concerns us; returns how to stop."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...


class EventSink(Protocol):
    """Where occurrences go: store, log, metrics, streams. Must not raise, must not block for long."""

    def emit(self, event: Event) -> None:
        """Take one event."""
        ...


__all__ = [
    "Clock",
    "Commit",
    "ContentFile",
    "DesiredState",
    "Driver",
    "EventSink",
    "ImageBuilder",
    "ImagePuller",
    "Source",
    "StepContext",
]
