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
from typing import Generic, TypeVar

from trimtab.errors import BuildFailed, TransientError, UnhealthyRelease, UserError
from trimtab.model.application import Application
from trimtab.model.change import Change, Reason, Verb
from trimtab.model.keys import AppKey, Kind
from trimtab.model.plan import Decision
from trimtab.model.records import AppliedState, RequestVerb
from trimtab.model.status import HealthStatus, Next, Requeue, Retry, Stalled, Wait
from trimtab.model.trigger import Trigger, TriggerKind
from trimtab.model.windows import SyncWindow
from trimtab.plan import status as judge
from trimtab.ports import Clock, ImageRetention, Store
from trimtab.runtime.carry import Carried, Carrier, Watcher
from trimtab.runtime.catalog import Catalog
from trimtab.runtime.gate import Asked, Gate, Hold
from trimtab.runtime.order import Order
from trimtab.runtime.planner import Look, Planner
from trimtab.runtime.report import Reporter
from trimtab.runtime.selfheal import SelfHealBackoff
from trimtab.runtime.views import View

StepT = TypeVar("StepT")

# A full look this often, whatever the events said.
RESYNC_S = 300.0
# What stands in the way (a name that somebody else's object has) may go without an event that is about us.
DENIED_S = 10.0
# How long everything has to run before a release counts as healthy. Source: Swarm's default UpdateConfig.Monitor, 5 s.
SETTLE_S = 5.0
DRIFT = frozenset({Reason.DRIFT, Reason.MISSING, Reason.STOPPED, Reason.DUPLICATE})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """The revision that this pass works towards, and why it is not Git's newest."""

    application: Application | None
    view: View
    substitute: str = ""
    report_only: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pass(Generic[StepT]):
    """What one pass has found out before it acts or rests."""

    look: Look[StepT]
    view: View
    state: AppliedState
    target: _Target
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
        heal: SelfHealBackoff | None = None,
        command: bool = False,
        windows: Sequence[SyncWindow] = (),
    ) -> None:
        """``command``: passes are made by a person's command, which asks for a sync by being run."""
        self._gate = Gate(store, clock, Order(catalog, store), windows)
        self._command = command
        self._heal = heal or SelfHealBackoff(clock)
        self._watcher = watcher
        self._catalog = catalog
        self._planner = planner
        self._carrier = carrier
        self._reporter = reporter
        self._store = store
        self._clock = clock
        self._retention = retention
        self._healthy_changed = healthy_changed
        self._settle_s = settle_s

    def reconcile(self, key: AppKey, trigger: Trigger, cancelled: threading.Event) -> Next:
        """One pass. Raises nothing that it can explain: that becomes a status and a Next."""
        view = self._catalog.view(key)
        if view is None:
            return Stalled("no watched repository declares it")
        state = self._store.applied.get(key)
        requested = trigger.kind is TriggerKind.REQUEST and self._asks_for_sync(trigger)
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
        return any(request is not None and request.verb is RequestVerb.SYNC for request in found)

    def _pass(
        self, view: View, state: AppliedState, trigger: Trigger, cancelled: threading.Event, *, requested: bool
    ) -> Next:
        target = self._target(view, state, requested=requested)
        if target is None:
            self._reporter.unreadable(view, state)
            return Stalled("its manifests cannot be used")
        app, snapshot = target.application, target.view.snapshot
        if app is not None and snapshot is not None:
            desired = self._planner.desired(app, snapshot)
        else:
            desired = self._planner.nothing(view.key, view.revision)
        prune = app.sync_policy.prune if app is not None else view.prune
        look = self._planner.look(
            view.key, desired, application=app, snapshot=snapshot, prune=prune, fresh=trigger.kind is TriggerKind.TIMER
        )
        if target.substitute:
            # Git's own state is what a reader compares with; the substitute is what is carried out.
            state = replace(state, desired_revision=view.revision)
        else:
            state = replace(state, desired_revision=view.revision, desired_digest=desired.digest)
        current = _Pass(
            look=look, view=view, state=state, target=target, trigger=trigger, cancelled=cancelled, requested=requested
        )
        hold = self._hold(current)
        if not look.plan.empty and hold is None:
            return self._carry_out(current)
        return self._rest(current, hold)

    # -- which revision ------------------------------------------------------------------------------------------

    def _target(self, view: View, state: AppliedState, *, requested: bool) -> _Target | None:
        if view.problems:
            good = view if view.application is not None else self._older(view, state.applied_revision)
            if good is None or good.application is None:
                return None
            return _Target(application=good.application, view=good, substitute="the newest commit cannot be used")
        if view.removed or view.application is None or view.snapshot is None:
            return _Target(application=None, view=view)
        pin = self._store.holds.pinned(view.key)
        if pin is not None:
            if pin.branch_revision in {"", view.revision}:
                pinned = self._older(view, pin.revision)
                if pinned is not None:
                    return _Target(
                        application=pinned.application,
                        view=pinned,
                        substitute=f"held at {pin.revision[:7]} by rollback --pin",
                    )
            else:
                self._store.holds.unpin(view.key)
        desired = self._planner.desired(view.application, view.snapshot)
        if desired.digest != state.failed_digest or requested or not state.failed_digest:
            return _Target(application=view.application, view=view)
        # A failed build has changed nothing: what runs is not rolled back, it is looked after.
        if view.application.rollback_on_failure or state.failed_reason.startswith(BuildFailed.default_code):
            older = self._way_back(view, state)
            if older is not None:
                return _Target(application=older.application, view=older, substitute=state.failed_reason)
        return _Target(
            application=view.application, view=view, report_only=state.failed_reason or "this revision failed before"
        )

    def _way_back(self, view: View, state: AppliedState) -> View | None:
        """What takes a failed state's place: what was applied last unless that is it, else what last ran well."""
        last = (state.applied_revision, state.applied_digest)
        for revision, digest in (last, (state.healthy_revision, state.healthy_digest)):
            if digest and digest != state.failed_digest:
                older = self._older(view, revision)
                if older is not None:
                    return older
        return None

    def _older(self, view: View, revision: str) -> View | None:
        if not revision:
            return None
        if view.snapshot is not None and view.snapshot.revision == revision and view.application is not None:
            return view
        return self._catalog.at(view.key, revision)

    # -- whether to act ------------------------------------------------------------------------------------------

    def _hold(self, current: _Pass[StepT]) -> Hold | None:
        """Why nothing is done about a difference now; None to go on."""
        target, look = current.target, current.look
        if target.report_only:
            return Hold(reason=target.report_only)
        asked = Asked(
            requested=current.requested,
            drift_only=current.state.applied_digest == look.desired.digest,
            way_back=bool(target.substitute) and target.substitute == current.state.failed_reason,
        )
        return self._gate.hold(look, target.application, asked)

    # -- acting --------------------------------------------------------------------------------------------------

    def _carry_out(self, current: _Pass[StepT]) -> Next:
        look, view, state, trigger, target = current.look, current.view, current.state, current.trigger, current.target
        acting = tuple(change for change in look.plan.changes if change.acts)
        drift = tuple(change for change in acting if change.reason in DRIFT)
        if drift and state.applied_digest == look.desired.digest:
            wait_s = self._patience_s(current, drift) if len(drift) == len(acting) else 0.0
            if wait_s > 0:
                said = f"put right before and changed again; the next repair is in {wait_s:.0f} s"
                self._rest(current, Hold(reason=said))
                return Requeue(wait_s)
            self._carrier.report_drift(look, drift)
            for change in drift:
                self._heal.repaired(change.key, look.desired.digest)
        known = None if self._command or trigger.kind is TriggerKind.REQUEST else self._carrier.known_to_fail(look)
        if known is not None:
            return self._failed(current, Carried(outcomes=(), release=0, error=known))
        self._reporter.begins(look, view, state, target.substitute)
        timeout_s = look.application.timeout_s if look.application is not None else None
        if not target.substitute:
            left_s = self._gate.seconds_left(
                view.key, target.application, requested=current.requested, at_most_s=timeout_s or RESYNC_S
            )
            timeout_s = timeout_s if left_s is None else left_s
        carried = self._carrier.carry_out(
            look, cancelled=current.cancelled, trigger=trigger.kind.value, timeout_s=timeout_s, watcher=self._watcher
        )
        if carried.done:
            now = self._clock.now()
            if not target.substitute:
                state = replace(state, failed_revision="", failed_digest="", failed_reason="", tried=0)
            state = replace(
                state, applied_revision=look.desired.revision, applied_digest=look.desired.digest, updated_at=now
            )
            self._store.applied.put(state)
            self._reporter.succeeded(look, view, state, trigger, target.substitute)
            if _removes_application(look):
                self._forget(view.key)
                return Stalled("removed from Git and from the engine")
            return Requeue(0.0)
        return self._failed(current, carried)

    def _patience_s(self, current: _Pass[StepT], drift: tuple[Change, ...]) -> float:
        if self._command or current.trigger.kind is TriggerKind.REQUEST:
            return 0.0
        return min(self._heal.wait_s(change.key, current.look.desired.digest) for change in drift)

    def _failed(self, current: _Pass[StepT], carried: Carried) -> Next:
        look, view, state = current.look, current.view, current.state
        if carried.cancelled or carried.error is None:
            self._reporter.interrupted(look, view, state)
            return Requeue(0.0)
        error = carried.error
        # A repair of what ran well before is tried again, later and later: nothing is ever given up that once worked.
        repair = state.applied_digest == look.desired.digest
        if isinstance(error, UserError) and not current.target.substitute and not repair:
            state = replace(
                state,
                failed_revision=look.desired.revision,
                failed_digest=look.desired.digest,
                failed_reason=f"{error.code}: {error.message}",
                tried=state.tried + 1,
            )
            self._store.applied.put(state)
            self._reporter.failed(look, view, state, error, final=True)
            # Those that wait for it have to say why now.
            self._healthy_changed(view.key)
            return Requeue(0.0)
        self._reporter.failed(look, view, state, error, final=False)
        return Retry(error.message)

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
                state = replace(
                    state, applied_revision=look.desired.revision, applied_digest=look.desired.digest, updated_at=now
                )
            if not target.substitute and state.failed_digest == look.desired.digest:
                state = replace(state, failed_revision="", failed_digest="", failed_reason="", tried=0)
        after: Next = Requeue(DENIED_S if look.verdict.decision is Decision.DENY else RESYNC_S)
        if look.plan.empty and not held and target.application is not None:
            watched, state = self._watch_health(current, state, health, message)
            after = watched or after
        elif look.plan.empty and target.application is None and not held:
            self._forget(view.key)
            return Stalled("no longer in Git")
        moved = state != self._store.applied.get(view.key)
        if moved:
            self._store.applied.put(state)
        became_healthy = self._reporter.rests(
            look,
            view,
            state,
            lines,
            held=held,
            substitute=target.substitute,
            trouble=self._catalog.trouble(view.key),
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

    def _watch_health(
        self, current: _Pass[StepT], state: AppliedState, health: HealthStatus, message: str
    ) -> tuple[Next | None, AppliedState]:
        """Write "healthy" down once all runs well for a while; give a release up when it cannot any more.

        What stands in for Git's newest commit is not given up: there is nothing else to put in its place.
        """
        look, view = current.look, current.view
        now, app = self._clock.now(), look.application
        if state.healthy_digest == look.desired.digest:
            if state.healthy_revision != look.desired.revision and health is HealthStatus.HEALTHY:
                state = replace(state, healthy_revision=look.desired.revision)
            return None, state
        if health is HealthStatus.HEALTHY:
            left_s = judge.seconds_to_settle(look.desired, look.observed, now, self._settle_s)
            if left_s > 0:
                return Requeue(left_s + 0.05), state
            images = {resource.key.name: resource.name for resource in look.desired.of_kind(Kind.IMAGE)}
            state = replace(
                state, healthy_revision=look.desired.revision, healthy_digest=look.desired.digest, healthy_images=images
            )
            self._store.applied.put(state)
            self._retention.sweep(self._store.releases.recent_images(view.key, 5) | frozenset(images.values()))
            return None, state
        if current.target.substitute:
            return None, state
        hopeless = judge.beyond_hope(look.desired, look.observed, look.plan.changes, now)
        applied_at = state.updated_at or now
        timeout_s = app.timeout_s if app is not None else RESYNC_S
        left_s = timeout_s - (now - applied_at).total_seconds()
        if not hopeless and left_s > 0:
            return Requeue(min(left_s, RESYNC_S) + 0.05), state
        error = UnhealthyRelease(hopeless or f"not healthy within {timeout_s:.0f} s: {message}")
        state = replace(
            state,
            failed_revision=look.desired.revision,
            failed_digest=look.desired.digest,
            failed_reason=f"{error.code}: {error.message}",
            tried=state.tried + 1,
        )
        self._store.applied.put(state)
        self._reporter.failed(look, view, state, error, final=True)
        # Those that wait for it have to say why now.
        self._healthy_changed(view.key)
        return Requeue(0.0) if state.healthy_revision else Requeue(RESYNC_S), state


def _removes_application(look: Look[StepT]) -> bool:
    return look.application is None and all(change.verb in {Verb.DELETE, Verb.KEEP} for change in look.plan.changes)
