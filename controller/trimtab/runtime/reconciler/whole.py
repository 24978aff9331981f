"""A pass as a whole: the revision, what differs from it, whether that may be put right now; then it acts or rests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Generic, TypeVar

from trimtab.errors import TransientError, UserError
from trimtab.model.keys import AppKey
from trimtab.model.records import AppliedState, RequestVerb
from trimtab.model.status import Next, Requeue, Retry, Stalled
from trimtab.model.trigger import Trigger, TriggerKind
from trimtab.model.windows import SyncWindow
from trimtab.plan.drift import unasked
from trimtab.plan.own import being_handed_over
from trimtab.plan.setback import as_way_back
from trimtab.ports import Clock, ImageRetention, Store
from trimtab.runtime.aftermath import Aftermath
from trimtab.runtime.carry import Carrier, Watcher
from trimtab.runtime.catalog import Catalog
from trimtab.runtime.drifting import DriftTeller
from trimtab.runtime.fulllooks import FullLooks
from trimtab.runtime.gate import Asked, Gate, Hold
from trimtab.runtime.hooks import Farewell, farewell, hook_options
from trimtab.runtime.order import Order
from trimtab.runtime.planner import Look, Planner
from trimtab.runtime.recall import recalled
from trimtab.runtime.reconciler.acting import Acting
from trimtab.runtime.reconciler.current import HANDOVER_S, SETTLE_S, Means, Pass
from trimtab.runtime.reconciler.proving import Proving
from trimtab.runtime.reconciler.resting import Resting
from trimtab.runtime.renames import Renames
from trimtab.runtime.report import Reporter
from trimtab.runtime.selfheal import SelfHealBackoff
from trimtab.runtime.sweeps import Sweeps
from trimtab.runtime.target import Target, Targets
from trimtab.runtime.taskruns import TaskRunner
from trimtab.runtime.tries import Tries
from trimtab.runtime.views import View
from trimtab.runtime.witness import Witness

StepT = TypeVar("StepT")


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
        self._attend = attend
        self._catalog = catalog
        self._renames = Renames(catalog, store.applied, store.holds)
        self._sweeps = Sweeps(catalog, store.holds)
        self._planner = planner
        self._reporter = reporter
        self._store = store
        self._clock = clock
        self._targets = Targets(catalog, planner, store.holds, carrier.sink, clock)
        self._tries = Tries()
        self._full_looks = FullLooks(clock)
        means = Means(
            catalog=catalog,
            carrier=carrier,
            reporter=reporter,
            store=store,
            clock=clock,
            drift=self._drift,
            tasks=tasks,
            healthy_changed=healthy_changed,
        )
        self._acting = Acting(means, self._gate, self._tries, watcher=watcher, command=command)
        self._aftermath = Aftermath(clock)
        self._resting = Resting(means, Proving(means, retention, settle_s), self._aftermath)

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
        target, look = self._look(view, state, target, trigger, requested=requested)
        if being_handed_over(look.observed):
            # Two of us are there, one of them stopped: nothing of that is the application's health.
            return Requeue(HANDOVER_S)
        if target.application is not None and not target.substitute and not state.applied_digest:
            state = recalled(look, view, state, self._planner, self._targets, self._clock.now())
        look = self._sweeps.held(self._renames.held(look, view), view)
        if target.substitute:
            # Git's own state is what a reader compares with; the substitute is what is carried out.
            state = replace(state, desired_revision=view.revision)
        else:
            state = replace(state, desired_revision=view.revision, desired_digest=look.desired.digest)
        current = Pass(
            look=look, view=view, state=state, target=target, trigger=trigger, cancelled=cancelled, requested=requested
        )
        hold = self._hold(current)
        acts = hold is None and not look.plan.empty
        followed = self._acting.carry_out(current) if acts else self._resting.rest(current, hold)
        self._attend(look, cancelled)
        return followed

    def _look(
        self, view: View, state: AppliedState, target: Target, trigger: Trigger, *, requested: bool
    ) -> tuple[Target, Look[StepT]]:
        """Stages 3 to 8 for the target; it may turn out that nothing is to be done about it."""
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
        return target, self._planner.look(
            view.key,
            desired,
            application=app,
            snapshot=snapshot,
            prune=app.sync_policy.prune if app is not None else view.prune,
            fresh=trigger.kind is TriggerKind.TIMER and self._full_looks.due(),
            images=target.images,
            # Going back to an older release is not a release: its migrations would meet what the newer ones left.
            hooks=hook_options(
                self._store.applied, self._store.releases, view.key, allowed=not target.substitute, again=requested
            ),
            drift=unasked(app, self._drift.resting(view.key, desired.digest)) if app and not requested else None,
        )

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

    def _hold(self, current: Pass[StepT]) -> Hold | None:
        """Why nothing is done about a difference now; None to go on."""
        target, look = current.target, current.look
        if target.report_only and not self._aftermath.repairs(look, current.state):
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
