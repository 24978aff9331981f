"""A plan as a document: its changes, its steps, and an id that says what it would do. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from trimtab.model.change import Change
from trimtab.model.desired import DesiredState
from trimtab.model.diagnostics import Diagnostic
from trimtab.model.observed import ObservedState
from trimtab.model.plan import Node, Plan
from trimtab.plan import moves
from trimtab.plan.canonical import digest
from trimtab.plan.diff import Dialect, DiffOptions, diff
from trimtab.plan.guards import data as guard_data
from trimtab.plan.own import spare

StepT = TypeVar("StepT")
StepT_co = TypeVar("StepT_co", covariant=True)


class LoweringDialect(Dialect, Protocol[StepT_co]):
    """A dialect that also knows its backend's steps."""

    def lower(
        self, changes: Sequence[Change], desired: DesiredState, observed: ObservedState
    ) -> tuple[Node[StepT_co], ...]:
        """The steps that carry the changes out."""
        ...


def make_plan(
    desired: DesiredState,
    observed: ObservedState,
    dialect: LoweringDialect[StepT],
    options: DiffOptions,
    diagnostics: tuple[Diagnostic, ...] = (),
) -> Plan[StepT]:
    """Stages 6 and 8: what has to change, and the steps for it."""
    observed = moves.followed(desired, observed)
    changes = spare(diff(desired, observed, dialect, options), observed)
    return Plan(
        id=plan_id(desired, observed.target, changes),
        app=desired.app,
        target=observed.target,
        revision=desired.revision,
        desired_digest=desired.digest,
        observed_digest=observed.digest,
        changes=changes,
        nodes=dialect.lower(changes, desired, observed) if changes else (),
        diagnostics=(*desired.diagnostics, *diagnostics, *guard_data.advice(changes)),
    )


def plan_id(desired: DesiredState, target: str, changes: Sequence[Change]) -> str:
    """What would be done, in 32 hex digits: equal for equal changes to the same objects."""
    return digest(
        {
            "app": str(desired.app),
            "target": target,
            "changes": [
                {
                    "verb": change.verb.value,
                    "key": str(change.key),
                    "reason": change.reason.value,
                    "before": change.before.handle if change.before else "",
                    "after": change.after.digest if change.after else "",
                    "extras": [live.handle for live in change.extras],
                    **({"source": change.source.handle} if change.source else {}),
                    **({"promotion": change.promotion.value} if change.promotion else {}),
                    "fields": [[field.path, field.before, field.after] for field in change.fields],
                }
                for change in changes
            ],
        }
    )
