"""What the world is told of a pass: the application's status, and an event when something changed. No decisions."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from trimtab.errors import BuildFailed, TrimtabError, UnhealthyRelease
from trimtab.model.change import Promotion
from trimtab.model.events import Event, EventType
from trimtab.model.keys import AppKey
from trimtab.model.records import AppliedState
from trimtab.model.status import (
    AppStatus,
    HealthStatus,
    Phase,
    ResourceStatus,
    SyncStatus,
)
from trimtab.model.trigger import Trigger
from trimtab.plan import status as judge
from trimtab.plan.conditions import conditions_of
from trimtab.plan.render.summary import summary_line
from trimtab.ports import Clock, EventSink, Meter, Store
from trimtab.runtime.meter import NoMeter
from trimtab.runtime.planner import Look
from trimtab.runtime.standing import first, short, standing
from trimtab.runtime.target import Target
from trimtab.runtime.views import View

StepT = TypeVar("StepT")
# A status that says the same is written again only this often, to show that somebody still looks.
OBSERVED_AGAIN_S = 10.0


class Reporter:
    """Writes statuses and events; says a thing once, not in every pass."""

    def __init__(self, store: Store, sink: EventSink, clock: Clock, target: str, meter: Meter | None = None) -> None:
        self._store = store
        self._sink = sink
        self._clock = clock
        self._target = target
        self._meter = meter or NoMeter()
        self._told: set[AppKey] = set()

    # -- a pass that could not be made --------------------------------------------------------------------------

    def trouble(self, view: View, state: AppliedState, error: TrimtabError) -> None:
        """Something outside failed, or an input cannot be used."""
        before = self._store.statuses.get(view.key)
        self._put(
            replace(
                self._base(view, state, before),
                sync=SyncStatus.UNKNOWN,
                health=before.health if before is not None else HealthStatus.UNKNOWN,
                message=str(error),
                phase=Phase.ERROR,
            ),
            reason="ReconcileError",
            warning=True,
        )

    def unreadable(self, view: View, state: AppliedState) -> None:
        """The manifests cannot be used and there is no older state to hold."""
        base = self._base(view, state, self._store.statuses.get(view.key))
        self._put(
            replace(
                base,
                sync=SyncStatus.UNKNOWN,
                health=HealthStatus.UNKNOWN,
                message=first(view.problems),
                phase=Phase.ERROR,
            ),
            reason="ManifestInvalid",
            warning=True,
        )

    # -- a sync --------------------------------------------------------------------------------------------------

    def begins(self, look: Look[StepT], view: View, state: AppliedState, target: Target) -> None:
        """A plan is about to be carried out."""
        before = self._store.statuses.get(view.key)
        lines = judge.resource_statuses(look.desired, look.observed, look.plan.changes, self._clock.now())
        health, _ = judge.overall_health(lines)
        self._put(
            replace(
                self._base(view, state, before),
                sync=SyncStatus.OUT_OF_SYNC,
                health=HealthStatus.PROGRESSING if health in {HealthStatus.HEALTHY, HealthStatus.MISSING} else health,
                message=target.substitute or summary_line(look.plan.changes),
                phase=Phase.RUNNING,
                resources=lines,
            )
        )
        reason = "RollbackStarted" if target.rolls_back else "SyncStarted"
        self._event(
            view.key, reason, f"{short(look.plan.revision)}: {summary_line(look.plan.changes)}", look.plan.revision
        )

    def succeeded(self, look: Look[StepT], view: View, state: AppliedState, trigger: Trigger, target: Target) -> None:
        """All of a plan was carried out."""
        if target.rolls_back:
            failed = f"{short(state.failed_revision)} failed ({target.substitute})"
            message = f"{failed}; back at {short(look.plan.revision)}"
            self._event(view.key, "RolledBack", message, look.plan.revision, warning=True)
        else:
            done = ", ".join(f"{c.verb} {c.name}" for c in look.plan.changes if c.acts)
            self._event(view.key, "SyncSucceeded", f"{short(look.plan.revision)}: {done}", look.plan.revision)
        took_s = (self._clock.now() - trigger.at).total_seconds()
        phase = Phase.ROLLED_BACK if target.rolls_back else Phase.SUCCEEDED
        self._meter.count("app_sync_total", 1, name=view.key.name, namespace=view.key.namespace, phase=phase.value)
        if trigger.revision and not target.substitute:
            self._meter.observe("time_to_deploy_seconds", took_s, name=view.key.name, namespace=view.key.namespace)

    def staged(self, look: Look[StepT], view: View) -> None:
        """All of a plan was carried out, and new containers wait beside the old ones."""
        names = ", ".join(change.name for change in look.plan.changes if change.promotion is Promotion.STAGE)
        done = f"new ones run well beside {names}" if names else "all that does not wait for promotion is done"
        self._event(view.key, "Staged", f"{short(look.plan.revision)}: {done}", look.plan.revision)

    def failed(self, look: Look[StepT], view: View, state: AppliedState, error: TrimtabError, *, final: bool) -> None:
        """A sync failed; ``final``: this desired state will not be tried again by itself."""
        before = self._store.statuses.get(view.key)
        lines = judge.resource_statuses(look.desired, look.observed, look.plan.changes, self._clock.now())
        health, _ = judge.overall_health(lines)
        unhealthy = isinstance(error, UnhealthyRelease)
        self._put(
            replace(
                self._base(view, state, before),
                sync=SyncStatus.OUT_OF_SYNC,
                health=HealthStatus.DEGRADED if unhealthy else health,
                message=str(error),
                phase=Phase.FAILED,
                resources=lines,
            )
        )
        tail = error.log_tail if isinstance(error, BuildFailed | UnhealthyRelease) else ()
        reason = "BuildFailed" if isinstance(error, BuildFailed) else "ReleaseUnhealthy" if unhealthy else "SyncFailed"
        again = "it is not tried again until Git changes or 'trimtab sync' asks" if final else "it will be tried again"
        self._event(
            view.key,
            reason,
            f"{short(look.plan.revision)}: {error}; {again}",
            look.plan.revision,
            warning=True,
            fields={"log": list(tail), "code": error.code} if tail else {"code": error.code},
        )
        self._meter.count(
            "app_sync_total", 1, name=view.key.name, namespace=view.key.namespace, phase=Phase.FAILED.value
        )

    def interrupted(self, look: Look[StepT], view: View, state: AppliedState) -> None:
        """A newer commit or a person stopped a sync."""
        before = self._store.statuses.get(view.key)
        lines = judge.resource_statuses(look.desired, look.observed, look.plan.changes, self._clock.now())
        self._put(
            replace(
                self._base(view, state, before),
                sync=SyncStatus.OUT_OF_SYNC,
                health=judge.overall_health(lines)[0],
                phase=Phase.TERMINATING,
                message="the sync was stopped before its end",
                resources=lines,
            )
        )
        self._event(
            view.key, "SyncTerminated", f"{short(look.plan.revision)}: stopped before its end", look.plan.revision
        )

    def hooks_unknown(self, key: AppKey, message: str) -> None:
        """The hooks of an application's removal cannot be known."""
        self._event(key, "DeletionHooksUnknown", message, "", warning=True)

    def gone(self, key: AppKey) -> None:
        """An application is no longer in Git, and nothing of it but its volumes is on the engine."""
        self._event(key, "ApplicationRemoved", "no longer in Git; removed from the engine, its volumes were kept", "")
        self._store.statuses.drop(key)
        self._store.applied.drop(key)
        self._meter.forget("app_info", name=key.name, namespace=key.namespace)

    # -- nothing to do -------------------------------------------------------------------------------------------

    def rests(
        self,
        look: Look[StepT],
        view: View,
        state: AppliedState,
        lines: tuple[ResourceStatus, ...],
        *,
        held: str,
        target: Target,
        trouble: TrimtabError | None = None,
        contended: str = "",
    ) -> bool:
        """A pass that changed nothing; whether the application has just become healthy."""
        before = self._store.statuses.get(view.key)
        base = replace(self._base(view, state, before), resources=lines, contended=contended)
        after, reason = standing(base, look, view, held=held, target=target, trouble=trouble)
        self._put(after, reason=reason, warning=reason in {"ManifestInvalid", "Held"})
        health, message = after.health, after.message
        was = before.health if before is not None else None
        became_healthy = health is HealthStatus.HEALTHY and was is not HealthStatus.HEALTHY
        if became_healthy:
            self._event(view.key, "Healthy", f"{short(look.desired.revision)} runs well", look.desired.revision)
        elif health is HealthStatus.DEGRADED and was is not HealthStatus.DEGRADED and not target.substitute:
            self._event(view.key, "HealthDegraded", message, look.desired.revision, warning=True)
        return became_healthy

    # -- plumbing ------------------------------------------------------------------------------------------------

    def _base(self, view: View, state: AppliedState, before: AppStatus | None) -> AppStatus:
        base = before or AppStatus(
            app=view.key, sync=SyncStatus.UNKNOWN, health=HealthStatus.UNKNOWN, target=self._target
        )
        return replace(
            base,
            target=self._target,
            desired_revision=view.revision,
            applied_revision=state.applied_revision,
            healthy_revision=state.healthy_revision,
            failed_revision=state.failed_revision,
            suspended="",
        )

    def _put(self, status: AppStatus, *, reason: str = "", warning: bool = False) -> None:
        now = self._clock.now()
        before = self._store.statuses.get(status.app)
        changed = before is None or (before.sync, before.health) != (status.sync, status.health)
        status = replace(
            status,
            since=now if changed or before is None else before.since,
            conditions=conditions_of(status, before, now),
        )
        comparable = replace(before, observed_at=None) if before is not None else None
        same = comparable == replace(status, observed_at=None)
        # The first look of this process is always written down: a reader may wait for one since the start.
        if same and before is not None and _fresh(before, now) and status.app in self._told:
            return
        self._told.add(status.app)
        self._store.statuses.put(replace(status, observed_at=now))
        labels = {"name": status.app.name, "namespace": status.app.namespace}
        self._meter.gauge("app_info", 1, **labels, sync_status=status.sync.value, health_status=status.health.value)
        if reason and (before is None or before.message != status.message):
            self._event(status.app, reason, status.message, status.desired_revision, warning=warning)

    def _event(
        self,
        key: AppKey,
        reason: str,
        message: str,
        revision: str,
        *,
        warning: bool = False,
        fields: dict[str, object] | None = None,
    ) -> None:
        self._sink.emit(
            Event(
                at=self._clock.now(),
                app=key,
                reason=reason,
                type=EventType.WARNING if warning else EventType.NORMAL,
                message=message,
                revision=revision,
                fields=fields or {},
            )
        )


def _fresh(status: AppStatus, now: datetime) -> bool:
    return status.observed_at is not None and (now - status.observed_at).total_seconds() < OBSERVED_AGAIN_S
