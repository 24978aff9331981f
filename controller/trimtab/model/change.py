"""One intended difference: the verb, the object, why, which fields, how much it disturbs, what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from trimtab.model.desired import Resource
from trimtab.model.diagnostics import Origin
from trimtab.model.keys import ResourceKey
from trimtab.model.observed import Live


class Verb(StrEnum):
    """What will happen to an object. KEEP: nothing, although one might expect something."""

    BUILD = "build"
    PULL = "pull"
    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    RUN = "run"
    DELETE = "remove"
    KEEP = "keep"


class Reason(StrEnum):
    """Why; it reaches metrics and JSON, so these words are stable."""

    NEW = "new"
    MISSING = "missing"
    SPEC_CHANGED = "spec-changed"
    DRIFT = "drift"
    STOPPED = "stopped"
    IMAGE_CHANGED = "image-changed"
    IMAGE_ABSENT = "image-absent"
    SOURCES_CHANGED = "sources-changed"
    PARENT_REPLACED = "parent-replaced"
    PARENT_RESTARTED = "parent-restarted"
    DEPENDENCY_REPLACED = "dependency-replaced"
    NETWORK_REPLACED = "network-replaced"
    UNFINISHED = "unfinished"
    RENAMED = "renamed"
    DUPLICATE = "duplicate"
    NOT_IN_GIT = "not-in-git"
    SCALED_DOWN = "scaled-down"
    UNUSED = "unused"
    HOOK_DUE = "hook-due"
    HOOK_RUNS = "hook-runs"
    HOOK_FAILED = "hook-failed"
    JOB_DUE = "job-due"
    PROTECTED = "protected"
    APPROVED = "approved"
    AWAITS_PROMOTION = "awaits-promotion"
    NOT_PROMOTABLE = "not-promotable"
    MOVED = "moved"
    IMMUTABLE_DATA = "immutable-data"
    NAME_TAKEN = "name-taken"
    IGNORED = "ignored"
    REPORTED = "reported"
    REPLICAS = "replicas-changed"


class Disruption(IntEnum):
    """How much a change disturbs what runs; ordered."""

    NONE = 0
    ROLLING = 1
    RESTART = 2
    REPLACE = 3


class Order(StrEnum):
    """How a container is replaced; Swarm's words."""

    START_FIRST = "start-first"
    STOP_FIRST = "stop-first"


class Promotion(StrEnum):
    """What becomes of a replacement that waits for a person. AT_ONCE: nothing of it can be prepared before.

    STAGE: the new one is made and proved beside the old one, and that is all.
    """

    NONE = ""
    STAGE = "stage"
    AT_ONCE = "at-once"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """One field: ``path`` is a JSON pointer, ``attribute`` the manifest's word for it.

    Values are JSON-like and already safe to show: a secret is its ``Secret`` repr as text.
    ``unit``: "bytes", "ns", "cpus" or "" tells a renderer how to print. ``in_place``: the engine can change it live.
    """

    path: str
    attribute: str
    before: object
    after: object
    in_place: bool = False
    sensitive: bool = False
    unit: str = ""
    origin: Origin | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One object's part of a plan. ``detail`` is a sentence fragment for people.

    ``staged`` is a replacement that an interrupted sync has already created; ``extras`` are surplus live objects.
    ``reported`` are fields that differ and are left as they are.
    ``approval`` is the id under which a person approves this change alone. ``source`` is the volume whose data a
    new one takes over. ``leaves`` names anonymous volumes that a removed container leaves behind.
    """

    verb: Verb
    key: ResourceKey
    name: str
    reason: Reason
    detail: str = ""
    before: Live | None = None
    after: Resource | None = None
    staged: Live | None = None
    extras: tuple[Live, ...] = ()
    source: Live | None = None
    leaves: tuple[str, ...] = ()
    approval: str = ""
    fields: tuple[FieldChange, ...] = ()
    reported: tuple[FieldChange, ...] = ()
    disruption: Disruption = Disruption.NONE
    order: Order | None = None
    order_reason: str = ""
    promotion: Promotion = Promotion.NONE
    loses_data: bool = False
    origin: Origin | None = None

    @property
    def acts(self) -> bool:
        """Whether carrying it out touches the engine."""
        return self.verb is not Verb.KEEP
