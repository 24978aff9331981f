"""Where an application stands, in Argo CD's words for people and Flux's conditions for machines."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from trimtab.model.keys import AppKey, ResourceKey


class SyncStatus(StrEnum):
    """Whether the engine is as Git says."""

    SYNCED = "Synced"
    OUT_OF_SYNC = "OutOfSync"
    UNKNOWN = "Unknown"


class HealthStatus(StrEnum):
    """How well it runs; ``worst`` orders them."""

    HEALTHY = "Healthy"
    SUSPENDED = "Suspended"
    PROGRESSING = "Progressing"
    MISSING = "Missing"
    DEGRADED = "Degraded"
    UNKNOWN = "Unknown"


# Source: Argo CD gitops-engine, health.IsWorse: best to worst.
HEALTH_ORDER = (
    HealthStatus.HEALTHY,
    HealthStatus.SUSPENDED,
    HealthStatus.PROGRESSING,
    HealthStatus.MISSING,
    HealthStatus.DEGRADED,
    HealthStatus.UNKNOWN,
)


def worst(statuses: tuple[HealthStatus, ...]) -> HealthStatus:
    """The worst of several; Healthy when there is none."""
    return max(statuses, key=HEALTH_ORDER.index, default=HealthStatus.HEALTHY)


class Phase(StrEnum):
    """An operation's phase. ROLLED_BACK: carried out to the end, but in the place of a release that failed."""

    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    ERROR = "Error"
    TERMINATING = "Terminating"
    ROLLED_BACK = "RolledBack"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceStatus:
    """One object's line in a status."""

    key: ResourceKey
    name: str
    sync: SyncStatus
    health: HealthStatus
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppCondition:
    """Flux's contract: Ready, Reconciling, Stalled, Healthy; ``status`` is True, False or Unknown."""

    type: str
    status: str
    reason: str
    message: str
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AppStatus:
    """All that is known of one application.

    Three facts are kept apart: ``desired_revision`` is what Git says, ``applied_revision`` what was last
    carried out to the end, ``healthy_revision`` what last ran well. ``failed_revision`` is not tried again.
    ``contended`` names fields that somebody else keeps changing back.
    """

    app: AppKey
    sync: SyncStatus
    health: HealthStatus
    message: str = ""
    phase: Phase | None = None
    target: str = "local"
    desired_revision: str = ""
    applied_revision: str = ""
    healthy_revision: str = ""
    failed_revision: str = ""
    since: datetime | None = None
    observed_at: datetime | None = None
    resources: tuple[ResourceStatus, ...] = ()
    conditions: tuple[AppCondition, ...] = ()
    suspended: str = ""
    contended: str = ""


@dataclass(frozen=True, slots=True)
class Requeue:
    """All is well; look again after ``after_s`` seconds. ``refused``: why what a person asked for is not done."""

    after_s: float
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Retry:
    """It failed in a way that may pass; the queue's backoff decides when."""

    reason: str
    after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Something else has to happen first; look again at the latest after ``after_s``. ``refused`` as in Requeue."""

    reason: str
    after_s: float
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Stalled:
    """Only a changed input or a person's request wakes it."""

    reason: str


Next = Requeue | Retry | Wait | Stalled
