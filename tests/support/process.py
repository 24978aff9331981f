"""A controller without threads, files or Git: the real catalog, planner, carrier and reconciler on a World.

``Process`` is one life of it. Killing it at a step and starting another one over the same world and store is what
``kill -9`` is to the real one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from textwrap import dedent

from tests.support.clock import FakeClock
from tests.support.memory_tree import Content, MemoryTree
from tests.support.world import Killed, World
from trimtab.backends.engine.dialect import EngineDialect
from trimtab.backends.engine.steps import EngineStep
from trimtab.errors import ConfigError, GitUnavailable
from trimtab.images.changedfiles import changed_files
from trimtab.images.resolver import TreeImageResolver
from trimtab.model.events import Event
from trimtab.model.keys import AppKey
from trimtab.model.plan import StepStatus
from trimtab.model.records import RequestVerb
from trimtab.model.snapshot import Snapshot
from trimtab.model.status import AppStatus, Next
from trimtab.model.trigger import Trigger, TriggerKind
from trimtab.model.windows import SyncWindow
from trimtab.ports import Commit
from trimtab.runtime.attendance import Attendance
from trimtab.runtime.buildreasons import BuildReasons
from trimtab.runtime.bystanders import Bystanders
from trimtab.runtime.carry import Carrier
from trimtab.runtime.catalog import Catalog
from trimtab.runtime.follower import Follower
from trimtab.runtime.jobs import JobKeeper
from trimtab.runtime.order import Order
from trimtab.runtime.planner import Planner
from trimtab.runtime.reconciler import SETTLE_S, Reconciler
from trimtab.runtime.report import Reporter
from trimtab.runtime.repository import Repository
from trimtab.runtime.taskruns import TaskRunner
from trimtab.runtime.witness import Witness
from trimtab.store.sqlite import SqliteStore

SHOP = AppKey("default", "shop")


class MemoryRepository:
    """ports.Source on trees in memory: ``push`` makes the next commit."""

    url = "memory://shop"
    local = True

    def __init__(self) -> None:
        self.commits: dict[str, MemoryTree] = {}
        self.fetched: set[str] = set()
        self.kept: dict[str, str] = {}
        self.down = False

    def push(self, files: Mapping[str, Content]) -> str:
        texts = {path: dedent(content) if isinstance(content, str) else content for path, content in files.items()}
        revision = f"{len(self.commits) + 1:040x}"
        self.commits[revision] = MemoryTree(texts)
        return revision

    @property
    def head(self) -> str:
        return list(self.commits)[-1]

    def poll(self) -> str:
        return self.head

    def snapshot(self, revision: str | None = None) -> Snapshot:
        chosen = revision or self.head
        # As a mirror does: what is here is read from here.
        if self.down and chosen not in self.fetched:
            raise GitUnavailable("the remote does not answer")
        if chosen not in self.commits:
            raise ConfigError(f"there is no commit {chosen}")
        self.fetched.add(chosen)
        return Snapshot(
            repo_url=self.url,
            ref="main",
            revision=chosen,
            subject="a change",
            author="Ada",
            committed_at=None,
            tree=self.commits[chosen],
        )

    def last_followed(self) -> Snapshot | None:
        return None

    def keep(self, name: str, revision: str) -> None:
        self.kept[name] = revision

    def accept(self, revision: str) -> None:
        raise NotImplementedError

    def log(self, revision: str, limit: int) -> tuple[Commit, ...]:
        return ()

    def watch(self, on_change: Callable[[], None]) -> Callable[[], None] | None:
        return None

    def close(self) -> None:
        return None


class Events:
    """An EventSink that keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[Event] = []

    def emit(self, event: Event) -> None:
        self.heard.append(event)

    def reasons(self) -> list[str]:
        return [event.reason for event in self.heard]


class NoRetention:
    def sweep(self, keep: object) -> None:
        return None


class Process:
    """One life of the controller. ``kill_at`` is (step from 0, after its effect?): it dies there with Killed."""

    def __init__(
        self,
        world: World,
        repository: MemoryRepository,
        data_dir: Path,
        clock: FakeClock,
        *,
        kill_at: tuple[int, bool] | None = None,
        windows: Sequence[SyncWindow] = (),
    ) -> None:
        self.world, self.repository, self.clock = world, repository, clock
        self.store = SqliteStore(data_dir, clock)
        self.events = Events()
        self.witness = Witness()
        self.started = self.ended = 0
        self.kill_at = kill_at
        dialect = EngineDialect(installation=world.installation, seal_key=world.seal_key)
        self.planner: Planner[EngineStep] = Planner(
            dialect, world, TreeImageResolver("trimtab"), self.store.applied, self.store.holds, clock=clock
        )
        self.watched = Repository(source=repository, default_name="shop")
        self.catalog = Catalog([self.watched], self.store.facts, lambda _ref: repository, self.planner.unaffected)
        self.planner.explain_builds(BuildReasons(tree_at=self.catalog.tree_at, changed=changed_files))
        tasks = TaskRunner(self.planner, world, self.store, self.events, clock)
        self.jobs = JobKeeper(tasks, self.store, self.events, clock)
        self.reconciler = Reconciler(
            self.catalog,
            self.planner,
            Carrier(world, self.store, self.events, clock, workers=1),
            Reporter(self.store, self.events, clock, "local"),
            self.store,
            clock,
            NoRetention(),
            witness=self.witness,
            healthy_changed=self._ready,
            windows=windows,
            tasks=tasks,
            attend=Attendance(self.jobs, self.catalog, self.planner, self.store, clock),
        )
        self.order = Order(self.catalog, self.store)
        bystanders = Bystanders(self.catalog, self.planner.digest_in, self.store)
        self.passed = bystanders.watching(self.reconciler.reconcile)
        self.passes = 0
        self.follower = Follower(self.catalog, bystanders, self.store.applied, self._notified, clock)
        self.woken: list[AppKey] = []
        # The journal is written right before and right after every step: where a kill can fall.
        journal = self.store.journal
        started, ended = journal.started, journal.ended

        def starts(run: int, node: int, text: str) -> None:
            if self.kill_at == (self.started, False):
                raise Killed
            self.started += 1
            started(run, node, text)

        def ends(run: int, node: int, status: StepStatus, error: str = "") -> None:
            if self.kill_at == (self.ended, True):
                raise Killed
            self.ended += 1
            ended(run, node, status, error)

        setattr(journal, "started", starts)  # noqa: B010 - the journal's own methods, for this one life
        setattr(journal, "ended", ends)  # noqa: B010

    def _ready(self, key: AppKey) -> None:
        self.woken += self.order.wakes(key)

    def _notified(self, key: AppKey, _trigger: Trigger, *, delay_s: float = 0.0) -> None:
        assert delay_s == 0.0
        self.woken.append(key)

    def follow(self) -> frozenset[AppKey]:
        """Look at the repository as a running controller does; the applications that are to have a pass for it."""
        self.woken.clear()
        changed = self.follower.refresh(self.watched)
        told = changed | frozenset(self.woken)
        self.woken.clear()
        return told

    def read(self) -> None:
        """Look at the repository. Raises GitUnavailable."""
        self.catalog.refresh(self.watched, known=self.store.applied.apps())

    def reconcile(self, key: AppKey = SHOP, kind: TriggerKind = TriggerKind.COMMIT, *, sync: bool = False) -> Next:
        if sync:
            return self.ask(RequestVerb.SYNC, key)
        return self._pass(key, Trigger(kind=kind, at=self.clock.now()))

    def ask(self, verb: RequestVerb, key: AppKey = SHOP) -> Next:
        """A pass that a person's request woke."""
        requests = (self.store.requests.submit(key, verb),)
        trigger = Trigger(kind=TriggerKind.REQUEST, at=self.clock.now(), requests=requests)
        return self._pass(key, trigger)

    def _pass(self, key: AppKey, trigger: Trigger) -> Next:
        self.passes += 1
        return self.passed(key, trigger, threading.Event())

    def rest(self, key: AppKey = SHOP, passes: int = 12) -> AppStatus:
        """Passes, with time going by, until nothing changes any more."""
        before = ""
        for _ in range(passes):
            self.clock.advance(SETTLE_S + 1)
            self.reconcile(key, TriggerKind.TIMER)
            now = self.world.snapshot() + repr(self.status(key).health if self.store.statuses.get(key) else "")
            if now == before:
                break
            before = now
        return self.status(key)

    def status(self, key: AppKey = SHOP) -> AppStatus:
        found = self.store.statuses.get(key)
        assert found is not None
        return found

    def close(self) -> None:
        self.store.close()
