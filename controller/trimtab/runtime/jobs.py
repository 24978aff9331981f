"""Jobs of applications: begun when they are due, watched until they end, tidied up, remembered.

Level-based as everything else: each pass over an application also looks at its jobs. Which runs there were is read
from the engine; the store's part is only what a container cannot say, such as turns that were missed.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from trimtab.errors import ConfigError, TransientError, TrimtabError
from trimtab.model.change import Change, Verb
from trimtab.model.desired import DesiredState
from trimtab.model.events import Event
from trimtab.model.keys import AppKey, Kind
from trimtab.model.records import RunOutcome, TaskRun
from trimtab.model.snapshot import Snapshot
from trimtab.model.tasks import Job
from trimtab.model.trigger import Trigger, TriggerKind
from trimtab.plan.jobs import JobDecision, JobMemory, asked, decide, run_name, scheduled
from trimtab.ports import Clock, EventSink, Store
from trimtab.runtime.log import Log
from trimtab.runtime.taskruns import TaskRunner

StepT = TypeVar("StepT")
# How exactly a job begins on time.
TICK_S = 1.0
# What could not be done (the engine or a registry does not answer) is tried again so soon.
AGAIN_S = 30.0

_log = Log(__name__)


class JobKeeper(Generic[StepT]):
    """Looks after the jobs of all applications. Safe from any thread; one thread at a time for an application."""

    def __init__(
        self,
        runner: TaskRunner[StepT],
        store: Store,
        sink: EventSink,
        clock: Clock,
        notify: Callable[[AppKey, Trigger], None] = lambda _key, _trigger: None,
    ) -> None:
        self._runner = runner
        self._store = store
        self._sink = sink
        self._clock = clock
        self.notify = notify
        self._lock = threading.Lock()
        self._wakes: dict[AppKey, datetime] = {}
        self._known: dict[AppKey, tuple[str, ...]] = {}

    def attend(
        self, desired: DesiredState, snapshot: Snapshot | None, cancelled: threading.Event, *, suspended: bool
    ) -> None:
        """Do what is due of one application's jobs; ``desired`` is what was applied. Raises BackendUnavailable."""
        app = desired.app
        with self._lock:
            self._known[app] = tuple(job.key.name for job in desired.jobs)
            self._wakes.pop(app, None)
        if not desired.jobs:
            return
        # The planner's own look, so that it is the one that is kept.
        refs = tuple(sorted({resource.name for resource in desired.of_kind(Kind.IMAGE)}))
        observed = self._runner.driver.observe(app, images=refs)
        self._runner.collect(observed)
        live = observed.live
        wakes: list[datetime] = []
        for job in desired.jobs:
            own = replace(job, settings=replace(job.settings, suspended=True)) if suspended else job
            memory = self._memory(own, suspended=suspended)
            decision = decide(own, live.get(job.key, ()), memory, self._clock.now())
            again_at = self._carry_out(own, desired, snapshot, decision, cancelled)
            wakes += [at for at in (decision.wake_at, again_at) if at is not None]
        if wakes:
            with self._lock:
                self._wakes[app] = min(wakes)

    def forget(self, app: AppKey) -> None:
        """The application is gone, or nothing of it is applied."""
        with self._lock:
            self._known.pop(app, None)
            self._wakes.pop(app, None)

    def look(self) -> None:
        """Every ``TICK_S``: wake the applications that have a job due."""
        now = self._clock.now()
        with self._lock:
            due = [app for app, at in self._wakes.items() if at <= now]
            for app in due:
                del self._wakes[app]
        for app in sorted(due):
            self.notify(app, Trigger(kind=TriggerKind.FOLLOW_UP, at=now, detail="a job is due"))

    def ask(self, app: AppKey, name: str, at: datetime) -> str:
        """A person wants a run; its name. Asked at the same moment, it is the same run. Raises ConfigError."""
        with self._lock:
            known = self._known.get(app, ())
        if name not in known:
            hint = f"known are: {', '.join(known)}" if known else "nothing of it that has jobs is applied"
            raise ConfigError(f"{app} has no job '{name}'", hint=hint)
        fact = _asked_fact(app, name)
        wanted = [*self._list(fact), asked(at)]
        self._store.facts.put(fact, json.dumps(sorted(set(wanted))))
        return wanted[-1]

    # -- one job -------------------------------------------------------------------------------------------------

    def _carry_out(
        self,
        job: Job,
        desired: DesiredState,
        snapshot: Snapshot | None,
        decision: JobDecision,
        cancelled: threading.Event,
    ) -> datetime | None:
        """When to try again what could not be done now."""
        if decision.missed is not None:
            self._missed(job, decision.missed)
        starts = [change for change in decision.changes if change.verb is Verb.RUN]
        for change in starts:
            self._say("JobStarted", job, f"{job.key.name}: {change.name}", desired.revision)
        if decision.changes:
            try:
                error = self._runner.run(desired, snapshot, lambda _observed: decision.changes, cancelled)
            except TransientError as failed:
                error = failed
            if isinstance(error, TransientError):
                _log.warning("a job could not be started", app=str(desired.app), job=job.key.name, reason=str(error))
                return self._clock.now() + timedelta(seconds=AGAIN_S)
            if error is not None:
                self._failed(job, starts, error, desired.revision)
        self._remember(job, decision.memory)
        return None

    def _missed(self, job: Job, turn: datetime) -> None:
        limit_s = job.settings.starting_deadline_s or 0.0
        self._runner.put(
            TaskRun(
                app=job.key.app,
                name=run_name(job, scheduled(turn)),
                kind=Kind.JOB,
                task=job.key.name,
                cause="schedule",
                outcome=RunOutcome.MISSED,
                at=turn,
                finished_at=self._clock.now(),
                message=f"due {turn:%Y-%m-%d %H:%M} UTC, and could not begin within {limit_s:.0f} s",
            )
        )

    def _failed(self, job: Job, starts: list[Change], error: TrimtabError, revision: str) -> None:
        """What cannot be begun is a run that failed, and not tried for ever."""
        for change in starts:
            self._runner.put(
                TaskRun(
                    app=job.key.app,
                    name=change.name,
                    kind=Kind.JOB,
                    task=job.key.name,
                    cause="schedule",
                    outcome=RunOutcome.FAILED,
                    revision=revision,
                    at=self._clock.now(),
                    finished_at=self._clock.now(),
                    message=str(error),
                )
            )

    # -- memory --------------------------------------------------------------------------------------------------

    def _memory(self, job: Job, *, suspended: bool) -> JobMemory:
        app = job.key.app
        over = frozenset(run.name for run in self._store.task_runs.list(app) if run.finished_at is not None)
        fact = _asked_fact(app, job.key.name)
        wanted = [run_name(job, turn) for turn in self._list(fact)]
        left = [name for name in wanted if name not in over]
        if wanted and not left:
            self._store.facts.put(fact, "")
        known = self._mapping(_fact(app, job.key.name))
        since = known.get("since")
        return JobMemory(
            schedule=known.get("schedule", ""),
            since=datetime.fromisoformat(since) if since else None,
            over=over,
            asked=() if suspended else tuple(left),
        )

    def _remember(self, job: Job, memory: JobMemory) -> None:
        if memory.since is None:
            return
        text = json.dumps({"schedule": memory.schedule, "since": memory.since.isoformat()}, sort_keys=True)
        name = _fact(job.key.app, job.key.name)
        if self._store.facts.get(name) != text:
            self._store.facts.put(name, text)

    def _mapping(self, name: str) -> dict[str, str]:
        try:
            found = json.loads(self._store.facts.get(name) or "{}")
        except ValueError:
            return {}
        return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}

    def _list(self, name: str) -> list[str]:
        try:
            found = json.loads(self._store.facts.get(name) or "[]")
        except ValueError:
            return []
        return [str(item) for item in found] if isinstance(found, list) else []

    def _say(self, reason: str, job: Job, message: str, revision: str) -> None:
        event = Event(at=self._clock.now(), app=job.key.app, reason=reason, message=message, revision=revision)
        self._sink.emit(event)


def _fact(app: AppKey, name: str) -> str:
    return f"job/{app}/{name}"


def _asked_fact(app: AppKey, name: str) -> str:
    return f"job-asked/{app}/{name}"
