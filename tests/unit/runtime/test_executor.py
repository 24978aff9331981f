"""The executor on random DAGs against what must happen, and each promise about cancels, deadlines and faults."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.errors import Conflict, DeadlineExceeded, InternalError
from trimtab.model.events import EngineEvent
from trimtab.model.keys import AppKey, Kind, ResourceKey
from trimtab.model.observed import EngineFacts, ObservedState
from trimtab.model.plan import Node, Plan, RunWhen, StepOutcome, StepStatus
from trimtab.ports import StepContext
from trimtab.runtime import executor
from trimtab.runtime.cancel import Cancellation
from trimtab.runtime.clock import SystemClock
from trimtab.runtime.pool import DaemonPool

SHOP = AppKey("default", "shop")
OK, FAILED, SKIPPED, CANCELLED = StepStatus.SUCCEEDED, StepStatus.FAILED, StepStatus.SKIPPED, StepStatus.CANCELLED


@dataclass(frozen=True)
class Step:
    name: str = "step"


def node(number: int, *needs: int, undo: bool = False, timeout_s: float = 60.0) -> Node[Step]:
    key = ResourceKey(SHOP, Kind.CONTAINER, f"c{number}", 1)
    when = RunWhen.FAILURE if undo else RunWhen.SUCCESS
    step = Step(str(number))
    return Node(id=number, step=step, key=key, cause="", needs=frozenset(needs), when=when, timeout_s=timeout_s)


def plan(*nodes: Node[Step]) -> Plan[Step]:
    return Plan(id="p", app=SHOP, target="local", revision="r", desired_digest="d", observed_digest="o", nodes=nodes)


class Journal:
    def __init__(self) -> None:
        self.lines: list[tuple[object, ...]] = []

    def opened(self, plan_id: str, app: AppKey, target: str, revision: str) -> int:
        self.lines.append(("opened", plan_id))
        return 1

    def started(self, run: int, node: int, text: str) -> None:
        self.lines.append(("started", node, text))

    def ended(self, run: int, node: int, status: StepStatus, error: str = "") -> None:
        self.lines.append(("ended", node, status, error))

    def closed(self, run: int) -> None:
        self.lines.append(("closed",))


class Driver:
    """Performs by a function; the rest of the port is not the executor's business."""

    target = "local"

    def __init__(self, work: Callable[[int, StepContext], Mapping[str, str] | None]) -> None:
        self.work = work
        self.done: list[int] = []
        self.now = 0
        self.peak = 0
        self.lock = threading.Lock()

    def facts(self) -> EngineFacts:
        raise NotImplementedError

    def observe(self, app: AppKey | None = None, *, images: Sequence[str] = (), fresh: bool = False) -> ObservedState:
        raise NotImplementedError

    def watch(self, on_event: Callable[[EngineEvent], None]) -> Callable[[], None]:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def perform(self, step: Step, context: StepContext) -> Mapping[str, str]:
        with self.lock:
            self.now += 1
            self.peak = max(self.peak, self.now)
        try:
            outputs = self.work(int(step.name), context) or {}
        finally:
            with self.lock:
                self.now -= 1
        with self.lock:
            self.done.append(int(step.name))
        return outputs


def run(
    the_plan: Plan[Step], work: Callable[[int, StepContext], Mapping[str, str] | None], **more: object
) -> dict[int, StepOutcome]:
    driver = Driver(work)
    more.setdefault("journal", Journal())
    outcomes = executor.run(the_plan, driver, StepContext(), clock=SystemClock(), **more)  # type: ignore[arg-type]
    assert [o.node for o in outcomes] == [n.id for n in the_plan.nodes]
    return {o.node: o for o in outcomes}


def statuses(outcomes: dict[int, StepOutcome]) -> dict[int, StepStatus]:
    return {number: outcome.status for number, outcome in outcomes.items()}


# -- random DAGs -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class World:
    nodes: tuple[Node[Step], ...]
    failing: frozenset[int]
    workers: int


@st.composite
def worlds(draw: st.DrawFn) -> World:
    size = draw(st.integers(1, 14))
    numbers = draw(st.permutations(range(size)))
    nodes: list[Node[Step]] = []
    for place, number in enumerate(numbers):
        needs = draw(st.sets(st.sampled_from(numbers[:place]), max_size=4)) if place else set()
        nodes.append(node(number, *needs, undo=draw(st.integers(0, 4)) == 0))
    shuffled = draw(st.permutations(nodes))
    failing = draw(st.frozensets(st.sampled_from(numbers), max_size=4))
    return World(tuple(shuffled), failing, draw(st.integers(1, 4)))


def expected(world: World) -> dict[int, StepStatus]:
    """The rules of runtime.verdicts in another shape: by recursion from the node's needs."""
    by_id = {n.id: n for n in world.nodes}
    known: dict[int, StepStatus] = {}

    def what(number: int) -> StepStatus:
        if number not in known:
            known[number] = decide(by_id[number])
        return known[number]

    def decide(n: Node[Step]) -> StepStatus:
        ends = {need: what(need) for need in n.needs}
        ran = {need for need, end in ends.items() if end in {OK, FAILED}}
        if n.when is RunWhen.SUCCESS:
            runs = all(end is OK and by_id[need].when is RunWhen.SUCCESS for need, end in ends.items())
        else:
            real = {need for need in ends if by_id[need].when is RunWhen.SUCCESS}
            undone = ran - real
            completed = {need for need in real if ends[need] is OK}
            runs = bool(undone) or (bool(real & ran) and completed != real)
        if not runs:
            return SKIPPED
        return FAILED if n.id in world.failing else OK

    return {n.id: what(n.id) for n in world.nodes}


@pytest.mark.slow
@given(worlds())
@settings(max_examples=150, deadline=None)
def test_every_dag_ends_exactly_as_the_rules_say_within_the_limit_and_in_order(world: World) -> None:
    by_id = {n.id: n for n in world.nodes}
    over: set[int] = set()
    told: list[int] = []
    driver_box: list[Driver] = []

    def work(number: int, context: StepContext) -> Mapping[str, str]:
        # Every need that runs at all is over; its outputs are here.
        for need in by_id[number].needs:
            if expectation[need] in {OK, FAILED}:
                assert need in over, (number, need)
            if expectation[need] is OK:
                assert context.outputs[need] == {"id": f"o{need}"}
        if number in world.failing:
            over.add(number)
            raise Conflict("as planned")
        over.add(number)
        return {"id": f"o{number}"}

    expectation = expected(world)
    driver = Driver(work)
    driver_box.append(driver)
    outcomes = executor.run(
        plan(*world.nodes),
        driver,
        StepContext(),
        journal=Journal(),
        clock=SystemClock(),
        workers=world.workers,
        on_outcome=lambda outcome: told.append(outcome.node),
    )
    assert {o.node: o.status for o in outcomes} == expectation
    assert [o.node for o in outcomes] == [n.id for n in world.nodes]
    assert driver.peak <= world.workers
    assert sorted(told) == sorted(by_id)


@pytest.mark.slow
@given(worlds(), st.integers(0, 14))
@settings(max_examples=100, deadline=None)
def test_a_cancel_at_any_moment_leaves_nothing_running_and_nothing_half_done(world: World, cancel_at: int) -> None:
    by_id = {n.id: n for n in world.nodes}
    cancel, begun, lock = threading.Event(), set[int](), threading.Lock()

    def work(number: int, context: StepContext) -> None:
        with lock:
            begun.add(number)
            if len(begun) > cancel_at:
                cancel.set()
        if by_id[number].when is RunWhen.FAILURE:
            assert not context.cancelled.is_set()
        if number in world.failing:
            raise Conflict("as planned")

    outcomes = run(plan(*world.nodes), work, workers=world.workers, cancelled=cancel)
    for number, outcome in outcomes.items():
        needs = {need: by_id[need] for need in by_id[number].needs}
        if by_id[number].when is RunWhen.SUCCESS:
            if number in begun:
                assert all(outcomes[need].status is OK and n.when is RunWhen.SUCCESS for need, n in needs.items())
            else:
                assert outcome.status in {SKIPPED, CANCELLED}
            continue
        # Whatever moment it was: what undoes ran exactly when its group was begun and not completed.
        real = {need for need, n in needs.items() if n.when is RunWhen.SUCCESS}
        undone = {need for need in needs if need in begun} - real
        completed = {need for need in real if outcomes[need].status is OK}
        assert (number in begun) == (bool(undone) or (bool(real & begun) and completed != real))
        ran = FAILED if number in world.failing else OK
        assert outcome.status is (ran if number in begun else SKIPPED)
    assert cancel.is_set() or CANCELLED not in statuses(outcomes).values()


# -- single promises -------------------------------------------------------------------------------------------------


def test_a_failed_step_skips_its_dependents_and_nothing_else() -> None:
    def work(number: int, _context: StepContext) -> None:
        if number == 1:
            raise Conflict("no")

    outcomes = run(plan(node(1), node(2, 1), node(3, 2), node(4), node(5, 4)), work)
    assert statuses(outcomes) == {1: FAILED, 2: SKIPPED, 3: SKIPPED, 4: OK, 5: OK}
    assert isinstance(outcomes[1].error, Conflict)


def test_a_step_that_only_waits_takes_no_working_steps_place() -> None:
    together = threading.Barrier(4)

    def work(number: int, _context: StepContext) -> None:
        # 1 to 3 wait for 4, which works: with one worker that ends only if waiting is free.
        if number < 5:
            together.wait(30)

    nodes = (*(replace(node(number), waits=True) for number in (1, 2, 3)), node(4), node(5, 4))
    assert set(statuses(run(plan(*nodes), work, workers=1)).values()) == {OK}


def test_a_dependent_starts_within_a_moment_of_its_last_needs_end() -> None:
    ends: dict[int, float] = {}
    starts: dict[int, float] = {}

    def work(number: int, _context: StepContext) -> None:
        starts[number] = time.perf_counter()
        ends[number] = time.perf_counter()

    chain = plan(*(node(i, *([i - 1] if i else [])) for i in range(60)))
    run(chain, work)
    gaps = sorted(starts[i] - ends[i - 1] for i in range(1, 60))
    # The median, far below the coordinator's tick of 50 ms: nothing polls. About 0.1 ms on an idle core.
    assert gaps[len(gaps) // 2] < 0.005


def test_it_journals_before_and_after_each_step_that_starts() -> None:
    journal = Journal()

    def work(number: int, _context: StepContext) -> None:
        assert journal.lines[-1][:2] == ("started", number)
        if number == 2:
            raise Conflict("busy")

    run(plan(node(1), node(2, 1), node(3, 2)), work, journal=journal)
    assert journal.lines == [
        ("opened", "p"),
        ("started", 1, "Step container/shop/c1/1"),
        ("ended", 1, OK, ""),
        ("started", 2, "Step container/shop/c2/1"),
        ("ended", 2, FAILED, "busy"),
        ("closed",),
    ]


def test_a_foreign_exception_is_a_defect_whose_text_stays_out_of_the_outcome() -> None:
    def work(_number: int, _context: StepContext) -> None:
        raise KeyError("hunter2")

    error = run(plan(node(1)), work)[1].error
    assert isinstance(error, InternalError)
    assert "hunter2" not in str(error)
    assert isinstance(error.__cause__, KeyError)


def test_a_step_that_never_returns_is_left_behind_and_the_rest_goes_on() -> None:
    release = threading.Event()

    def work(number: int, _context: StepContext) -> None:
        if number == 1:
            release.wait(60)

    began = time.monotonic()
    outcomes = run(plan(node(1, timeout_s=0.2), node(2, 1), node(3), node(4, 1, undo=True)), work, workers=1)
    release.set()
    assert time.monotonic() - began < 10
    assert statuses(outcomes) == {1: FAILED, 2: SKIPPED, 3: OK, 4: OK}
    assert isinstance(outcomes[1].error, DeadlineExceeded)


@pytest.mark.slow
def test_a_step_left_behind_does_not_keep_the_process_alive() -> None:
    script = """
import threading
from tests.unit.runtime.test_executor import node, plan, run
outcomes = run(plan(node(1, timeout_s=0.1)), lambda number, context: threading.Event().wait())
print(outcomes[1].status)
"""
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=paths)
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["failed"]), done.stderr


def test_cancelling_tells_running_steps_and_starts_no_others() -> None:
    cancel, running = threading.Event(), threading.Event()

    def work(number: int, context: StepContext) -> None:
        if number == 1:
            running.set()
            assert context.cancelled.wait(30)
            raise Conflict("stopped half way")
        if number == 2:
            running.wait(30)
            cancel.set()

    outcomes = run(plan(node(1), node(2), node(3, 2), node(4, 3), node(5, 1)), work, cancelled=cancel)
    assert outcomes[1].status is CANCELLED
    assert outcomes[2].status is OK
    # 3 may have been started between the end of 2 and the look at the cancel; 4 and 5 never.
    assert {outcomes[4].status, outcomes[5].status} == {CANCELLED}


def test_a_plan_that_is_cancelled_before_it_begins_does_nothing() -> None:
    cancel = threading.Event()
    cancel.set()
    driver = Driver(lambda _number, _context: None)
    outcomes = executor.run(
        plan(node(1), node(2, 1), node(3, 1, 2, undo=True)),
        driver,
        StepContext(),
        journal=Journal(),
        clock=SystemClock(),
        cancelled=cancel,
    )
    assert [o.status for o in outcomes] == [CANCELLED, CANCELLED, SKIPPED]
    assert driver.done == []


@pytest.mark.parametrize("cancel_in", [1, 2, 3])
def test_a_group_that_was_begun_and_cancelled_is_undone(cancel_in: int) -> None:
    """Stop the old one, create the new one, start it; 4 puts the old one back, and is not told to stop."""
    cancel = threading.Event()

    def work(number: int, context: StepContext) -> None:
        if number == cancel_in:
            cancel.set()
            assert context.cancelled.wait(30)
            raise Conflict("stopped")
        if number == 4:
            assert not context.cancelled.is_set()

    outcomes = run(plan(node(1), node(2, 1), node(3, 2), node(4, 1, 2, 3, undo=True)), work, cancelled=cancel)
    assert outcomes[cancel_in].status is CANCELLED
    assert outcomes[4].status is OK


def test_a_group_is_undone_when_a_step_between_two_of_its_own_fails_elsewhere() -> None:
    """1 stops the old one; 3 would start the new one but needs 2, which is another object's and fails."""

    def work(number: int, _context: StepContext) -> None:
        if number == 2:
            raise Conflict("the database is not healthy")

    outcomes = run(plan(node(1), node(2), node(3, 1, 2), node(4, 1, 3, undo=True)), work)
    assert statuses(outcomes) == {1: OK, 2: FAILED, 3: SKIPPED, 4: OK}


def test_undoing_heals_nothing_and_is_not_done_without_need() -> None:
    def work(number: int, _context: StepContext) -> None:
        if number == 1:
            raise Conflict("no")

    nodes = (node(1), node(2, 1, undo=True), node(3, 2), node(4, 2, undo=True), node(5), node(6, 5, undo=True))
    assert statuses(run(plan(*nodes), work)) == {1: FAILED, 2: OK, 3: SKIPPED, 4: OK, 5: OK, 6: SKIPPED}


def test_a_step_that_does_not_heed_the_cancel_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trimtab.runtime.cancel.CANCEL_GRACE_S", 0.1)
    cancel, release, undone = threading.Event(), threading.Event(), threading.Event()

    def work(number: int, _context: StepContext) -> None:
        if number == 1:
            cancel.set()
            release.wait(60)
        else:
            undone.set()

    outcomes = run(plan(node(1), node(2, 1, undo=True)), work, cancelled=cancel)
    release.set()
    assert statuses(outcomes) == {1: CANCELLED, 2: OK}
    assert isinstance(outcomes[1].error, DeadlineExceeded)
    assert undone.is_set()


@pytest.mark.slow
@pytest.mark.parametrize(("settles_s", "status"), [(0.0, CANCELLED), (30.0, OK)])
def test_a_person_who_terminates_waits_a_moment_but_for_a_container_that_is_being_stopped(
    settles_s: float, status: StepStatus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trimtab.runtime.cancel.TERMINATE_GRACE_S", 0.1)
    cancel, release = Cancellation(), threading.Event()

    def work(_number: int, _context: StepContext) -> None:
        cancel.now()
        release.wait(1.0 if settles_s else 60)

    outcomes = run(plan(replace(node(1), settles_s=settles_s)), work, cancelled=cancel)
    release.set()
    # What came back in its time did so although it was told to stop: its effect is there.
    assert statuses(outcomes) == {1: status}


@pytest.mark.parametrize("asked", [True, False])
def test_only_a_person_ends_what_was_begun_to_run(*, asked: bool) -> None:
    """What undoes is told which of both it was: a newer commit lets a migration come to its end."""
    cancel, told = Cancellation(), []

    def work(number: int, context: StepContext) -> None:
        if number == 1:
            (cancel.now if asked else cancel.set)()
            context.cancelled.wait(30)
            raise Conflict("no longer waited for")
        told.append(context.terminated.is_set())

    assert statuses(run(plan(node(1), node(2, 1, undo=True)), work, cancelled=cancel)) == {1: CANCELLED, 2: OK}
    assert told == [asked]


def test_the_whole_has_a_deadline_too() -> None:
    def work(_number: int, context: StepContext) -> None:
        assert context.cancelled.wait(30)
        raise Conflict("told")

    outcomes = run(plan(node(1), node(2, 1)), work, timeout_s=0.1)
    assert statuses(outcomes) == {1: CANCELLED, 2: CANCELLED}
    assert isinstance(outcomes[2].error, DeadlineExceeded)


def test_a_listener_that_fails_changes_nothing() -> None:
    def broken(_outcome: StepOutcome) -> None:
        raise RuntimeError("the terminal is gone")

    assert statuses(run(plan(node(1), node(2, 1)), lambda _n, _c: None, on_outcome=broken)) == {1: OK, 2: OK}


def test_log_lines_come_with_their_node() -> None:
    lines: list[tuple[int, str]] = []

    def work(number: int, context: StepContext) -> None:
        context.log(f"line of {number}")

    run(plan(node(1), node(2, 1)), work, on_log=lambda n, line: lines.append((n.id, line)))
    assert lines == [(1, "line of 1"), (2, "line of 2")]


@pytest.mark.parametrize(
    ("nodes", "says"),
    [
        ((node(1), node(1)), "two nodes"),
        ((node(1, 9),), "needs node 9"),
        ((node(1, 2), node(2, 1)), "circle"),
    ],
)
def test_what_is_no_dag_is_refused(nodes: tuple[Node[Step], ...], says: str) -> None:
    with pytest.raises(InternalError, match=says):
        run(plan(*nodes), lambda _n, _c: None)


def test_threads_are_used_again_and_end_when_idle() -> None:
    pool = DaemonPool("reuse-test", idle_s=0.05)
    names: set[str] = set()
    chain = plan(*(node(i, *([i - 1] if i else [])) for i in range(10)))
    run(chain, lambda _n, _c: names.add(threading.current_thread().name), pool=pool)
    run(chain, lambda _n, _c: names.add(threading.current_thread().name), pool=pool)
    assert len(names) <= 3
    until = time.monotonic() + 10
    while any(t.name.startswith("reuse-test") for t in threading.enumerate()):
        assert time.monotonic() < until
        time.sleep(0.01)
