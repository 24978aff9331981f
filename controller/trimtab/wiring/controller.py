"""The controller: everything that ``trimtab run`` starts, and how it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import structlog

from trimtab.errors import TrimtabError
from trimtab.model.application import Backoff
from trimtab.model.events import EngineEvent, Event, EventType
from trimtab.model.trigger import Trigger, TriggerKind
from trimtab.observability.events import EventFanOut
from trimtab.observability.metrics import Metrics
from trimtab.observability.redaction import Redactor
from trimtab.plan.secrets import secret_values
from trimtab.runtime.attendance import Attendance
from trimtab.runtime.bystanders import Bystanders
from trimtab.runtime.carry import Carrier
from trimtab.runtime.clock import SystemClock
from trimtab.runtime.clockjump import LOOK_S as CLOCK_LOOK_S
from trimtab.runtime.clockjump import ClockWatch
from trimtab.runtime.follower import Follower
from trimtab.runtime.jobs import TICK_S, JobKeeper
from trimtab.runtime.loop import ControlLoop
from trimtab.runtime.order import Order
from trimtab.runtime.pool import DaemonPool
from trimtab.runtime.reconciler import Reconciler
from trimtab.runtime.report import Reporter
from trimtab.runtime.requests import LOOK_S, RequestDesk
from trimtab.runtime.scheduler import Job, Scheduler
from trimtab.runtime.taskruns import TaskRunner
from trimtab.runtime.triggers import EngineTrigger, RepositoryTrigger, Resync
from trimtab.runtime.witness import Witness
from trimtab.runtime.workqueue import WorkQueue
from trimtab.wiring.archives import LOOK_S as ARCHIVES_LOOK_S
from trimtab.wiring.archives import ArchiveKeeper
from trimtab.wiring.engine import EngineRetention, open_engine, open_store, recognise
from trimtab.wiring.repositories import open_catalog, open_planner, open_repository

if TYPE_CHECKING:
    from trimtab.config import Config
    from trimtab.model.desired import DesiredState
    from trimtab.model.keys import AppKey
    from trimtab.ports import Source
    from trimtab.runtime.repository import Repository

# How long running steps may take to stop after SIGTERM; the rest is left to the next start (I2).
STOP_S = 25.0

_log = structlog.get_logger(__name__)


class Controller:
    """One engine, its repositories and the loop between them.

    Raises on construction: ConfigError, BackendUnavailable, UnsupportedByBackend, LockHeld; nothing runs then.
    """

    def __init__(
        self, config: Config, *, redactor: Redactor | None = None, stop: threading.Event | None = None
    ) -> None:
        from trimtab.backends.engine.lock import EngineLock

        self.config = config
        self.stop_asked = stop or threading.Event()
        self._redactor = redactor
        self.clock = SystemClock()
        self.metrics = Metrics()
        self.store = open_store(config)
        self.sink = EventFanOut(self.store.events, self.metrics, redactor)
        self.store.on_warning(self.sink.emit)
        try:
            self.engine = open_engine(config, keep_key=True, on_call=self._count_call)
        except TrimtabError:
            self.store.close()
            raise
        self.lock = EngineLock(self.engine.client, config.installation, on_lost=self._lock_lost)
        try:
            self.lock.acquire()
        except TrimtabError:
            self.engine.close()
            self.store.close()
            raise
        recognise(self.engine, self.store)
        self.planner = open_planner(self.engine, self.store, config, self._learn_secrets)
        repositories = [open_repository(item, config) for item in config.repositories]
        self.catalog = open_catalog(repositories, self.store, config, self.planner)
        self._build_loop()

    def _build_loop(self) -> None:
        config, store, clock, metrics = self.config, self.store, self.clock, self.metrics
        driver = self.engine.driver
        random = Random()  # noqa: S311 - jitter, not secrets
        self.witness = Witness()
        carrier = Carrier(driver, store, self.sink, clock, metrics, workers=config.engine_calls, pool=DaemonPool())
        mask = self._redactor.text if self._redactor is not None else str
        tasks = TaskRunner(self.planner, driver, store, self.sink, clock, mask)
        self.jobs = JobKeeper(tasks, store, self.sink, clock)
        self.reconciler = Reconciler(
            self.catalog,
            self.planner,
            carrier,
            Reporter(store, self.sink, clock, driver.target, metrics),
            store,
            clock,
            EngineRetention(self.engine.client, config),
            healthy_changed=self._wake_dependents,
            settle_s=config.settle_s,
            witness=self.witness,
            windows=config.sync_windows,
            tasks=tasks,
            attend=Attendance(self.jobs, self.catalog, self.planner, store, clock),
        )
        self.order = Order(self.catalog, store)
        bystanders = Bystanders(self.catalog, self.planner.digest_in, store)
        queue = WorkQueue(clock, random, backoff=self._backoff, meter=metrics)
        self.loop = ControlLoop(
            queue,
            bystanders.watching(self.reconciler.reconcile),
            clock,
            random,
            workers=config.passes,
            meter=metrics,
            after_pass=self._after_pass,
        )
        self.follower = Follower(self.catalog, bystanders, store.applied, self.loop.notify, clock)
        self.jobs.notify = self.loop.notify
        self.desk = RequestDesk(
            store.requests,
            store.holds,
            store.failed_builds,
            store.statuses,
            notify=self.loop.notify,
            terminate=self.loop.terminate,
            keys=self.catalog.keys,
            clock=clock,
            sink=self.sink,
            run_job=self.jobs.ask,
        )
        self.scheduler = Scheduler(clock, random, meter=metrics)
        self._watches: dict[Source, Callable[[], None] | None] = {}
        self._jobs: dict[str, Job] = {}
        self._read_once: set[str] = set()
        self._doubles_told: set[tuple[AppKey, str]] = set()

    # -- life ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to watch and converge."""
        for release in self.store.releases.interrupted("the controller ended before the sync did"):
            self._say("SyncInterrupted", f"{release.revision[:7]}: {release.message}", release.app)
        for run in self.store.journal_reader.unfinished():
            open_steps = ", ".join(entry.text for entry in run.entries if entry.status is None) or "between two steps"
            self._say(
                "Recovered",
                f"{run.revision[:7]}: the last run ended in: {open_steps}; converging from what is there",
                run.app,
            )
        # Before what wakes passes, so that a pass finds what it was woken by.
        self.engine.driver.watch(self.witness.take)
        self.engine.driver.watch(EngineTrigger(self.loop.notify, self.catalog.keys, self.clock).take)
        self.engine.driver.watch(self._tell_engine)
        self.loop.start()
        for repository in self.catalog.repositories:
            self._follow(repository)
        self.scheduler.every("requests", LOOK_S, self.desk.look, jitter=0.0)
        self.scheduler.every("jobs", TICK_S, self.jobs.look, jitter=0.0)
        clock_watch = ClockWatch(self.loop.notify, self.catalog.keys, self.clock)
        self.scheduler.every("clock", CLOCK_LOOK_S, clock_watch.look, jitter=0.0)
        self.scheduler.every("archives", ARCHIVES_LOOK_S, ArchiveKeeper(self.config, self.sink, self.clock).look)
        resync = Resync(self.loop.notify, self.catalog.keys, self.loop.expects, self.clock)
        self.scheduler.every(
            "resync", self.config.resync_interval_s, resync.look, first_s=self.config.resync_interval_s
        )
        self.scheduler.start()

    def stop(self) -> tuple[AppKey, ...]:
        """End: finish or abandon what runs; applications whose sync was cut off."""
        self.scheduler.stop()
        for stop_watching in self._watches.values():
            if stop_watching is not None:
                stop_watching()
        left = self.loop.stop(STOP_S)
        self.lock.release()
        self.engine.close()
        self.catalog.close()
        self.store.close()
        return left

    @property
    def ready(self) -> str:
        """Why it is not ready yet; "" when it is."""
        waiting = [r.id for r in self.catalog.repositories if r.id not in self._read_once]
        return f"not read yet: {', '.join(waiting)}" if waiting else ""

    # -- triggers ------------------------------------------------------------------------------------------------

    def _follow(self, repository: Repository) -> None:
        def refresh() -> frozenset[AppKey]:
            changed = self.follower.refresh(repository)
            self._read_once.add(repository.id)
            self._watch_elsewhere(repository)
            self._tell_doubles()
            return changed

        trigger = RepositoryTrigger(
            repository.source,
            refresh,
            self.loop.notify,
            self.clock,
            self.sink,
            interval_s=self.config.poll_interval_s,
            meter=self.metrics,
        )

        def look() -> float | None:
            after_s = trigger.look()
            if trigger.trouble is not None:
                self.catalog.restore(repository, trigger.trouble, known=self.store.applied.apps())
                self._read_once.add(repository.id)
                self._look_again(repository)
            return after_s

        job = self.scheduler.every(f"poll {repository.id}", self.config.poll_interval_s, look)
        self._jobs[repository.id] = job
        self._watches[repository.source] = repository.source.watch(job.hurry)

    def _look_again(self, repository: Repository) -> None:
        for key in sorted(self.catalog.keys()):
            if self.catalog.owner(key) is repository:
                trigger = Trigger(
                    kind=TriggerKind.FOLLOW_UP, at=self.clock.now(), detail="its repository cannot be read"
                )
                self.loop.notify(key, trigger)

    def _watch_elsewhere(self, repository: Repository) -> None:
        """Sources of applications whose files are in another repository: asked in the same rhythm."""
        for source in self.catalog.sources():
            if source in self._watches:
                continue
            trigger = RepositoryTrigger(
                source, partial(self._reread, repository), self.loop.notify, self.clock, self.sink,
                interval_s=self.config.poll_interval_s, meter=self.metrics,
            )  # fmt: skip
            job = self.scheduler.every(f"poll {source.url}", self.config.poll_interval_s, trigger.look)
            self._watches[source] = source.watch(job.hurry)

    def _reread(self, repository: Repository) -> frozenset[AppKey]:
        return self.follower.refresh(repository)

    def _wake_dependents(self, key: AppKey) -> None:
        for other in self.order.wakes(key):
            self.loop.notify(
                other, Trigger(kind=TriggerKind.DEPENDENCY, at=self.clock.now(), detail=f"{key} is ready, or gone")
            )

    def _after_pass(self, key: AppKey, trigger: Trigger, followed: object) -> None:
        self.desk.after_pass(key, trigger, followed)  # type: ignore[arg-type]  # the loop hands on what the pass returned

    def _backoff(self, key: AppKey) -> Backoff:
        view = self.catalog.view(key)
        if view is None or view.application is None:
            return Backoff()
        return view.application.sync_policy.backoff

    # -- telling -------------------------------------------------------------------------------------------------

    def _tell_doubles(self) -> None:
        doubles = {(key, str(told)) for key, several in self.catalog.doubles().items() for told in several}
        for key, told in sorted(doubles - self._doubles_told):
            self._say("DuplicateApplication", told, key, warning=True)
        self._doubles_told = doubles

    def _tell_engine(self, event: EngineEvent) -> None:
        self.metrics.count("engine_events_total", 1, kind=event.kind, action=event.action.partition(":")[0])
        if event.kind != "engine":
            return
        if event.action == "disconnected":
            why = event.attributes.get("reason", "")
            self._say("EngineUnavailable", f"the engine does not answer ({why}); trying again", None, warning=True)
        elif event.action == "reconnected":
            self._say("EngineRecovered", "the engine answers again; looking at everything", None)

    def _count_call(self, method: str, _kind: str, seconds: float, status: int) -> None:
        self.metrics.count("engine_calls_total", 1, method=method, code=str(status))
        self.metrics.observe("engine_call_seconds", seconds, method=method)

    def _lock_lost(self, why: str) -> None:
        self._say("LockLost", f"{why}; this controller stops", None, warning=True)
        self.stop_asked.set()

    def _learn_secrets(self, desired: DesiredState) -> None:
        if self._redactor is not None:
            self._redactor.learn(secret_values(desired))

    def _say(self, reason: str, message: str, app: AppKey | None, *, warning: bool = False) -> None:
        kind = EventType.WARNING if warning else EventType.NORMAL
        self.sink.emit(Event(at=self.clock.now(), app=app, reason=reason, message=message, type=kind))
