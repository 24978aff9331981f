"""A pass that rests: nothing has to be done, or nothing may be; what stands there is judged and reported."""

from __future__ import annotations

from typing import Generic, TypeVar

from trimtab.model.change import Reason
from trimtab.model.plan import Decision
from trimtab.model.status import HealthStatus, Next, Requeue, Stalled, Wait
from trimtab.plan import lifecycle
from trimtab.plan import status as judge
from trimtab.plan.drift import reported_paths
from trimtab.runtime.aftermath import Aftermath
from trimtab.runtime.gate import Hold
from trimtab.runtime.planner import Look
from trimtab.runtime.reconciler.current import DENIED_S, RESYNC_S, Means, Pass
from trimtab.runtime.reconciler.proving import Proving

StepT = TypeVar("StepT")


class Resting(Generic[StepT]):
    """Judges what stands there, and says when to look again."""

    def __init__(self, means: Means[StepT], proving: Proving[StepT], aftermath: Aftermath) -> None:
        self._means = means
        self._proving = proving
        self._aftermath = aftermath

    def rest(self, current: Pass[StepT], hold: Hold | None) -> Next:
        """Stage 10 without a stage 9; ``hold`` is why nothing is done about a difference."""
        means, look, view, state, target = self._means, current.look, current.view, current.state, current.target
        now = means.clock.now()
        lines = judge.resource_statuses(look.desired, look.observed, look.plan.changes, now)
        health, message = judge.overall_health(lines)
        well_in_s = self._aftermath.missing_s(look, state, health) if target.report_only else None
        hold = None if well_in_s == 0 else hold
        held = hold.reason if hold is not None else ""
        if look.plan.empty and not held:
            if state.applied_digest != look.desired.digest or state.applied_revision != look.desired.revision:
                state = lifecycle.applied(state, look.desired, now)
            if not target.substitute and state.failed_digest == look.desired.digest:
                state = lifecycle.forgiven(state)
        means.drift.leaves(look, held)
        after: Next = self._after_drift(look) or Requeue(_again_s(look, well_in_s))
        if look.plan.empty and not held and target.application is not None:
            watched, state = self._proving.watch(current, state, health, message)
            after = watched or after
        elif look.plan.empty and target.application is None and not held:
            means.forget(view.key)
            return Stalled("no longer in Git")
        if means.tasks is not None:
            means.tasks.collect(look.observed)
        moved = state != means.store.applied.get(view.key)
        if moved:
            means.store.applied.put(state)
        became_healthy = means.reporter.rests(
            look,
            view,
            state,
            lines,
            held=held,
            target=target,
            trouble=means.catalog.trouble(view.key),
            contended=means.drift.contended(view.key, look.desired.digest),
        )
        if became_healthy or (moved and health is HealthStatus.HEALTHY):
            means.healthy_changed(view.key)
        return after if hold is None else self._after_hold(current, hold, after)

    def _after_hold(self, current: Pass[StepT], hold: Hold, after: Next) -> Next:
        refused = hold.reason if hold.refuses and current.requested else ""
        left_s = (hold.until - self._means.clock.now()).total_seconds() if hold.until is not None else RESYNC_S
        after_s = min(max(left_s, 0.0), RESYNC_S)
        if hold.waits:
            return Wait(hold.reason, after_s, refused=refused)
        if isinstance(after, Requeue) and (hold.until is not None or refused):
            return Requeue(min(after_s, after.after_s), refused=refused)
        return after

    def _after_drift(self, look: Look[StepT]) -> Next | None:
        """When the first of the fields that were put right too often may be put right again."""
        resting = self._means.drift.resting(look.plan.app, look.desired.digest)
        left = [c for c in look.plan.changes if c.reason is Reason.REPORTED or c.reported]
        waits = [resting[c.key, path] for c in left for path in reported_paths(c) if (c.key, path) in resting]
        return Requeue(min(waits) + 0.05) if waits else None


def _again_s(look: Look[StepT], well_in_s: float | None) -> float:
    if look.verdict.decision is Decision.DENY:
        return DENIED_S
    return well_in_s + 0.05 if well_in_s else RESYNC_S
