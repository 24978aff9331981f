"""The loop: what follows each kind of pass, cancelling, terminating, stopping, and that nothing ends it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

import pytest

from tests.support.clock import FakeClock
from tests.support.waiting import eventually
from trimtab.errors import Conflict, DependencyNotReady, ManifestError, RateLimited
from trimtab.model.application import Backoff
from trimtab.model.keys import AppKey
from trimtab.model.status import Next, Requeue, Retry, Stalled, Wait
from trimtab.model.trigger import Trigger, TriggerKind
from trimtab.runtime.clock import SystemClock
from trimtab.runtime.loop import QUIET_S, TERMINATED_S, ControlLoop
from trimtab.runtime.workqueue import WorkQueue

SHOP, BLOG = AppKey("default", "shop"), AppKey("default", "blog")


def wait_until(probe: Callable[[], bool], what: str) -> None:
    eventually(probe, what=what, timeout_s=20, every_s=0.002)


class Passes:
    """A reconcile whose passes the test sees and decides."""

    def __init__(self, decide: Callable[[AppKey, Trigger, threading.Event], Next]) -> None:
        self.decide = decide
        self.seen: list[tuple[AppKey, Trigger]] = []
        self.over: list[tuple[AppKey, Trigger, Next]] = []

    def reconcile(self, key: AppKey, trigger: Trigger, cancelled: threading.Event) -> Next:
        self.seen.append((key, trigger))
        return self.decide(key, trigger, cancelled)

    def after(self, key: AppKey, trigger: Trigger, followed: Next) -> None:
        self.over.append((key, trigger, followed))


class Bench:
    def __init__(self, clock: FakeClock, passes: Passes) -> None:
        self.clock, self.passes = clock, passes
        backoff = Backoff(duration_s=100, factor=2, max_duration_s=1000)
        self.queue = WorkQueue(clock, Random(1), backoff=lambda _key: backoff)
        self.loop = ControlLoop(self.queue, passes.reconcile, clock, Random(1), workers=3, after_pass=passes.after)

    def trigger(self, kind: TriggerKind = TriggerKind.TIMER, **more: object) -> Trigger:
        return Trigger(kind=kind, at=self.clock.now(), **more)  # type: ignore[arg-type]

    def runs(self, count: int) -> None:
        wait_until(lambda: len(self.passes.over) >= count, f"{count} passes")
        wait_until(lambda: not self.loop.running(), "the pass to end")

    def after(self, seconds: float, count: int) -> None:
        """Nothing happens before ``seconds`` have passed, and then ``count`` passes are over."""
        before = len(self.passes.seen)
        self.clock.advance(seconds - 0.001)
        assert self.queue.get(timeout_s=0) is None
        assert len(self.passes.seen) == before
        self.clock.advance(0.001)
        self.runs(count)


@contextmanager
def bench(decide: Callable[[AppKey, Trigger, threading.Event], Next]) -> Iterator[Bench]:
    made = Bench(FakeClock(), Passes(decide))
    made.loop.start()
    try:
        yield made
    finally:
        made.clock.advance(1)
        made.loop.stop(5)


def test_a_requeue_looks_again_then_and_a_stall_does_not() -> None:
    answers: list[Next] = [Requeue(7), Stalled("nothing to do")]
    with bench(lambda *_: answers.pop(0)) as b:
        b.loop.notify(SHOP, b.trigger())
        b.runs(1)
        b.after(7, 2)
        assert b.passes.seen[1][1].kind is TriggerKind.FOLLOW_UP
        assert not b.loop.expects(SHOP)


def test_the_regular_look_comes_a_little_early_so_that_not_all_come_at_once() -> None:
    with bench(lambda *_: Requeue(300)) as b:
        b.loop.notify(SHOP, b.trigger())
        b.runs(1)
        b.clock.advance(300 * 0.79)
        assert b.queue.get(timeout_s=0) is None
        b.clock.advance(300 * 0.21)
        b.runs(2)
        assert b.passes.seen[1][1].kind is TriggerKind.TIMER


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Conflict("x"), Retry),
        (RateLimited("x", after_s=9), Retry),
        (DependencyNotReady("x"), Wait),
        (ManifestError("x"), Stalled),
        (KeyError("hunter2"), Retry),
    ],
)
def test_an_exception_becomes_what_its_class_says(error: Exception, kind: type) -> None:
    def decide(*_: object) -> Next:
        raise error

    with bench(decide) as b:
        b.loop.notify(SHOP, b.trigger())
        b.runs(1)
        followed = b.passes.over[0][2]
        assert type(followed) is kind
        assert "hunter2" not in str(followed)


def test_a_defect_in_one_application_is_not_another_ones() -> None:
    def decide(key: AppKey, *_: object) -> Next:
        if key == SHOP:
            raise ZeroDivisionError
        return Stalled("fine")

    with bench(decide) as b:
        for _ in range(3):
            b.loop.notify(SHOP, b.trigger(TriggerKind.REQUEST))
            b.loop.notify(BLOG, b.trigger(TriggerKind.REQUEST))
            b.runs(len(b.passes.over) + 2)
        assert [key for key, _, followed in b.passes.over if isinstance(followed, Stalled)] == [BLOG] * 3


def test_while_it_backs_off_the_engine_cannot_hurry_it_but_a_commit_can() -> None:
    with bench(lambda *_: Retry("the network is in use")) as b:
        b.loop.notify(SHOP, b.trigger())
        b.runs(1)
        b.loop.notify(SHOP, b.trigger(TriggerKind.ENGINE, detail="our own container died"))
        b.after(QUIET_S, 2)
        b.loop.notify(SHOP, b.trigger(TriggerKind.COMMIT, revision="new"))
        b.runs(3)


def test_what_the_engine_told_during_a_failing_pass_does_not_bring_it_back_at_once() -> None:
    box: list[Bench] = []

    def decide(*_: object) -> Next:
        box[0].loop.notify(SHOP, box[0].trigger(TriggerKind.ENGINE))
        return Retry("no")

    with bench(decide) as b:
        box.append(b)
        b.loop.notify(SHOP, b.trigger())
        b.runs(1)
        b.after(QUIET_S, 2)


def test_the_time_that_the_other_side_named_is_kept_to() -> None:
    with bench(lambda *_: Retry("rate limited", after_s=9)) as b:
        b.loop.notify(SHOP, b.trigger())
        b.runs(1)
        b.after(9, 2)


def held_until_cancelled(_key: AppKey, trigger: Trigger, cancelled: threading.Event) -> Next:
    if trigger.revision in {"old", ""}:
        assert cancelled.wait(10)
        return Requeue(0)
    return Stalled("done")


def test_a_newer_commit_cuts_the_pass_of_the_old_one_short_and_runs() -> None:
    with bench(held_until_cancelled) as b:
        b.loop.notify(SHOP, b.trigger(TriggerKind.COMMIT, revision="old", requests=(4,)))
        wait_until(lambda: b.loop.running() == (SHOP,), "the first pass")
        b.loop.notify(SHOP, b.trigger(TriggerKind.ENGINE))
        b.loop.notify(SHOP, b.trigger(TriggerKind.COMMIT, revision="old"))
        wait_until(lambda: len(b.passes.seen) == 1, "the first pass to begin")
        b.loop.notify(SHOP, b.trigger(TriggerKind.COMMIT, revision="new"))
        b.runs(1)
        # The first was cut short: nobody is told of its end, and who waited for it waits for the second.
        assert [(t.revision, t.requests) for _, t, _ in b.passes.over] == [("new", (4,))]


def test_terminate_wins_and_is_not_undone_by_the_engines_echo() -> None:
    with bench(held_until_cancelled) as b:
        assert b.loop.terminate(SHOP, "terminated by ada") is False
        b.loop.notify(SHOP, b.trigger(TriggerKind.REQUEST, requests=(1,)))
        wait_until(lambda: b.loop.running() == (SHOP,), "the pass")
        b.loop.notify(SHOP, b.trigger(TriggerKind.ENGINE))
        assert b.loop.terminate(SHOP, "terminated by ada") is True
        b.runs(1)
        assert b.passes.over[0][2] == Stalled("terminated by ada")
        b.loop.notify(SHOP, b.trigger(TriggerKind.ENGINE))
        b.clock.advance(TERMINATED_S - 1)
        assert b.queue.get(timeout_s=0) is None
        b.loop.notify(SHOP, b.trigger(TriggerKind.COMMIT, revision="new"))
        b.runs(2)


def test_stopping_tells_running_passes_and_waits_for_them() -> None:
    made = Bench(FakeClock(), Passes(held_until_cancelled))
    made.loop.start()
    made.loop.notify(SHOP, made.trigger())
    wait_until(lambda: made.loop.running() == (SHOP,), "the pass")
    assert made.loop.stop(60) == ()
    made.loop.notify(BLOG, made.trigger())
    assert not made.loop.expects(BLOG)


def test_what_does_not_stop_in_time_is_named() -> None:
    release = threading.Event()
    passes = Passes(lambda *_: Stalled(str(release.wait(30))))
    clock = SystemClock()
    loop = ControlLoop(WorkQueue(clock, Random(1)), passes.reconcile, clock, Random(1), workers=1)
    loop.start()
    loop.notify(SHOP, Trigger(kind=TriggerKind.TIMER, at=clock.now()))
    wait_until(lambda: loop.running() == (SHOP,), "the pass")
    assert loop.stop(0.1) == (SHOP,)
    release.set()


def test_a_listener_that_fails_does_not_lose_the_next_turn() -> None:
    def broken(*_: object) -> None:
        raise RuntimeError

    clock, passes = FakeClock(), Passes(lambda *_: Requeue(5))
    queue = WorkQueue(clock, Random(1))
    loop = ControlLoop(queue, passes.reconcile, clock, Random(1), workers=1, after_pass=broken)
    loop.start()
    loop.notify(SHOP, Trigger(kind=TriggerKind.TIMER, at=clock.now()))
    wait_until(lambda: len(passes.seen) == 1 and not loop.running(), "the first pass")
    clock.advance(5)
    wait_until(lambda: len(passes.seen) == 2, "the second pass")
    loop.stop(5)


def test_no_change_is_ever_lost() -> None:
    """Many keys, many triggers of all kinds, passes that fail in all ways: the last pass saw the last change."""
    clock, random = SystemClock(), Random(7)
    keys = [AppKey("default", f"app-{number}") for number in range(6)]
    world = dict.fromkeys(keys, 0)
    seen: dict[AppKey, int] = {}
    at_work: set[AppKey] = set()
    clashes: list[AppKey] = []
    followers: list[Next] = [Requeue(1000), Stalled("x"), Retry("x", after_s=0.01), Wait("x", 0.01), Requeue(0.0)]

    def reconcile(key: AppKey, _trigger: Trigger, cancelled: threading.Event) -> Next:
        if key in at_work:
            clashes.append(key)
        at_work.add(key)
        now = world[key]
        cancelled.wait(random.random() / 500)
        if not cancelled.is_set():
            seen[key] = now
        at_work.discard(key)
        if random.random() < 0.1:
            raise ZeroDivisionError
        return random.choice(followers)

    backoff = Backoff(duration_s=0.01, factor=1, max_duration_s=0.01)
    queue = WorkQueue(clock, Random(1), backoff=lambda _key: backoff)
    loop = ControlLoop(queue, reconcile, clock, Random(1), workers=4)
    loop.start()

    def disturb(seed: int) -> None:
        mine = Random(seed)
        for number in range(150):
            key = mine.choice(keys)
            world[key] += 1
            kind = mine.choice([TriggerKind.COMMIT, TriggerKind.REQUEST])
            loop.notify(key, Trigger(kind=kind, at=clock.now(), revision=f"{seed}-{number}"))

    threads = [threading.Thread(target=disturb, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    wait_until(lambda: seen == world, "every last change to be seen")
    assert clashes == []
    assert loop.stop(30) == ()
