"""What is remembered between passes and shown by ``status`` and ``history``; all of it can be lost without harm.

Nothing here has room for a secret: values of specs are redacted before they become a record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from trimtab.model.events import Event
from trimtab.model.keys import AppKey, Kind, ResourceKey
from trimtab.model.plan import StepStatus
from trimtab.model.status import Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One sync that did something. ``id`` counts from 1 in each application; ``images`` maps service to digest."""

    app: AppKey
    id: int
    revision: str
    subject: str
    author: str
    plan_id: str
    phase: Phase
    started_at: datetime
    finished_at: datetime | None = None
    images: Mapping[str, str] = field(default_factory=dict)
    initiated_by: str = ""
    trigger: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedState:
    """The three facts of one application, and what is known of the revision that failed.

    A digest is that of the DesiredState, so that an unrelated commit in a monorepo changes the revision and not it.
    ``tried`` counts the attempts at the failed digest. ``healthy_images`` maps a service to what its image can be had
    by, best first, separated by blanks: its id, then its digests in registries. ``previous_*`` is what ran well before
    the healthy one, for as long as that may still turn out bad. ``applied_at``: when ``applied_digest`` was applied.
    """

    app: AppKey
    desired_revision: str = ""
    desired_digest: str = ""
    applied_revision: str = ""
    applied_digest: str = ""
    healthy_revision: str = ""
    healthy_digest: str = ""
    healthy_images: Mapping[str, str] = field(default_factory=dict)
    failed_revision: str = ""
    failed_digest: str = ""
    failed_reason: str = ""
    tried: int = 0
    updated_at: datetime | None = None
    previous_revision: str = ""
    previous_digest: str = ""
    previous_images: Mapping[str, str] = field(default_factory=dict)
    applied_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedObject:
    """One object as it was last carried out: the inventory. What it was made from is in Git, not here."""

    key: ResourceKey
    name: str
    digest: str
    handle: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """An event with its number; numbers only grow, so a reader can go on where it stopped."""

    id: int
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One step of a run; ``status`` None means that its end was never written."""

    node: int
    text: str
    started_at: datetime
    ended_at: datetime | None = None
    status: StepStatus | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalRun:
    """One execution of a plan; ``finished_at`` None means that the process died in it."""

    run: int
    plan_id: str
    app: AppKey
    target: str
    revision: str
    started_at: datetime
    finished_at: datetime | None = None
    entries: tuple[JournalEntry, ...] = ()


class RunOutcome(StrEnum):
    """How a run of a hook or job ended. MISSED: it could not begin within its deadline.

    TERMINATED: a person ended the sync that it belonged to.
    """

    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    MISSED = "Missed"
    TERMINATED = "Terminated"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRun:
    """One run of a hook or job that is over. ``name`` is its container's; ``cause`` a phase, "schedule" or who asked.

    ``at`` orders runs. ``log`` is the last of what it wrote, without secrets.
    """

    app: AppKey
    name: str
    kind: Kind
    task: str
    outcome: RunOutcome
    at: datetime
    cause: str = ""
    revision: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int | None = None
    message: str = ""
    log: str = field(default="", repr=False)


class RequestVerb(StrEnum):
    """What another process may ask of the controller. PIN holds an older release until the branch moves.

    RUN starts a job now.
    """

    SYNC = "sync"
    SUSPEND = "suspend"
    RESUME = "resume"
    TERMINATE = "terminate"
    PIN = "pin"
    APPROVE = "approve"
    REFRESH = "refresh"
    RUN = "run"


class RequestState(StrEnum):
    """PENDING: nobody has seen it. ACCEPTED: a pass is on its way. DONE and REFUSED are final."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One row that asks for something; ``arguments`` are plain words (reason, until, release, plan)."""

    id: int
    app: AppKey
    verb: RequestVerb
    asked_at: datetime
    by: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)
    state: RequestState = RequestState.PENDING
    answer: str = ""
    answered_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """An application that a person stopped; over at ``until``."""

    app: AppKey
    since: datetime
    reason: str = ""
    by: str = ""
    until: datetime | None = None

    def holds(self, now: datetime) -> bool:
        """Whether it is still in force."""
        return self.until is None or now < self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """An older release that is held while the branch still is at ``branch_revision`` ("" until it is known)."""

    app: AppKey
    revision: str
    since: datetime
    branch_revision: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedBuild:
    """A build key that is not tried again until it changes or a person asks. ``message`` shows what failed."""

    build_key: str
    app: AppKey
    message: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A person's yes to one very plan."""

    plan_id: str
    app: AppKey
    at: datetime
    by: str = ""
