"""Whether what was carried out proves well: written down as healthy once it has, given up when it cannot any more."""

from __future__ import annotations

from dataclasses import replace
from typing import Generic, TypeVar

from trimtab.errors import UnhealthyRelease
from trimtab.model.change import Reason
from trimtab.model.keys import AppKey, Kind
from trimtab.model.records import AppliedState
from trimtab.model.status import HealthStatus, Next, Requeue
from trimtab.plan import lifecycle
from trimtab.plan import status as judge
from trimtab.ports import ImageRetention
from trimtab.runtime.probation import GiveUp, Probation, Standing
from trimtab.runtime.reconciler.current import RESYNC_S, Means, Pass

StepT = TypeVar("StepT")


class Proving(Generic[StepT]):
    """Watches releases; ``settle_s`` is how long everything has to run before one counts as healthy."""

    def __init__(self, means: Means[StepT], retention: ImageRetention, settle_s: float) -> None:
        self._means = means
        self._retention = retention
        self._settle_s = settle_s
        self._probation = Probation(means.clock)

    def watch(
        self, current: Pass[StepT], state: AppliedState, health: HealthStatus, message: str
    ) -> tuple[Next | None, AppliedState]:
        """The record as it is now, and when to look again; None: nothing is waited for.

        What stands in for Git's newest commit is not given up: there is nothing else to put in its place.
        """
        if any(change.reason is Reason.REPORTED for change in current.look.plan.changes):
            # Somebody stopped or changed it: that says nothing about the release.
            return None, state
        standing = self._standing(current, state, health, message)
        if state.healthy_digest == current.look.desired.digest:
            return self._later(current, state, standing)
        return self._at_first(current, state, standing)

    def _standing(self, current: Pass[StepT], state: AppliedState, health: HealthStatus, message: str) -> Standing:
        look, now = current.look, self._means.clock.now()
        timeout_s = look.application.timeout_s if look.application is not None else RESYNC_S
        return Standing(
            health=health,
            message=message,
            hopeless=judge.beyond_hope(look.desired, look.observed, look.plan.changes, now),
            left_s=timeout_s - (now - (state.applied_at or now)).total_seconds(),
            timeout_s=timeout_s,
        )

    def _later(self, current: Pass[StepT], state: AppliedState, standing: Standing) -> tuple[Next | None, AppliedState]:
        """It ran well before."""
        look, key, app = current.look, current.view.key, current.look.application
        if state.healthy_revision != look.desired.revision and standing.health is HealthStatus.HEALTHY:
            state = replace(state, healthy_revision=look.desired.revision)
            self._keep(key, state)
        # Without a way back, giving it up would only mean that it is not looked after any more.
        back = app is not None and app.rollback_on_failure and bool(state.previous_digest)
        if current.target.substitute or not back:
            return None, state
        verdict = self._probation.later(key, look.desired.digest, standing)
        if isinstance(verdict, GiveUp):
            return self._give_up(current, lifecycle.unproved(state), verdict)
        return (None if verdict is None else Requeue(verdict + 0.05)), state

    def _at_first(
        self, current: Pass[StepT], state: AppliedState, standing: Standing
    ) -> tuple[Next | None, AppliedState]:
        """It has not run well yet."""
        look = current.look
        if standing.health is HealthStatus.HEALTHY:
            left_s = judge.seconds_to_settle(look.desired, look.observed, self._means.clock.now(), self._settle_s)
            if left_s > 0:
                return Requeue(left_s + 0.05), state
            return None, self._write_down(current, state)
        if current.target.substitute:
            return None, state
        verdict = self._probation.at_first(standing)
        if isinstance(verdict, GiveUp):
            return self._give_up(current, state, verdict)
        return Requeue(min(verdict, RESYNC_S) + 0.05), state

    def _give_up(self, current: Pass[StepT], state: AppliedState, verdict: GiveUp) -> tuple[Next | None, AppliedState]:
        means, look, view = self._means, current.look, current.view
        error = UnhealthyRelease(verdict.reason)
        state = lifecycle.failed(state, look.desired, error)
        means.store.applied.put(state)
        means.carrier.revoke(look, str(error))
        means.reporter.failed(look, view, state, error, final=True)
        # Those that wait for it have to say why now.
        means.healthy_changed(view.key)
        return Requeue(0.0) if state.healthy_revision else Requeue(RESYNC_S), state

    def _write_down(self, current: Pass[StepT], state: AppliedState) -> AppliedState:
        """It runs well: that is what a failure of its successor leads back to."""
        look, key, means = current.look, current.view.key, self._means
        state = lifecycle.proved(state, look.desired, look.observed)
        self._keep(key, state)
        means.store.applied.put(state)
        if not current.target.substitute:
            means.carrier.confirm(look)
        refs = frozenset(resource.name for resource in look.desired.of_kind(Kind.IMAGE))
        self._retention.sweep(means.store.releases.recent_images(key, 5) | refs)
        return state

    def _keep(self, key: AppKey, state: AppliedState) -> None:
        """What may have to be put back stays readable, whatever becomes of its branch."""
        self._means.catalog.keep(key, "healthy", state.healthy_revision)
        self._means.catalog.keep(key, "previous", state.previous_revision)
