"""The seams between the core and the world, each declared here by its user and implemented at an edge."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar

from trimtab.model.application import Application
from trimtab.model.desired import ContentFile, DesiredState, ImageChoice
from trimtab.model.diagnostics import Diagnostic
from trimtab.model.events import EngineEvent, Event
from trimtab.model.keys import AppKey, ResourceKey
from trimtab.model.observed import EngineFacts, ObservedState
from trimtab.model.plan import StepStatus
from trimtab.model.records import (
    AppliedObject,
    AppliedState,
    Approval,
    FailedBuild,
    JournalRun,
    Pin,
    Release,
    Request,
    RequestState,
    RequestVerb,
    StoredEvent,
    Suspension,
)
from trimtab.model.snapshot import Snapshot, Tree
from trimtab.model.status import AppStatus, Phase
from trimtab.plan.assemble import LoweringDialect

StepT_contra = TypeVar("StepT_contra", contravariant=True)
StepT_co = TypeVar("StepT_co", covariant=True)


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

    def last_followed(self) -> Snapshot | None:
        """The commit that was last followed, from what is here, whatever the remote says or does not say now."""
        ...

    def accept(self, revision: str) -> None:
        """Follow the target to ``revision`` although history was rewritten: a person said yes."""
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


class Backend(LoweringDialect[StepT_co], Protocol[StepT_co]):
    """The pure half of a backend: everything the planner asks, and rendering."""

    def render(self, app: Application, tree: Tree, revision: str, images: Mapping[str, ImageChoice]) -> DesiredState:
        """Stage 4: what should be there."""
        ...


class ImageResolver(Protocol):
    """Stage 3: which image each service runs."""

    def choose(self, app: Application, tree: Tree) -> tuple[Mapping[str, ImageChoice], tuple[Diagnostic, ...]]:
        """By service; a service that is missing has a diagnostic that says why."""
        ...


class ImageRetention(Protocol):
    """Removes images of ours that no release needs any more."""

    def sweep(self, keep: Collection[str]) -> None:
        """``keep`` are references that history may still need. Never raises: what cannot go now goes later."""
        ...


class Driver(Protocol[StepT_contra]):
    """The impure half of a backend."""

    target: str

    def facts(self) -> EngineFacts:
        """What the engine is and can; asked once, and again after a reconnect. Raises BackendUnavailable."""
        ...

    def observe(self, app: AppKey | None = None, *, images: Sequence[str] = (), fresh: bool = False) -> ObservedState:
        """Everything of one application (or of all), from the event-fed cache or fresh. Raises BackendUnavailable."""
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


class Meter(Protocol):
    """Counts and measures; names and labels are those of observability.metrics. Must not raise, must not block."""

    def count(self, name: str, amount: float = 1.0, /, **labels: str) -> None:
        """Add to a counter."""
        ...

    def gauge(self, name: str, value: float, /, **labels: str) -> None:
        """Set a gauge."""
        ...

    def observe(self, name: str, value: float, /, **labels: str) -> None:
        """Add one value to a histogram."""
        ...

    def forget(self, name: str, /, **current: str) -> None:
        """Drop a gauge's series of what is gone."""
        ...


# What is remembered. Methods that write never raise for a broken disk: the store goes on in memory and warns.


class ReleaseLog(Protocol):
    """The history of each application, newest first, bounded."""

    def begin(
        self,
        app: AppKey,
        *,
        revision: str,
        subject: str = "",
        author: str = "",
        plan_id: str = "",
        initiated_by: str = "",
        trigger: str = "",
    ) -> int:
        """Open a release with phase Running; its id."""
        ...

    def finish(
        self, app: AppKey, release: int, phase: Phase, message: str = "", images: Mapping[str, str] | None = None
    ) -> None:
        """Close it; ``images`` maps service to image digest."""
        ...

    def get(self, app: AppKey, release: int) -> Release | None:
        """One release, while it is remembered."""
        ...

    def list(self, app: AppKey, limit: int = 50) -> tuple[Release, ...]:
        """The newest ones."""
        ...

    def recent_images(self, app: AppKey, releases: int) -> frozenset[str]:
        """Images of the last ``releases`` that succeeded, which retention has to keep."""
        ...

    def interrupted(self, message: str) -> tuple[Release, ...]:
        """At start: close what a dead process left Running as Error, and name it."""
        ...


class AppliedStates(Protocol):
    """The three facts and the inventory of each application."""

    def get(self, app: AppKey) -> AppliedState:
        """What is known; the empty state for a stranger."""
        ...

    def put(self, state: AppliedState) -> None:
        """Remember it."""
        ...

    def apps(self) -> tuple[AppKey, ...]:
        """Applications with a state or an object, sorted."""
        ...

    def objects(self, app: AppKey) -> Mapping[ResourceKey, AppliedObject]:
        """Its inventory, in key order."""
        ...

    def record(self, objects: Sequence[AppliedObject]) -> None:
        """Add or replace objects, all or none."""
        ...

    def forget(self, keys: Sequence[ResourceKey]) -> None:
        """Drop objects whose removal is confirmed."""
        ...

    def drop(self, app: AppKey) -> None:
        """Forget an application and its inventory."""
        ...


class EventLog(Protocol):
    """The last events, in order."""

    def append(self, event: Event) -> int:
        """Store one; its number."""
        ...

    def after(self, cursor: int, *, app: AppKey | None = None, limit: int = 500) -> tuple[StoredEvent, ...]:
        """Those with a greater number, oldest first."""
        ...

    def newest(self, *, app: AppKey | None = None, limit: int = 100) -> tuple[StoredEvent, ...]:
        """The last ``limit``, oldest first."""
        ...


class Journal(Protocol):
    """What the executor was about to do and did, step by step. Read by people after a crash; never replayed."""

    def opened(self, plan_id: str, app: AppKey, target: str, revision: str) -> int:
        """A run begins; its number."""
        ...

    def started(self, run: int, node: int, text: str) -> None:
        """A step is about to be carried out."""
        ...

    def ended(self, run: int, node: int, status: StepStatus, error: str = "") -> None:
        """It ended. Steps that never started are not written."""
        ...

    def closed(self, run: int) -> None:
        """The run is over."""
        ...


class JournalReader(Protocol):
    """The other side of the journal."""

    def unfinished(self) -> tuple[JournalRun, ...]:
        """At start: runs that a dead process left open, with their steps; they are closed by this."""
        ...

    def runs(self, app: AppKey, limit: int = 10) -> tuple[JournalRun, ...]:
        """The last runs of one application, newest first."""
        ...


class RequestBox(Protocol):
    """Where another process leaves what it asks for, and finds the answer: a request is data, not an act."""

    def submit(
        self, app: AppKey, verb: RequestVerb, *, by: str = "", arguments: Mapping[str, str] | None = None
    ) -> int:
        """Leave one; its id. Raises TransientError when it cannot be written: the asker has to know."""
        ...

    def get(self, request: int) -> Request | None:
        """One request with its answer."""
        ...

    def changed(self) -> bool:
        """Whether another process wrote since the last time this was asked; costs microseconds."""
        ...

    def pending(self) -> tuple[Request, ...]:
        """Those nobody has seen, oldest first."""
        ...

    def reopen(self) -> None:
        """At start: what a dead process accepted and never finished is pending again."""
        ...

    def answer(self, request: int, state: RequestState, answer: str) -> None:
        """Say what became of it."""
        ...


class Holds(Protocol):
    """What people have stopped, pinned and approved."""

    def suspend(self, suspension: Suspension) -> None:
        """Stop an application."""
        ...

    def resume(self, app: AppKey) -> bool:
        """Let it go on; whether it was suspended."""
        ...

    def suspension(self, app: AppKey) -> Suspension | None:
        """What holds it now; an expired one is none."""
        ...

    def pin(self, pin: Pin) -> None:
        """Hold an older release."""
        ...

    def unpin(self, app: AppKey) -> bool:
        """Follow the branch again; whether it was pinned."""
        ...

    def pinned(self, app: AppKey) -> Pin | None:
        """The release that is held."""
        ...

    def approve(self, approval: Approval) -> None:
        """A person's yes to a plan."""
        ...

    def approved(self, plan_id: str) -> Approval | None:
        """Whether there is one."""
        ...


class FailedBuilds(Protocol):
    """Build keys that failed, so that none is tried twice with the same inputs."""

    def add(self, failed: FailedBuild) -> None:
        """Remember one."""
        ...

    def get(self, build_key: str) -> FailedBuild | None:
        """Whether it failed before."""
        ...

    def clear(self, app: AppKey) -> None:
        """A person asked for another try."""
        ...


class StatusBoard(Protocol):
    """The latest status of each application, readable when the controller is down."""

    def put(self, status: AppStatus) -> None:
        """Replace it."""
        ...

    def get(self, app: AppKey) -> AppStatus | None:
        """One application's."""
        ...

    def all(self) -> tuple[AppStatus, ...]:
        """Everyone's, in key order."""
        ...

    def drop(self, app: AppKey) -> None:
        """The application is gone."""
        ...


class Facts(Protocol):
    """Small facts about this installation."""

    def installation_id(self) -> str:
        """Made at the first start; labels carry it."""
        ...

    def adopt_installation_id(self, installation_id: str) -> None:
        """Take over an id, such as the one that labels still carry when the database was lost."""
        ...

    def get(self, name: str) -> str | None:
        """One fact."""
        ...

    def put(self, name: str, value: str) -> None:
        """Remember it."""
        ...


class Store(Protocol):
    """All of memory in one place for wiring to hand out; users take the part they need."""

    @property
    def releases(self) -> ReleaseLog: ...  # noqa: D102
    @property
    def applied(self) -> AppliedStates: ...  # noqa: D102
    @property
    def events(self) -> EventLog: ...  # noqa: D102
    @property
    def journal(self) -> Journal: ...  # noqa: D102
    @property
    def journal_reader(self) -> JournalReader: ...  # noqa: D102
    @property
    def requests(self) -> RequestBox: ...  # noqa: D102
    @property
    def holds(self) -> Holds: ...  # noqa: D102
    @property
    def failed_builds(self) -> FailedBuilds: ...  # noqa: D102
    @property
    def statuses(self) -> StatusBoard: ...  # noqa: D102
    @property
    def facts(self) -> Facts: ...  # noqa: D102

    @property
    def degraded(self) -> str:
        """Why nothing new is written to disk now; "" while it is."""
        ...

    def close(self) -> None:
        """Flush and release the file."""
        ...


__all__ = [
    "AppliedStates",
    "Backend",
    "Clock",
    "Commit",
    "ContentFile",
    "DesiredState",
    "Driver",
    "EventLog",
    "EventSink",
    "Facts",
    "FailedBuilds",
    "Holds",
    "ImageBuilder",
    "ImagePuller",
    "ImageResolver",
    "ImageRetention",
    "Journal",
    "JournalReader",
    "Meter",
    "ReleaseLog",
    "RequestBox",
    "Source",
    "StatusBoard",
    "StepContext",
    "Store",
]
