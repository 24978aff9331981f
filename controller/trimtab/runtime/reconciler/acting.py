"""A pass that acts: one plan is carried out, and what came of it is written down."""

from __future__ import annotations

from dataclasses import replace
from typing import Generic, TypeVar

from trimtab.errors import UserError
from trimtab.model.status import Next, Requeue, Retry, Stalled
from trimtab.model.trigger import TriggerKind
from trimtab.plan import lifecycle, promotion
from trimtab.runtime.carry import Carried, Watcher
from trimtab.runtime.drifting import drifted
from trimtab.runtime.gate import Gate
from trimtab.runtime.hooks import note_farewell
from trimtab.runtime.reconciler.current import RESYNC_S, Means, Pass
from trimtab.runtime.tries import Tries

StepT = TypeVar("StepT")


class Acting(Generic[StepT]):
    """Carries plans out; ``command``: for a person who waits for the end, so what failed before is tried, too."""

    def __init__(
        self, means: Means[StepT], gate: Gate, tries: Tries, *, watcher: Watcher[StepT] | None, command: bool
    ) -> None:
        self._means = means
        self._gate = gate
        self._tries = tries
        self._watcher = watcher
        self._command = command

    def carry_out(self, current: Pass[StepT]) -> Next:
        """Stages 9 and 10."""
        means, look, view, state = self._means, current.look, current.view, current.state
        trigger, target = current.trigger, current.target
        if state.applied_digest == look.desired.digest:
            means.drift.repairs(look, drifted(look.plan.changes))
        means.drift.leaves(look)
        known = None if self._command or trigger.kind is TriggerKind.REQUEST else means.carrier.known_to_fail(look)
        if known is not None:
            return self._failed(current, Carried(outcomes=(), release=0, error=known))
        means.reporter.begins(look, view, state, target)
        carried = means.carrier.carry_out(
            look,
            cancelled=current.cancelled,
            trigger=trigger.kind.value,
            timeout_s=self._timeout_s(current),
            watcher=self._watcher,
            instead_of=f"{state.failed_revision[:7]}: {target.substitute}" if target.rolls_back else "",
        )
        if means.tasks is not None:
            means.tasks.remember(look.plan.changes, carried.outcomes, look.plan.revision)
        return self._done(current) if carried.done else self._failed(current, carried)

    def _timeout_s(self, current: Pass[StepT]) -> float | None:
        app, target = current.look.application, current.target
        timeout_s = app.timeout_s if app is not None else None
        if target.substitute:
            # The way back is not cut off by the end of a window.
            return timeout_s
        left_s = self._gate.seconds_left(
            current.view.key, target.application, requested=current.requested, at_most_s=timeout_s or RESYNC_S
        )
        return timeout_s if left_s is None else left_s

    def _done(self, current: Pass[StepT]) -> Next:
        means, look, view, state, target = self._means, current.look, current.view, current.state, current.target
        self._tries.forget(view.key)
        if promotion.waits(look.plan.changes):
            # Not applied before it is promoted.
            means.reporter.staged(look, view)
            return Requeue(0.0)
        if not target.substitute and not target.report_only:
            state = lifecycle.forgiven(state)
        state = lifecycle.applied(state, look.desired, means.clock.now())
        means.store.applied.put(state)
        note_farewell(means.store.facts, look.desired)
        means.reporter.succeeded(look, view, state, current.trigger, target)
        if look.application is None:
            means.forget(view.key)
            return Stalled("removed from Git and from the engine")
        return Requeue(0.0)

    def _failed(self, current: Pass[StepT], carried: Carried) -> Next:
        means, look, view, state = self._means, current.look, current.view, current.state
        if carried.cancelled or carried.error is None:
            means.reporter.interrupted(look, view, state)
            return Requeue(0.0)
        error = carried.error
        # A repair of what ran well before is tried again, later and later: nothing is ever given up that once worked.
        repair = state.applied_digest == look.desired.digest
        if isinstance(error, UserError) and not current.target.substitute and not repair:
            state = lifecycle.failed(state, look.desired, error)
            if means.tasks is not None:
                means.tasks.after_failure(look, current.cancelled)
            means.store.applied.put(state)
            means.reporter.failed(look, view, state, error, final=True)
            # Those that wait for it have to say why now.
            means.healthy_changed(view.key)
            return Requeue(0.0)
        limit = look.application.sync_policy.retry_limit if look.application is not None else -1
        left_at = self._tries.failed(view.key, look.desired.digest, limit, f"{error.code}: {error.message}")
        if left_at and not current.target.substitute and not repair:
            state = replace(lifecycle.failed(state, look.desired, error), failed_reason=left_at)
            means.store.applied.put(state)
        means.reporter.failed(look, view, state, error, final=bool(left_at))
        return Requeue(0.0) if left_at else Retry(error.message)
