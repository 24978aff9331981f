"""One pass over one application: which revision should be there, what is, what to do, what came of it.

Level-based: a trigger says that something may have changed, never what to do. Every pass reads everything again
and may be repeated or cut off at any line.

Three facts decide. *Desired* is what Git says. A desired state that failed is remembered by its digest and not
tried again until it changes or a person asks; meanwhile the last *healthy* revision is desired in its place
(``rollbackOnFailure``), which is an ordinary pass on an older revision.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic, TypeVar

from trimtab.errors import TransientError, TrimtabError, UnhealthyRelease, UserError
from trimtab.model.change import Reason
from trimtab.model.keys import AppKey, Kind
from trimtab.model.plan import Decision
from trimtab.model.records import AppliedState, RequestVerb
from trimtab.model.status import HealthStatus, Next, Requeue, Retry, Stalled, Wait
from trimtab.model.trigger import Trigger, TriggerKind
from trimtab.model.windows import SyncWindow
from trimtab.plan import promotion
from trimtab.plan import status as judge
from trimtab.plan.drift import reported_paths, unasked
from trimtab.plan.imagepins import images_of
from trimtab.plan.own import being_handed_over
from trimtab.plan.setback import as_way_back
from trimtab.ports import Clock, ImageRetention, Store
from trimtab.runtime.carry import Carried, Carrier, Watcher
from trimtab.runtime.catalog import Catalog
from trimtab.runtime.drifting import DriftTeller, drifted
from trimtab.runtime.gate import Asked, Gate, Hold
from trimtab.runtime.hooks import Farewell, farewell, hook_options, note_farewell
from trimtab.runtime.order import Order
from trimtab.runtime.planner import Look, Planner
from trimtab.runtime.probation import GiveUp, Probation, Standing
from trimtab.runtime.recall import recalled
from trimtab.runtime.renames import Renames
from trimtab.runtime.report import Reporter
from trimtab.runtime.selfheal import SelfHealBackoff
from trimtab.runtime.target import Target, Targets
from trimtab.runtime.taskruns import TaskRunner
from trimtab.runtime.tries import Tries
from trimtab.runtime.views import View
from trimtab.runtime.witness import Witness

StepT = TypeVar("StepT")

# A full look this often, whatever the events said.
RESYNC_S = 300.0
# What stands in the way (a name that somebody else's object has) may go without an event that is about us.
DENIED_S = 10.0
# While a helper finishes its work on the controller's own container.
HANDOVER_S = 0.5
# How long everything has to run before a release counts as healthy. Source: Swarm's default UpdateConfig.Monitor, 5 s.
SETTLE_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pass(Generic[StepT]):
    """What one pass has found out before it acts or rests."""

    look: Look[StepT]
    view: View
    state: AppliedState
    target: Target
    trigger: Trigger
    cancelled: threading.Event
    requested: bool


class Reconciler(Generic[StepT]):
    """Passes over applications; ``healthy_changed`` hears when those that wait for one should look at it again."""

    def __init__(  # noqa: PLR0917 - one of each thing a pass needs
        self,
        catalog: Catalog,
        planner: Planner[StepT],
        carrier: Carrier[StepT],
        reporter: Reporter,
        store: Store,
        clock: Clock,
        retention: ImageRetention,
        *,
        healthy_changed: Callable[[AppKey], None] = lambda _key: None,
        settle_s: float = SETTLE_S,
        watcher: Watcher[StepT] | None = None,
        tasks: TaskRunner[StepT] | None = None,
        witness: Witness | None = None,
        attend: Callable[[Look[StepT], threading.Event], None] = lambda _look, _cancelled: None,
        command: bool = False,
        windows: Sequence[SyncWindow] = (),
    ) -> None:
        """``command``: passes are made by a person's command, which asks for a sync by being run.

        ``attend`` looks after an application's jobs at the end of each pass.
        """
        self._gate = Gate(store, clock, Order(catalog, store), windows)
        self._command = command
        self._drift = DriftTeller(carrier.sink, store.events, clock, witness or Witness(), SelfHealBackoff(clock))
        self._watcher = watcher
        self._tasks = tasks
        self._attend = attend
        self._catalog = catalog
        self._renames = Renames(catalog, store.applied, store.holds)
        self._planner = planner
        self._carrier = carrier
        self._reporter = reporter
        self._store = store
        self._clock = clock
        self._retention = retention
        self._healthy_changed = healthy_changed
        self._settle_s = settle_s
        self._targets = Targets(catalog, planner, store.holds, carrier.sink, clock)
        self._probation = Probation(clock)
        self._tries = Tries()

    def reconcile(self, key: AppKey, trigger: Trigger, cancelled: threading.Event) -> Next:
        """One pass. Raises nothing that it can explain: that becomes a status and a Next."""
        view = self._catalog.view(key)
        if view is None:
            return Stalled("no watched repository declares it")
        state = self._store.applied.get(key)
        requested = trigger.kind is TriggerKind.REQUEST and self._asks_for_sync(trigger)
        if requested:
            self._tries.forget(key)
        if self._command:
            # Applying Git by hand ends holding an older release, as a sync does.
            self._store.holds.unpin(key)
        try:
            if requested and self._catalog.accept(key, known=self._store.applied.apps()):
                view = self._catalog.view(key) or view
            return self._pass(view, state, trigger, cancelled, requested=requested)
        except TransientError as error:
            self._reporter.trouble(view, state, error)
            return Retry(error.message)
        except UserError as error:
            self._reporter.trouble(view, state, error)
            return Stalled(error.message)

    def _asks_for_sync(self, trigger: Trigger) -> bool:
        if self._command:
            return True
        found = (self._store.requests.get(request) for request in trigger.requests)
        # Holding an older release is to be carried out as well, where nothing is by itself.
        return any(request is not None and request.verb in {RequestVerb.SYNC, RequestVerb.PIN} for request in found)

    def _pass(
        self, view: View, state: AppliedState, trigger: Trigger, cancelled: threading.Event, *, requested: bool
    ) -> Next:
        target = self._targets.choose(view, state, requested=requested)
        if target is None:
            self._reporter.unreadable(view, state)
            return Stalled("its manifests cannot be used")
        app, snapshot = target.application, target.view.snapshot
        if app is not None and snapshot is not None:
            desired = self._planner.desired(app, snapshot)
            if target.goes_back:
                desired = as_way_back(desired)
        else:
            last = self._farewell(view, state)
            desired, snapshot = last.desired, last.snapshot
            if desired.hooks and desired.digest == state.failed_digest and not requested:
                target = replace(target, report_only=state.failed_reason)
        prune = app.sync_policy.prune if app is not None else view.prune
        look = self._planner.look(
            view.key,
            desired,
            application=app,
            snapshot=snapshot,
            prune=prune,
            fresh=trigger.kind is TriggerKind.TIMER,
            images=target.images,
            # Going back to an older release is not a release: its migrations would meet what the newer ones left.
            hooks=hook_options(
                self._store.applied, self._store.releases, view.key, allowed=not target.substitute, again=requested
            ),
            drift=unasked(app, self._drift.resting(view.key, desired.digest)) if app and not requested else None,
        )
        if being_handed_over(look.observed):
            # Two of us are there, one of them stopped: nothing of that is the application's health.
            return Requeue(HANDOVER_S)
        if app is not None and not target.substitute and not state.applied_digest:
            state = recalled(look, view, state, self._planner, self._targets, self._clock.now())
        look = self._renames.held(look, view)
        if target.substitute:
            # Git's own state is what a reader compares with; the substitute is what is carried out.
            state = replace(state, desired_revision=view.revision)
        else:
            state = replace(state, desired_revision=view.revision, desired_digest=desired.digest)
        current = _Pass(
            look=look, view=view, state=state, target=target, trigger=trigger, cancelled=cancelled, requested=requested
        )
        hold = self._hold(current)
        followed = self._carry_out(current) if not look.plan.empty and hold is None else self._rest(current, hold)
        self._attend(look, cancelled)
        return followed

    def _farewell(self, view: View, state: AppliedState) -> Farewell:
        return farewell(
            self._catalog,
            self._planner,
            view.key,
            revision=view.revision,
            applied_revision=state.applied_revision,
            unknown=lambda message: self._reporter.hooks_unknown(view.key, message),
        )

    # -- whether to act ------------------------------------------------------------------------------------------

    def _hold(self, current: _Pass[StepT]) -> Hold | None:
        """Why nothing is done about a difference now; None to go on."""
        target, look = current.target, current.look
        if target.report_only:
            return Hold(reason=target.report_only)
        tried = "" if current.requested else self._tries.left_at(look.plan.app, look.desired.digest)
        if tried and not look.plan.empty:
            return Hold(reason=f"{tried}; a commit or 'trimtab sync' tries again")
        asked = Asked(
            requested=current.requested,
            drift_only=current.state.applied_digest == look.desired.digest,
            way_back=target.rolls_back,
        )
        return self._gate.hold(look, target.application, asked)

    # -- acting --------------------------------------------------------------------------------------------------

    def _carry_out(self, current: _Pass[StepT]) -> Next:
        look, view, state, trigger, target = current.look, current.view, current.state, current.trigger, current.target
        if state.applied_digest == look.desired.digest:
            self._drift.repairs(look, drifted(look.plan.changes))
        self._drift.leaves(look)
        known = None if self._command or trigger.kind is TriggerKind.REQUEST else self._carrier.known_to_fail(look)
        if known is not None:
            return self._failed(current, Carried(outcomes=(), release=0, error=known))
        self._reporter.begins(look, view, state, target)
        timeout_s = look.application.timeout_s if look.application is not None else None
        if not target.substitute:
            left_s = self._gate.seconds_left(
                view.key, target.application, requested=current.requested, at_most_s=timeout_s or RESYNC_S
            )
            timeout_s = timeout_s if left_s is None else left_s
        carried = self._carrier.carry_out(
            look,
            cancelled=current.cancelled,
            trigger=trigger.kind.value,
            timeout_s=timeout_s,
            watcher=self._watcher,
            instead_of=f"{state.failed_revision[:7]}: {target.substitute}" if target.rolls_back else "",
        )
        if self._tasks is not None:
            self._tasks.remember(look.plan.changes, carried.outcomes, look.plan.revision)
        if carried.done:
            now = self._clock.now()
            self._tries.forget(view.key)
            if promotion.waits(look.plan.changes):
                # Not applied before it is promoted.
                self._reporter.staged(look, view)
                return Requeue(0.0)
            if not target.substitute:
                state = replace(state, failed_revision="", failed_digest="", failed_reason="", tried=0)
            state = _applied(state, look, now)
            self._store.applied.put(state)
            note_farewell(self._store.facts, look.desired)
            self._reporter.succeeded(look, view, state, trigger, target)
            if _removes_application(look):
                self._forget(view.key)
                return Stalled("removed from Git and from the engine")
            return Requeue(0.0)
        return self._failed(current, carried)

    def _failed(self, current: _Pass[StepT], carried: Carried) -> Next:
        look, view, state = current.look, current.view, current.state
        if carried.cancelled or carried.error is None:
            self._reporter.interrupted(look, view, state)
            return Requeue(0.0)
        error = carried.error
        # A repair of what ran well before is tried again, later and later: nothing is ever given up that once worked.
        repair = state.applied_digest == look.desired.digest
        if isinstance(error, UserError) and not current.target.substitute and not repair:
            state = _failed(state, look, error)
            if self._tasks is not None:
                self._tasks.after_failure(look, current.cancelled)
            self._store.applied.put(state)
            self._reporter.failed(look, view, state, error, final=True)
            # Those that wait for it have to say why now.
            self._healthy_changed(view.key)
            return Requeue(0.0)
        limit = look.application.sync_policy.retry_limit if look.application is not None else -1
        left_at = self._tries.failed(view.key, look.desired.digest, limit, f"{error.code}: {error.message}")
        if left_at and not current.target.substitute and not repair:
            state = replace(_failed(state, look, error), failed_reason=left_at)
            self._store.applied.put(state)
        self._reporter.failed(look, view, state, error, final=bool(left_at))
        return Requeue(0.0) if left_at else Retry(error.message)

    def _forget(self, key: AppKey) -> None:
        self._catalog.forget(key)
        self._reporter.gone(key)
        # What it leaned on may go now, too.
        self._healthy_changed(key)

    # -- nothing to do -------------------------------------------------------------------------------------------

    def _rest(self, current: _Pass[StepT], hold: Hold | None) -> Next:
        look, view, state, target = current.look, current.view, current.state, current.target
        now, held = self._clock.now(), hold.reason if hold is not None else ""
        lines = judge.resource_statuses(look.desired, look.observed, look.plan.changes, now)
        health, message = judge.overall_health(lines)
        if look.plan.empty and not held:
            if state.applied_digest != look.desired.digest or state.applied_revision != look.desired.revision:
                state = _applied(state, look, now)
            if not target.substitute and state.failed_digest == look.desired.digest:
                state = replace(state, failed_revision="", failed_digest="", failed_reason="", tried=0)
        self._drift.leaves(look, held)
        after: Next = self._after_drift(look) or Requeue(
            DENIED_S if look.verdict.decision is Decision.DENY else RESYNC_S
        )
        if look.plan.empty and not held and target.application is not None:
            watched, state = self._watch_health(current, state, health, message)
            after = watched or after
        elif look.plan.empty and target.application is None and not held:
            self._forget(view.key)
            return Stalled("no longer in Git")
        if self._tasks is not None:
            self._tasks.collect(look.observed)
        moved = state != self._store.applied.get(view.key)
        if moved:
            self._store.applied.put(state)
        became_healthy = self._reporter.rests(
            look,
            view,
            state,
            lines,
            held=held,
            target=target,
            trouble=self._catalog.trouble(view.key),
            contended=self._drift.contended(view.key, look.desired.digest),
        )
        if became_healthy or (moved and health is HealthStatus.HEALTHY):
            self._healthy_changed(view.key)
        return after if hold is None else self._after_hold(current, hold, after)

    def _after_hold(self, current: _Pass[StepT], hold: Hold, after: Next) -> Next:
        refused = hold.reason if hold.refuses and current.requested else ""
        left_s = (hold.until - self._clock.now()).total_seconds() if hold.until is not None else RESYNC_S
        after_s = min(max(left_s, 0.0), RESYNC_S)
        if hold.waits:
            return Wait(hold.reason, after_s, refused=refused)
        if isinstance(after, Requeue) and (hold.until is not None or refused):
            return Requeue(min(after_s, after.after_s), refused=refused)
        return after

    def _after_drift(self, look: Look[StepT]) -> Next | None:
        """When the first of the fields that were put right too often may be put right again."""
        resting = self._drift.resting(look.plan.app, look.desired.digest)
        left = [c for c in look.plan.changes if c.reason is Reason.REPORTED or c.reported]
        waits = [resting[c.key, path] for c in left for path in reported_paths(c) if (c.key, path) in resting]
        return Requeue(min(waits) + 0.05) if waits else None

    def _watch_health(  # noqa: PLR0911 - one line a standing
        self, current: _Pass[StepT], state: AppliedState, health: HealthStatus, message: str
    ) -> tuple[Next | None, AppliedState]:
        """Write "healthy" down once all runs well for a while; give a release up when it cannot any more.

        What stands in for Git's newest commit is not given up: there is nothing else to put in its place.
        """
        look, view = current.look, current.view
        now, app = self._clock.now(), look.application
        if any(change.reason is Reason.REPORTED for change in look.plan.changes):
            # Somebody stopped or changed it: that says nothing about the release.
            return None, state
        timeout_s = app.timeout_s if app is not None else RESYNC_S
        standing = Standing(
            health=health,
            message=message,
            hopeless=judge.beyond_hope(look.desired, look.observed, look.plan.changes, now),
            left_s=timeout_s - (now - (state.applied_at or now)).total_seconds(),
            timeout_s=timeout_s,
        )
        if state.healthy_digest == look.desired.digest:
            if state.healthy_revision != look.desired.revision and health is HealthStatus.HEALTHY:
                state = replace(state, healthy_revision=look.desired.revision)
                self._keep(view.key, state)
            # Without a way back, giving it up would only mean that it is not looked after any more.
            back = app is not None and app.rollback_on_failure and bool(state.previous_digest)
            if current.target.substitute or not back:
                return None, state
            verdict = self._probation.later(view.key, look.desired.digest, standing)
            if isinstance(verdict, GiveUp):
                return self._give_up(current, _unproved(state), verdict)
            return (None if verdict is None else Requeue(verdict + 0.05)), state
        if health is HealthStatus.HEALTHY:
            left_s = judge.seconds_to_settle(look.desired, look.observed, now, self._settle_s)
            if left_s > 0:
                return Requeue(left_s + 0.05), state
            return None, self._write_down(current, state)
        if current.target.substitute:
            return None, state
        verdict = self._probation.at_first(standing)
        if isinstance(verdict, GiveUp):
            return self._give_up(current, state, verdict)
        return Requeue(min(verdict, RESYNC_S) + 0.05), state

    def _give_up(self, current: _Pass[StepT], state: AppliedState, verdict: GiveUp) -> tuple[Next | None, AppliedState]:
        look, view = current.look, current.view
        error = UnhealthyRelease(verdict.reason)
        state = _failed(state, look, error)
        self._store.applied.put(state)
        self._carrier.revoke(look, str(error))
        self._reporter.failed(look, view, state, error, final=True)
        # Those that wait for it have to say why now.
        self._healthy_changed(view.key)
        return Requeue(0.0) if state.healthy_revision else Requeue(RESYNC_S), state

    def _write_down(self, current: _Pass[StepT], state: AppliedState) -> AppliedState:
        """It runs well: that is what a failure of its successor leads back to."""
        look, key = current.look, current.view.key
        state = _proved(state, look)
        self._keep(key, state)
        self._store.applied.put(state)
        if not current.target.substitute:
            self._carrier.confirm(look)
        refs = frozenset(resource.name for resource in look.desired.of_kind(Kind.IMAGE))
        self._retention.sweep(self._store.releases.recent_images(key, 5) | refs)
        return state

    def _keep(self, key: AppKey, state: AppliedState) -> None:
        """What may have to be put back stays readable, whatever becomes of its branch."""
        self._catalog.keep(key, "healthy", state.healthy_revision)
        self._catalog.keep(key, "previous", state.previous_revision)


def _applied(state: AppliedState, look: Look[StepT], now: datetime) -> AppliedState:
    """Carried out to the end; when that changed something, its deadline begins."""
    desired = look.desired
    applied_at = now if state.applied_digest != desired.digest else state.applied_at
    return replace(
        state, applied_revision=desired.revision, applied_digest=desired.digest, applied_at=applied_at, updated_at=now
    )


def _proved(state: AppliedState, look: Look[StepT]) -> AppliedState:
    """It ran well; what ran well before it is kept in mind until its deadline."""
    if state.healthy_digest:
        state = replace(
            state,
            previous_revision=state.healthy_revision,
            previous_digest=state.healthy_digest,
            previous_images=state.healthy_images,
        )
    return replace(
        state,
        healthy_revision=look.desired.revision,
        healthy_digest=look.desired.digest,
        healthy_images=images_of(look.desired, look.observed),
    )


def _unproved(state: AppliedState) -> AppliedState:
    """It did not run well after all: what ran well is what did before it."""
    return replace(
        state,
        healthy_revision=state.previous_revision,
        healthy_digest=state.previous_digest,
        healthy_images=state.previous_images,
        previous_revision="",
        previous_digest="",
        previous_images={},
    )


def _failed(state: AppliedState, look: Look[StepT], error: TrimtabError) -> AppliedState:
    """Not to be tried again by itself."""
    return replace(
        state,
        failed_revision=look.desired.revision,
        failed_digest=look.desired.digest,
        failed_reason=f"{error.code}: {error.message}",
        tried=state.tried + 1,
    )


def _removes_application(look: Look[StepT]) -> bool:
    return look.application is None
