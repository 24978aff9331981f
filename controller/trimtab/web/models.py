"""The API's answers as pydantic models, so that OpenAPI says what is really sent. Fields as in ``-o json``."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

FORMAT_VERSION = 1


class Answer(BaseModel):
    """Every answer says all of it, and nothing else."""

    model_config = ConfigDict(extra="forbid")


class Problem(Answer):
    """What went wrong, to what, and what to do next."""

    code: str
    message: str
    hint: str = ""


class Problems(Answer):
    """The shape of every error."""

    error: Problem


class Health(Answer):
    """Whether the process lives, or is ready."""

    status: str
    message: str = ""


class SyncState(Answer):
    """Whether the engine is as Git says."""

    status: str
    revision: str


class HealthState(Answer):
    """How well it runs."""

    status: str
    message: str


class OperationState(Answer):
    """The last or present sync."""

    phase: str | None
    message: str


class ResourceLine(Answer):
    """One object on the engine."""

    kind: str
    name: str
    resource: str
    replica: int
    status: str
    health: HealthState


class Condition(Answer):
    """One of Flux's conditions."""

    type: str
    status: str
    reason: str
    message: str
    lastTransitionTime: str | None  # noqa: N815 - the API's word


class ApplicationStatus(Answer):
    """One application's status."""

    name: str
    namespace: str
    destination: str
    sync: SyncState
    health: HealthState
    operationState: OperationState  # noqa: N815 - the API's words, as Argo CD has them
    message: str
    suspended: str | None
    desiredRevision: str  # noqa: N815
    appliedRevision: str  # noqa: N815
    healthyRevision: str  # noqa: N815
    failedRevision: str  # noqa: N815
    since: str | None
    observedAt: str | None  # noqa: N815
    resources: list[ResourceLine]
    conditions: list[Condition]


class Applications(Answer):
    """Every application."""

    formatVersion: int = FORMAT_VERSION  # noqa: N815
    applications: list[ApplicationStatus]


class Resources(Answer):
    """The objects of one application."""

    formatVersion: int = FORMAT_VERSION  # noqa: N815
    app: str
    resources: list[ResourceLine]


class ReleaseEntry(Answer):
    """One entry of a history."""

    id: int
    revision: str
    subject: str
    author: str
    planId: str  # noqa: N815
    phase: str
    message: str
    trigger: str
    initiatedBy: str  # noqa: N815
    deployStartedAt: str | None  # noqa: N815
    deployedAt: str | None  # noqa: N815
    images: dict[str, str]


class History(Answer):
    """What was deployed when, newest first."""

    formatVersion: int = FORMAT_VERSION  # noqa: N815
    app: str
    history: list[ReleaseEntry]


class EventEntry(Answer):
    """One event; its id only grows."""

    id: int
    at: str | None
    app: str | None
    type: str
    reason: str
    message: str
    revision: str
    fields: dict[str, object]


class Events(Answer):
    """The last events, oldest first."""

    formatVersion: int = FORMAT_VERSION  # noqa: N815
    events: list[EventEntry]


class PlannedField(Answer):
    """One field of a change; a secret's values are its fingerprints."""

    path: str
    attribute: str
    before: object
    after: object
    inPlace: bool  # noqa: N815
    sensitive: bool
    origin: str | None


class PlannedChange(Answer):
    """One object's part of a plan."""

    verb: str
    kind: str
    name: str
    resource: str
    reason: str
    detail: str
    downtime: str
    order: str | None
    orderReason: str | None  # noqa: N815
    rollout: dict[str, object] | None
    dataLoss: bool  # noqa: N815
    approval: str | None
    copiedFrom: str | None  # noqa: N815
    leavesVolumes: list[str]  # noqa: N815
    origin: str | None
    fields: list[PlannedField]


class PlannedDiagnostic(Answer):
    """One problem in one place."""

    severity: str
    code: str
    message: str
    hint: str
    path: str
    line: int
    column: int


class PlanDocument(Answer):
    """What a sync would do now, as ``trimtab plan -o json`` has it."""

    formatVersion: int  # noqa: N815
    planId: str  # noqa: N815
    app: str
    target: str
    ref: str
    revision: str
    subject: str
    author: str
    appliedRevision: str  # noqa: N815
    desiredDigest: str  # noqa: N815
    observedDigest: str  # noqa: N815
    empty: bool
    changes: list[PlannedChange]
    steps: int
    verdict: str
    diagnostics: list[PlannedDiagnostic]


class Asked(Answer):
    """A request, and what became of it: ``pending``, ``accepted`` (on its way), ``done`` or ``refused``."""

    formatVersion: int  # noqa: N815
    request: int
    app: str
    verb: str
    state: str
    answer: str
