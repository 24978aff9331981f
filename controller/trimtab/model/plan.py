"""A plan is a document: the changes, the steps that carry them out, and what both were made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

from trimtab.model.change import Change
from trimtab.model.diagnostics import Diagnostic
from trimtab.model.keys import AppKey, ResourceKey

StepT = TypeVar("StepT")
StepT_co = TypeVar("StepT_co", covariant=True)


class RunWhen(StrEnum):
    """When a node runs: after its needs succeeded, to undo when one of them failed, or after they are over."""

    SUCCESS = "success"
    FAILURE = "failure"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node(Generic[StepT_co]):
    """One step of a plan. ``needs`` are ids of nodes that must be done before.

    A FAILURE node runs only if its needs were begun and not all completed (one failed, was cancelled in the
    middle, or never ran after another had succeeded) and none of them is still to run; runtime.verdicts has the
    whole rule. It never makes others run, and its own success does not heal its needs' failure.
    An ENDED node runs when its needs are over, however they ended, unless more than ``tolerance`` of them (those that
    undo not counted) did not succeed.
    ``waits``: it only waits for the world, so it must not take a place among the steps that work.
    ``settles_s``: how long it must be waited for even after a cancel, since what undoes it would meet it half-way.
    ``pause_s``: so much of its time is wanted, and is not counted against the sync's deadline.
    """

    id: int
    step: StepT_co
    key: ResourceKey
    cause: str
    needs: frozenset[int] = frozenset()
    when: RunWhen = RunWhen.SUCCESS
    timeout_s: float = 600.0
    waits: bool = False
    settles_s: float = 0.0
    tolerance: int = 0
    pause_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Generic[StepT_co]):
    """What a sync would do to one application on one target.

    ``id`` is the digest of what it would do: same inputs, same id. It is stale when ``desired_digest``
    or ``observed_digest`` no longer hold.
    """

    id: str
    app: AppKey
    target: str
    revision: str
    desired_digest: str
    observed_digest: str
    changes: tuple[Change, ...] = ()
    nodes: tuple[Node[StepT_co], ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.nodes


class StepStatus(StrEnum):
    """How a step ended. SKIPPED: something it needs failed. CANCELLED: it was told to stop."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOutcome:
    """What became of one node; ``error`` is the exception itself, for the loop to class."""

    node: int
    key: ResourceKey
    status: StepStatus
    duration_s: float = 0.0
    error: Exception | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)


class Decision(StrEnum):
    """A guard's answer."""

    GO = "go"
    HOLD = "hold"
    DENY = "deny"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a plan may be carried out now; ``until`` names what a hold waits for."""

    decision: Decision
    diagnostics: tuple[Diagnostic, ...] = ()
    waits_for: str = ""
