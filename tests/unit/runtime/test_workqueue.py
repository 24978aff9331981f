"""The queue against a model of its contract, and what the model cannot see: blocking, closing, metrics."""

from __future__ import annotations

import threading
from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.support.clock import FakeClock
from trimtab.model.application import Backoff
from trimtab.model.keys import AppKey
from trimtab.model.trigger import PRIORITIES, Trigger, TriggerKind
from trimtab.runtime.clock import SystemClock
from trimtab.runtime.workqueue import JITTER, WorkQueue

KEYS = tuple(AppKey("default", name) for name in ("api", "blog", "shop"))
BACKOFF = Backoff(duration_s=4, factor=2, max_duration_s=30)

keys = st.sampled_from(KEYS)
kinds = st.sampled_from(TriggerKind)
delays = st.integers(0, 20)


def a_trigger(clock: FakeClock, kind: TriggerKind = TriggerKind.TIMER, **more: object) -> Trigger:
    return Trigger(kind=kind, at=clock.now(), **more)  # type: ignore[arg-type]


class Entry:
    """The model's own idea of what waits for one key."""

    def __init__(self, due: float, priority: int, request: int) -> None:
        self.due, self.priority, self.requests = due, priority, {request}


class QueueModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.queue = WorkQueue(self.clock, Random(1), backoff=lambda _key: BACKOFF)
        self.waiting: dict[AppKey, Entry] = {}
        self.in_flight: set[AppKey] = set()
        self.failures: dict[AppKey, int] = {}
        self.request = 0

    def _expect(self, key: AppKey, kind: TriggerKind, due: float) -> None:
        known = self.waiting.get(key)
        if known is None:
            self.waiting[key] = Entry(due, PRIORITIES[kind], self.request)
        else:
            known.due, known.priority = min(known.due, due), max(known.priority, PRIORITIES[kind])
            known.requests.add(self.request)

    @rule(key=keys, kind=kinds, delay=delays)
    def add(self, key: AppKey, kind: TriggerKind, delay: int) -> None:
        self.request += 1
        self.queue.add(key, a_trigger(self.clock, kind, requests=(self.request,)), delay_s=delay)
        self._expect(key, kind, self.clock.monotonic_s() + delay)

    @rule(key=keys, after=st.none() | delays)
    def retry(self, key: AppKey, after: int | None) -> None:
        self.request += 1
        delay = self.queue.retry(key, a_trigger(self.clock, TriggerKind.RETRY, requests=(self.request,)), after_s=after)
        failures = self.failures.get(key, 0)
        self.failures[key] = failures + 1
        if after is None:
            full = min(4 * 2**failures, 30)
            assert full * (1 - JITTER) <= delay <= full
        else:
            assert delay == after
        self._expect(key, TriggerKind.RETRY, self.clock.monotonic_s() + delay)

    @rule(key=keys)
    def forget(self, key: AppKey) -> None:
        self.queue.forget(key)
        self.failures.pop(key, None)

    @rule(key=keys, delay=delays)
    def postpone(self, key: AppKey, delay: int) -> None:
        self.queue.postpone(key, delay)
        entry = self.waiting.get(key)
        if entry is not None and entry.priority < PRIORITIES[TriggerKind.COMMIT]:
            entry.due = max(entry.due, self.clock.monotonic_s() + delay)

    @rule(seconds=st.integers(0, 15))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule()
    def get(self) -> None:
        now = self.clock.monotonic_s()
        due = {k: e for k, e in self.waiting.items() if e.due <= now and k not in self.in_flight}
        work = self.queue.get(timeout_s=0)
        if not due:
            assert work is None
            return
        assert work is not None
        assert work.key in due
        entry = self.waiting.pop(work.key)
        assert entry.priority == work.trigger.priority == max(e.priority for e in due.values())
        assert entry.due == min(e.due for e in due.values() if e.priority == entry.priority)
        assert set(work.trigger.requests) == entry.requests
        assert work.failures == self.failures.get(work.key, 0)
        self.in_flight.add(work.key)

    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        if self.in_flight:
            key = data.draw(st.sampled_from(sorted(self.in_flight)))
            self.queue.done(key)
            self.in_flight.discard(key)

    @rule(key=keys)
    def remove(self, key: AppKey) -> None:
        self.queue.remove(key)
        self.waiting.pop(key, None)
        self.failures.pop(key, None)

    @invariant()
    def nothing_is_lost_and_nothing_twice(self) -> None:
        assert self.queue.waiting() == tuple(sorted(self.waiting))
        now = self.clock.monotonic_s()
        assert self.queue.depth == sum(e.due <= now and k not in self.in_flight for k, e in self.waiting.items())


TestQueueModel = QueueModel.TestCase
TestQueueModel.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


class Recorder:
    """A meter that remembers."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, float, dict[str, str]]] = []

    def count(self, name: str, amount: float = 1.0, /, **labels: str) -> None:
        self.seen.append((name, amount, labels))

    def gauge(self, name: str, value: float, /, **labels: str) -> None:
        self.seen.append((name, value, labels))

    observe = gauge

    def values(self, name: str) -> list[float]:
        return [value for seen, value, _ in self.seen if seen == name]


def test_a_getter_wakes_when_something_is_added_and_when_its_time_comes() -> None:
    clock = SystemClock()
    queue = WorkQueue(clock, Random(1))
    got: list[AppKey] = []

    def worker() -> None:
        while (work := queue.get()) is not None:
            got.append(work.key)
            queue.done(work.key)
            if len(got) == 2:
                queue.close()

    thread = threading.Thread(target=worker)
    thread.start()
    queue.add(KEYS[1], Trigger(kind=TriggerKind.TIMER, at=clock.now()), delay_s=0.05)
    queue.add(KEYS[0], Trigger(kind=TriggerKind.TIMER, at=clock.now()))
    thread.join(10)
    assert got == [KEYS[0], KEYS[1]]


def test_close_releases_everyone_and_ignores_what_comes_after() -> None:
    queue = WorkQueue(SystemClock(), Random(1))
    results: list[object] = []
    threads = [threading.Thread(target=lambda: results.append(queue.get())) for _ in range(3)]
    for thread in threads:
        thread.start()
    queue.close()
    for thread in threads:
        thread.join(10)
    assert results == [None, None, None]
    queue.add(KEYS[0], Trigger(kind=TriggerKind.REQUEST, at=SystemClock().now()))
    assert queue.waiting() == ()


def test_many_workers_never_share_a_key_and_each_round_is_seen() -> None:
    queue = WorkQueue(SystemClock(), Random(1))
    holder: dict[AppKey, int] = {}
    clashes: list[AppKey] = []
    rounds = 0
    lock = threading.Lock()

    def worker(number: int) -> None:
        nonlocal rounds
        while (work := queue.get()) is not None:
            if holder.setdefault(work.key, number) != number:
                clashes.append(work.key)
            with lock:
                rounds += 1
                again = rounds < 300
            if again:
                queue.add(KEYS[rounds % 3], work.trigger)
            else:
                queue.close()
            del holder[work.key]
            queue.done(work.key)

    threads = [threading.Thread(target=worker, args=(n,)) for n in range(4)]
    for key in KEYS:
        queue.add(key, Trigger(kind=TriggerKind.TIMER, at=SystemClock().now()))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not clashes
    assert rounds >= 300


def test_its_depth_adds_and_waiting_times_are_measured() -> None:
    clock, meter = FakeClock(), Recorder()
    queue = WorkQueue(clock, Random(1), meter=meter)
    queue.add(KEYS[0], a_trigger(clock, TriggerKind.COMMIT), delay_s=2)
    clock.advance(5)
    assert queue.get(timeout_s=0) is not None
    assert meter.values("workqueue_wait_seconds") == [3]
    assert meter.values("workqueue_depth")[-2:] == [1, 0]
    assert [labels for name, _, labels in meter.seen if name == "workqueue_adds_total"] == [{"trigger": "commit"}]


def test_a_request_that_waits_does_not_forget_the_commit_it_was_merged_with() -> None:
    clock = FakeClock()
    queue = WorkQueue(clock, Random(1))
    queue.add(KEYS[0], a_trigger(clock, TriggerKind.COMMIT, revision="aaa", detail="a push"))
    first = clock.now()
    clock.advance(1)
    queue.add(KEYS[0], a_trigger(clock, TriggerKind.REQUEST, requests=(7,), detail="ada asked"))
    work = queue.get(timeout_s=0)
    assert work is not None
    assert work.trigger == Trigger(
        kind=TriggerKind.REQUEST, at=first, detail="ada asked", revision="aaa", requests=(7,)
    )
