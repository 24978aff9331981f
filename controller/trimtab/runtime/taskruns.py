"""Runs of hooks and jobs beside the sync itself: hooks of its failure, and the record of every run with its log."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Generic, TypeVar

from trimtab.errors import TrimtabError, UnhealthyRelease
from trimtab.model.application import HookPhase
from trimtab.model.change import Change, Verb
from trimtab.model.desired import DesiredState
from trimtab.model.events import Event, EventType
from trimtab.model.keys import RUNS, Kind
from trimtab.model.observed import Live, ObservedState
from trimtab.model.plan import StepOutcome, StepStatus
from trimtab.model.records import RunOutcome, TaskRun
from trimtab.model.snapshot import Snapshot
from trimtab.plan.runs import ENDED, cause_of, hook_run, succeeded
from trimtab.ports import Clock, Driver, EventSink, StepContext, Store
from trimtab.runtime import executor
from trimtab.runtime.carry import most_telling
from trimtab.runtime.log import Log
from trimtab.runtime.planner import Look, Planner

StepT = TypeVar("StepT")
# How much of a run's output is read to be kept; the store bounds its length, too.
LOG_LINES = 1000

_log = Log(__name__)


class TaskRunner(Generic[StepT]):
    """Starts single runs and remembers them. ``mask`` takes secrets out of what they wrote."""

    def __init__(  # noqa: PLR0917 - one of each thing a run needs
        self,
        planner: Planner[StepT],
        driver: Driver[StepT],
        store: Store,
        sink: EventSink,
        clock: Clock,
        mask: Callable[[str], str] = lambda text: text,
    ) -> None:
        self.driver = driver
        self._planner = planner
        self._store = store
        self._sink = sink
        self._clock = clock
        self._mask = mask

    def run(
        self,
        desired: DesiredState,
        snapshot: Snapshot | None,
        make: Callable[[ObservedState], tuple[Change, ...]],
        cancelled: threading.Event,
        timeout_s: float | None = None,
    ) -> TrimtabError | None:
        """Carry out runs by themselves, with the images that they need; the most telling failure.

        Raises:
            BackendUnavailable: the engine does not answer.
        """
        plan = self._planner.run_plan(desired, make)
        if plan.empty:
            return None
        context = StepContext(
            revision=plan.revision,
            repo_url=snapshot.repo_url if snapshot else "",
            tree=snapshot.tree if snapshot else None,
            contents=desired.contents,
            builds=desired.builds,
            cancelled=cancelled,
        )
        outcomes = executor.run(
            plan,
            self.driver,
            context,
            journal=self._store.journal,
            clock=self._clock,
            cancelled=cancelled,
            timeout_s=timeout_s,
        )
        self.remember(plan.changes, outcomes, plan.revision)
        return most_telling(outcomes)

    def after_failure(self, look: Look[StepT], cancelled: threading.Event) -> None:
        """Run the hooks for a sync that failed. What they do themselves is told, and changes nothing about it."""
        for hook in sorted(look.desired.hooks, key=lambda one: (one.wave, one.key)):
            if hook.phase is not HookPhase.SYNC_FAIL:
                continue

            def make(observed: ObservedState, hook: object = hook) -> tuple[Change, ...]:
                change = hook_run(hook, look.desired, observed, again=True)  # type: ignore[arg-type]  # bound early
                return (change,) if change is not None else ()

            timeout_s = look.application.timeout_s if look.application is not None else None
            try:
                self.run(look.desired, look.snapshot, make, cancelled, timeout_s)
            except TrimtabError as error:
                _log.warning("a hook for a failed sync could not be run", app=str(look.desired.app), reason=str(error))

    # -- what is remembered --------------------------------------------------------------------------------------

    def remember(self, changes: tuple[Change, ...], outcomes: tuple[StepOutcome, ...], revision: str) -> None:
        """Write down the hooks that this plan has run, while their containers may be gone already."""
        for change in changes:
            if change.verb is not Verb.RUN or change.key.kind is not Kind.HOOK or change.after is None:
                continue
            mine = [outcome for outcome in outcomes if outcome.key == change.key]
            failed = next((o for o in mine if o.status is StepStatus.FAILED), None)
            ended = next((o for o in mine if "log" in o.outputs), None)
            stopped = [outcome for outcome in mine if outcome.outputs.get("terminated")]
            for outcome in stopped:
                self.put(self._terminated(change, outcome, revision))
            if stopped or (failed is None and ended is None):
                continue
            error = failed.error if failed is not None else None
            log = "\n".join(error.log_tail) if isinstance(error, UnhealthyRelease) else ""
            self.put(
                TaskRun(
                    app=change.key.app,
                    name=change.name,
                    kind=change.key.kind,
                    task=change.key.name,
                    cause=str(change.after.traits.get("phase") or ""),
                    outcome=RunOutcome.SUCCEEDED if failed is None else RunOutcome.FAILED,
                    revision=revision,
                    at=self._clock.now(),
                    finished_at=self._clock.now(),
                    exit_code=0 if failed is None else None,
                    message="" if error is None else str(error),
                    log=ended.outputs["log"] if ended is not None and failed is None else log,
                )
            )

    def _terminated(self, change: Change, outcome: StepOutcome, revision: str) -> TaskRun:
        """Its container is gone with the sync that it was part of."""
        phase = change.after.traits.get("phase") if change.after is not None else ""
        return TaskRun(
            app=change.key.app,
            name=outcome.outputs["terminated"],
            kind=change.key.kind,
            task=change.key.name,
            cause=str(phase or ""),
            outcome=RunOutcome.TERMINATED,
            revision=revision,
            at=self._clock.now(),
            finished_at=self._clock.now(),
            message="stopped, because the sync was terminated; the next sync runs it again",
            log=outcome.outputs.get("log", ""),
        )

    def collect(self, observed: ObservedState) -> None:
        """Write down every run on the engine that has ended and was not written down with its end before."""
        for key, lives in observed.live.items():
            for live in lives if key.kind in RUNS else ():
                if live.running.status in ENDED:
                    self._collect(live)

    def _collect(self, live: Live) -> None:
        known = self._store.task_runs.get(live.key.app, live.name)
        state = live.running
        if known is not None and known.finished_at is not None and known.started_at == state.started_at:
            return
        kept = [*self.driver.tail(live.handle, LOG_LINES)]
        self.put(
            TaskRun(
                app=live.key.app,
                name=live.name,
                kind=live.key.kind,
                task=live.key.name,
                cause=known.cause if known is not None and known.cause else cause_of(live),
                outcome=RunOutcome.SUCCEEDED if succeeded(live) else RunOutcome.FAILED,
                revision=live.revision,
                at=state.started_at or live.created_at or self._clock.now(),
                started_at=state.started_at,
                finished_at=state.finished_at or self._clock.now(),
                exit_code=state.exit_code,
                message=known.message if known is not None and known.message else _ended(live),
                log="\n".join(kept),
            )
        )

    def put(self, run: TaskRun) -> None:
        """Write one down, without secrets, and tell of it once."""
        before = self._store.task_runs.get(run.app, run.name)
        run = replace(run, log=self._mask(run.log), message=self._mask(run.message))
        self._store.task_runs.put(run)
        if before is not None and before.finished_at is not None and before.outcome is run.outcome:
            return
        what = "Hook" if run.kind is Kind.HOOK else "Job"
        failed = run.outcome is RunOutcome.FAILED
        self._sink.emit(
            Event(
                at=self._clock.now(),
                app=run.app,
                reason=f"{what}{run.outcome.value}",
                type=EventType.WARNING if failed else EventType.NORMAL,
                message=f"{run.task} ({run.cause}): {run.message or 'it ended well'}" if run.cause else run.message,
                revision=run.revision,
                fields={"run": run.name, "exitCode": run.exit_code},
            )
        )


def _ended(live: Live) -> str:
    state = live.running
    if state.oom_killed:
        return "it ran out of memory"
    return "" if succeeded(live) else f"it ended with exit code {state.exit_code}"
