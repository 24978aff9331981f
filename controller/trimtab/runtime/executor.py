"""Carries out a plan: a bounded number of steps at once, in the order of their needs. It decides nothing else.

One coordinator, the calling thread, decides; threads of a pool only perform. Which nodes run, are skipped or undo is
runtime.verdicts. Every step has a deadline: one that does not come back is left behind in its thread, which is counted
and never waited for, and its node has failed. After a cancel, nodes that have not started never will (those that undo
excepted), and steps in flight are told through their context and have as long to come back as runtime.cancel says.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from heapq import heappop, heappush
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from trimtab.errors import DeadlineExceeded, InternalError, TrimtabError
from trimtab.model.plan import Node, Plan, RunWhen, StepOutcome, StepStatus
from trimtab.ports import Clock, Driver, Journal, Meter, StepContext
from trimtab.runtime.cancel import grace_s, terminated
from trimtab.runtime.graph import Consequences, End, Graph
from trimtab.runtime.log import Log
from trimtab.runtime.meter import NoMeter
from trimtab.runtime.pool import DaemonPool

StepT = TypeVar("StepT")
FactT = TypeVar("FactT")

# A step knows its own deadline and explains itself best; only one that misses it by this much is left behind.
_OVERTIME_S, _OVERTIME_SHARE = 2.0, 0.25
# How soon a cancel or a deadline is noticed. The end of a step is noticed at once: it comes through a queue.
_TICK_S = 0.05

_log = Log(__name__)


def _ignore(*_: object) -> None:
    """Nobody asked to be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress(Generic[StepT]):
    """Whom to tell: ``on_start`` and ``on_outcome`` from the coordinator's thread, ``on_log`` from the step's.

    Without ``on_log``, the lines of a step go where the context's ``log`` sends them.
    """

    on_start: Callable[[Node[StepT]], None] = _ignore
    on_outcome: Callable[[StepOutcome], None] = _ignore
    on_log: Callable[[Node[StepT], str], None] | None = None


@dataclass(slots=True, eq=False)
class _Attempt(Generic[StepT]):
    """A step in flight; a cancel moves its deadline."""

    node: Node[StepT]
    started_s: float
    deadline_s: float
    cancelled: threading.Event


@dataclass(frozen=True, slots=True)
class _Return(Generic[StepT]):
    """What a step's thread hands back."""

    attempt: _Attempt[StepT]
    outputs: Mapping[str, str]
    error: BaseException | None


def step_text(node: Node[object]) -> str:
    """A node in words that are safe anywhere: no part of a step's spec is in them."""
    return f"{type(node.step).__name__} {node.key}" + (f" ({node.cause})" if node.cause else "")


def run(
    plan: Plan[StepT],
    driver: Driver[StepT],
    context: StepContext,
    *,
    journal: Journal,
    clock: Clock,
    workers: int = 8,
    on_outcome: Callable[[StepOutcome], None] = _ignore,
    cancelled: threading.Event | None = None,
    timeout_s: float | None = None,
    on_start: Callable[[Node[StepT]], None] = _ignore,
    on_log: Callable[[Node[StepT], str], None] | None = None,
    pool: DaemonPool | None = None,
    meter: Meter | None = None,
) -> tuple[StepOutcome, ...]:
    """Carry out ``plan``; one outcome a node, in node order.

    ``context`` is the pattern of every step's own: outputs, cancel event and deadline are replaced for each.
    ``timeout_s`` bounds the whole: afterwards it is as if ``cancelled`` had been set, with DeadlineExceeded as reason.
    ``pool`` is shared between runs by those who run many, so that threads and their connections are used again.

    Raises:
        InternalError: the plan is no DAG over its own nodes.
    """
    threads = pool or DaemonPool()
    progress = Progress(on_start=on_start, on_outcome=on_outcome, on_log=on_log)
    stop = cancelled or context.cancelled
    try:
        execution = _Execution(
            plan,
            driver,
            context,
            journal=journal,
            clock=clock,
            progress=progress,
            pool=threads,
            meter=meter or NoMeter(),
            workers=workers,
        )
        return execution.run(stop, timeout_s)
    finally:
        if pool is None:
            threads.close()


class _Execution(Generic[StepT]):
    """One run of one plan."""

    def __init__(
        self,
        plan: Plan[StepT],
        driver: Driver[StepT],
        context: StepContext,
        *,
        journal: Journal,
        clock: Clock,
        progress: Progress[StepT],
        pool: DaemonPool,
        meter: Meter,
        workers: int,
    ) -> None:
        self._plan = plan
        self._driver = driver
        self._context = replace(context, terminated=threading.Event())
        self._journal = journal
        self._clock = clock
        self._progress = progress
        self._pool = pool
        self._meter = meter
        self._workers = max(workers, 1)
        self._graph = Graph(plan.nodes)
        self._outcomes: dict[int, StepOutcome] = {}
        self._attempts: dict[int, _Attempt[StepT]] = {}
        self._returns: SimpleQueue[_Return[StepT]] = SimpleQueue()
        # (0 undoes, 1 goes on; place in the plan; id): what restores service goes first, then the plan's order.
        self._ready: list[tuple[int, int, int]] = []
        self._ready_waits: list[tuple[int, int, int]] = []
        self._working = 0
        self._run = 0
        self._cancelled = False

    def run(self, cancelled: threading.Event, timeout_s: float | None) -> tuple[StepOutcome, ...]:
        """From the first node to the last."""
        end_s = None if timeout_s is None else self._clock.monotonic_s() + timeout_s
        self._run = self._journal.opened(self._plan.id, self._plan.app, self._plan.target, self._plan.revision)
        self._follow(self._graph.begin())
        while self._ready or self._ready_waits or self._attempts:
            self._look_for_cancel(cancelled, end_s)
            self._start_ready()
            self._take_returns()
            self._leave_late_ones_behind()
        self._journal.closed(self._run)
        return tuple(self._outcomes[node.id] for node in self._plan.nodes)

    # -- starting ------------------------------------------------------------------------------------------------

    def _start_ready(self) -> None:
        # Those that only wait for the world take nobody's place.
        while self._ready_waits:
            self._start_unless_over(heappop(self._ready_waits)[2])
        while self._ready and self._working < self._workers:
            self._start_unless_over(heappop(self._ready)[2])

    def _start_unless_over(self, node_id: int) -> None:
        if node_id not in self._outcomes:
            self._start(self._graph.node(node_id))

    def _start(self, node: Node[StepT]) -> None:
        now_s = self._clock.monotonic_s()
        overtime_s = min(_OVERTIME_S, node.timeout_s * _OVERTIME_SHARE)
        attempt = _Attempt(node, now_s, now_s + node.timeout_s + overtime_s, threading.Event())
        on_log = self._progress.on_log
        context = replace(
            self._context,
            outputs={i: self._outcomes[i].outputs for i in self._graph.ancestors(node.id) if i in self._outcomes},
            cancelled=attempt.cancelled,
            timeout_s=node.timeout_s,
            log=self._context.log if on_log is None else partial(on_log, node),
        )
        self._journal.started(self._run, node.id, step_text(node))
        self._attempts[node.id] = attempt
        self._working += not node.waits
        self._pool.submit(partial(self._perform, attempt, context))
        self._tell(self._progress.on_start, node)

    def _perform(self, attempt: _Attempt[StepT], context: StepContext) -> None:
        """In a thread of the pool."""
        try:
            outputs = self._driver.perform(attempt.node.step, context)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the coordinator has to hear of it
            self._returns.put(_Return(attempt, {}, error))
        else:
            self._returns.put(_Return(attempt, dict(outputs), None))

    # -- ending --------------------------------------------------------------------------------------------------

    def _take_returns(self) -> None:
        """Wait a moment for the first, then take all that are there."""
        try:
            returned = self._returns.get(timeout=_TICK_S) if self._attempts else self._returns.get_nowait()
            while True:
                self._end(returned)
                returned = self._returns.get_nowait()
        except Empty:
            return

    def _end(self, returned: _Return[StepT]) -> None:
        node, attempt = returned.attempt.node, returned.attempt
        if self._attempts.get(node.id) is not attempt:
            _log.warning("a step that was left behind came back", step=step_text(node), app=str(self._plan.app))
            return
        if returned.error is None:
            self._finish(attempt, StepStatus.SUCCEEDED, None, returned.outputs)
            return
        error = self._classed(node, returned.error)
        # What a step says after it was told to stop is no verdict on the release.
        status = StepStatus.CANCELLED if attempt.cancelled.is_set() else StepStatus.FAILED
        self._finish(attempt, status, error)

    def _leave_late_ones_behind(self) -> None:
        now_s = self._clock.monotonic_s()
        for attempt in sorted(self._attempts.values(), key=lambda a: a.node.id):
            if now_s < attempt.deadline_s:
                continue
            was_told = attempt.cancelled.is_set()
            attempt.cancelled.set()
            error = DeadlineExceeded(
                f"{step_text(attempt.node)} did not come back within {now_s - attempt.started_s:.0f} s: left behind",
                hint="the engine may hang in this call; `trimtab doctor` and the engine's own log tell more",
            )
            self._meter.count("steps_abandoned_total", step=type(attempt.node.step).__name__)
            _log.error("a step was left behind", step=step_text(attempt.node), app=str(self._plan.app))
            self._finish(attempt, StepStatus.CANCELLED if was_told else StepStatus.FAILED, error)

    def _classed(self, node: Node[StepT], error: BaseException) -> Exception:
        if isinstance(error, TrimtabError):
            return error
        _log.error("a step failed in a way nobody foresaw", step=step_text(node), cause=error)
        self._meter.count("internal_errors_total")
        # The text of a foreign error may hold anything, a secret included: it goes to the (redacted) log only.
        internal = InternalError(
            f"{step_text(node)} failed unexpectedly ({type(error).__name__})",
            hint="this is a defect of Trimtab; the log has the traceback",
        )
        internal.__cause__ = error
        return internal

    def _finish(
        self,
        attempt: _Attempt[StepT],
        status: StepStatus,
        error: Exception | None,
        outputs: Mapping[str, str] | None = None,
    ) -> None:
        node = attempt.node
        del self._attempts[node.id]
        self._working -= not node.waits
        duration_s = self._clock.monotonic_s() - attempt.started_s
        self._journal.ended(self._run, node.id, status, "" if error is None else str(error))
        self._meter.observe("step_seconds", duration_s, step=type(node.step).__name__, status=status.value)
        outcome = StepOutcome(
            node=node.id, key=node.key, status=status, duration_s=duration_s, error=error, outputs=outputs or {}
        )
        self._record([outcome], started=True)

    def _record(self, outcomes: Sequence[StepOutcome], *, started: bool) -> None:
        """Outcomes that came about together, and what follows from them."""
        for outcome in outcomes:
            self._outcomes[outcome.node] = outcome
            self._tell(self._progress.on_outcome, outcome)
        self._follow(self._graph.ended([End(o.node, o.status, started) for o in outcomes]))

    def _follow(self, consequences: Consequences) -> None:
        for node_id in consequences.skipped:
            outcome = StepOutcome(node=node_id, key=self._graph.node(node_id).key, status=StepStatus.SKIPPED)
            self._outcomes[node_id] = outcome
            self._tell(self._progress.on_outcome, outcome)
        for node_id in consequences.ready:
            node = self._graph.node(node_id)
            queue = self._ready_waits if node.waits else self._ready
            heappush(queue, (0 if node.when is RunWhen.FAILURE else 1, self._graph.place(node_id), node_id))

    # -- cancelling ----------------------------------------------------------------------------------------------

    def _look_for_cancel(self, cancelled: threading.Event, end_s: float | None) -> None:
        if terminated(cancelled):
            self._context.terminated.set()
        now_s = self._clock.monotonic_s()
        overdue = end_s is not None and now_s >= end_s
        if self._cancelled or not (cancelled.is_set() or overdue):
            return
        self._cancelled = True
        error = DeadlineExceeded(f"the sync of {self._plan.app} took longer than it may") if overdue else None
        for attempt in self._attempts.values():
            if attempt.node.when is not RunWhen.FAILURE:
                attempt.cancelled.set()
                longest_s = max(grace_s(cancelled), attempt.node.settles_s)
                attempt.deadline_s = min(attempt.deadline_s, now_s + longest_s)
        to_come = [
            node
            for node in self._plan.nodes
            if node.when is not RunWhen.FAILURE and node.id not in self._outcomes and node.id not in self._attempts
        ]
        cancelled_nodes = [
            StepOutcome(node=node.id, key=node.key, status=StepStatus.CANCELLED, error=error) for node in to_come
        ]
        self._record(cancelled_nodes, started=False)

    def _tell(self, listener: Callable[[FactT], None], fact: FactT) -> None:
        """A listener's fault must not leave steps running that nobody watches."""
        try:
            listener(fact)
        except Exception as error:  # noqa: BLE001 - it is not ours, and it is told of
            _log.error("a listener to the progress of a sync failed", cause=error, app=str(self._plan.app))
            self._meter.count("internal_errors_total")
