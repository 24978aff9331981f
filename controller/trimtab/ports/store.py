"""What is remembered. Methods that write never raise for a broken disk: the store goes on in memory and warns."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from trimtab.model.events import Event
from trimtab.model.keys import AppKey, ResourceKey
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
    TaskRun,
)
from trimtab.model.status import AppStatus, Phase


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

    def move_on(self, apps: Collection[AppKey], revision: str, *, applied: bool) -> None:
        """Name a newer commit that wants the same of ``apps``; ``applied``: which is carried out and healthy, too."""
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
        """Whether there may be a new one since the last time this was asked; costs microseconds."""
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
        """Whether there is one that still counts."""
        ...

    def consume(self, plan_id: str) -> None:
        """What it was given for is done: it counts no more."""
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

    def move_on(self, apps: Collection[AppKey], revision: str, *, applied: bool) -> None:
        """Name a newer commit that wants the same of ``apps``; ``applied``: which is carried out and healthy, too."""
        ...

    def drop(self, app: AppKey) -> None:
        """The application is gone."""
        ...


class TaskRuns(Protocol):
    """The last runs of each hook and job, bounded, with what they wrote."""

    def put(self, run: TaskRun) -> None:
        """Add or replace one."""
        ...

    def get(self, app: AppKey, name: str) -> TaskRun | None:
        """One run by its container's name."""
        ...

    def list(self, app: AppKey, *, limit: int = 100) -> tuple[TaskRun, ...]:
        """The newest first."""
        ...


class Facts(Protocol):
    """Small facts about this installation."""

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
    def task_runs(self) -> TaskRuns: ...  # noqa: D102

    @property
    def degraded(self) -> str:
        """Why nothing new is written to disk now; "" while it is."""
        ...

    def close(self) -> None:
        """Flush and release the file."""
        ...
