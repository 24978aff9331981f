"""What wakes the loop: polling with jitter and backoff, hurried jobs, the engine's events, the regular look."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from random import Random

import pytest

from tests.support.clock import FakeClock
from tests.support.waiting import eventually
from trimtab.errors import GitUnavailable, UserError
from trimtab.model.events import EngineEvent, Event
from trimtab.model.keys import AppKey
from trimtab.model.snapshot import Snapshot
from trimtab.model.trigger import Trigger, TriggerKind
from trimtab.ports import Commit
from trimtab.runtime.scheduler import JITTER, Scheduler
from trimtab.runtime.triggers import POLL_MAX_S, POLL_S, EngineTrigger, RepositoryTrigger, Resync

SHOP, BLOG = AppKey("default", "shop"), AppKey("default", "blog")


class Inbox:
    def __init__(self) -> None:
        self.got: list[tuple[AppKey, Trigger]] = []

    def __call__(self, key: AppKey, trigger: Trigger, *, delay_s: float = 0.0) -> None:
        self.got.append((key, trigger))


class Sink:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        self.events.append(event)


class Repository:
    """A Source whose head the test moves."""

    url = "https://git.example.com/shop.git"
    local = False

    def __init__(self) -> None:
        self.head = "a" * 40
        self.error: Exception | None = None
        self.polls = 0

    def poll(self) -> str:
        self.polls += 1
        if self.error is not None:
            raise self.error
        return self.head

    def snapshot(self, revision: str | None = None) -> Snapshot:
        raise NotImplementedError

    def keep(self, name: str, revision: str) -> None:
        return None

    def last_followed(self) -> Snapshot | None:
        raise NotImplementedError

    def accept(self, revision: str) -> None:
        raise NotImplementedError

    def log(self, revision: str, limit: int) -> tuple[Commit, ...]:
        raise NotImplementedError

    def watch(self, on_change: Callable[[], None]) -> Callable[[], None] | None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


class Desk:
    def __init__(self, affected: Callable[[], Iterable[AppKey]] = lambda: (SHOP, BLOG)) -> None:
        self.source, self.inbox, self.sink, self.reads = Repository(), Inbox(), Sink(), 0

        def refresh() -> Iterable[AppKey]:
            self.reads += 1
            return affected()

        self.trigger = RepositoryTrigger(self.source, refresh, self.inbox, FakeClock(), self.sink)


def test_a_repository_of_many_applications_is_asked_once_and_read_only_when_it_moved() -> None:
    desk = Desk()
    for _ in range(3):
        assert desk.trigger.look() is None
    assert (desk.source.polls, desk.reads) == (3, 1)
    assert [key for key, _ in desk.inbox.got] == [BLOG, SHOP]
    trigger = desk.inbox.got[0][1]
    assert (trigger.kind, trigger.revision, trigger.detail) == (TriggerKind.COMMIT, "a" * 40, "commit aaaaaaa")


def test_only_the_applications_that_a_commit_concerns_are_woken() -> None:
    desk = Desk(lambda: (BLOG,))
    desk.trigger.look()
    assert [key for key, _ in desk.inbox.got] == [BLOG]


def test_a_remote_that_is_gone_is_told_once_asked_less_often_and_told_again_when_it_is_back() -> None:
    desk = Desk()
    desk.source.error = GitUnavailable("connection refused")
    delays = [desk.trigger.look() for _ in range(6)]
    assert delays == [POLL_S, 60, 120, 240, POLL_MAX_S, POLL_MAX_S]
    assert [e.reason for e in desk.sink.events] == ["SourceUnavailable"]
    assert "what runs is kept" in desk.sink.events[0].message
    assert desk.inbox.got == []
    desk.source.error = None
    assert desk.trigger.look() is None
    assert [e.reason for e in desk.sink.events] == ["SourceUnavailable", "SourceRecovered"]
    assert len(desk.inbox.got) == 2


def test_a_remote_that_is_back_where_it_was_is_read_again() -> None:
    """Else the applications would go on saying that it cannot be read, until the next commit."""
    desk = Desk(lambda: ())
    desk.trigger.look()
    desk.source.error = GitUnavailable("connection refused")
    desk.trigger.look()
    assert desk.reads == 1
    desk.source.error = None
    desk.trigger.look()
    desk.trigger.look()
    assert desk.reads == 2


def test_a_revision_that_could_not_be_read_is_read_again() -> None:
    answers: list[object] = [GitUnavailable("cut off"), (SHOP,)]

    def refresh() -> Iterable[AppKey]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, tuple)
        return answer

    desk = Desk(refresh)
    desk.trigger.look()
    assert desk.inbox.got == []
    desk.trigger.look()
    assert [key for key, _ in desk.inbox.got] == [SHOP]


def test_what_only_a_person_can_mend_is_asked_for_at_the_usual_interval() -> None:
    desk = Desk()
    desk.source.error = UserError("there is no branch 'main'")
    assert desk.trigger.look() is None
    desk.source.error = UserError("there is no branch 'trunk'")
    desk.trigger.look()
    assert len(desk.sink.events) == 2


def test_an_event_of_the_engine_wakes_its_application_or_everyone() -> None:
    inbox, clock = Inbox(), FakeClock()
    engine = EngineTrigger(inbox, lambda: (SHOP, BLOG), clock)
    engine.take(
        EngineEvent(at=clock.now(), kind="container", action="die", handle="f" * 64, name="shop-web-1", app=SHOP)
    )
    engine.take(EngineEvent(at=clock.now(), kind="daemon", action="reload", handle="", name=""))
    assert [key for key, _ in inbox.got] == [SHOP, BLOG, SHOP]
    assert inbox.got[0][1].detail == "container shop-web-1: die"


def test_the_regular_look_wakes_those_for_whom_nothing_is_planned() -> None:
    inbox = Inbox()
    Resync(inbox, lambda: (SHOP, BLOG), lambda key: key == SHOP, FakeClock()).look()
    assert [(key, trigger.kind) for key, trigger in inbox.got] == [(BLOG, TriggerKind.TIMER)]


# -- the scheduler ---------------------------------------------------------------------------------------------------


class Counter:
    def __init__(self, answer: float | None = None) -> None:
        self.runs = 0
        self.answer = answer

    def __call__(self) -> float | None:
        self.runs += 1
        return self.answer


def settled(counter: Counter, runs: int) -> None:
    eventually(lambda: counter.runs >= runs, what=f"{runs} runs", timeout_s=20, every_s=0.002)
    assert counter.runs == runs


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_a_job_comes_round_at_its_interval_give_or_take_the_jitter(clock: FakeClock) -> None:
    scheduler, job = Scheduler(clock, Random(1)), Counter()
    scheduler.every("poll", 30, job, first_s=10)
    scheduler.start()
    assert job.runs == 0
    clock.advance(10)
    settled(job, 1)
    eventually(lambda: not scheduler._due[0][2].running, what="planned again", timeout_s=20, every_s=0.002)
    next_s = scheduler._due[0][0] - clock.monotonic_s()
    assert 30 * (1 - JITTER) <= next_s <= 30 * (1 + JITTER)
    clock.advance(30 * (1 + JITTER))
    settled(job, 2)
    scheduler.stop()


def test_a_job_that_hangs_delays_no_other_and_is_not_started_twice(clock: FakeClock) -> None:
    scheduler, other, release, hanging = Scheduler(clock, Random(1)), Counter(), threading.Event(), Counter()

    def hang() -> None:
        hanging()
        release.wait(30)

    scheduler.every("hanging", 30, hang)
    scheduler.every("other", 30, other)
    scheduler.start()
    for run in range(1, 4):
        settled(other, run)
        eventually(lambda: len(scheduler._due) == 1, what="planned again", timeout_s=20, every_s=0.002)
        clock.advance(40)
    assert hanging.runs == 1
    release.set()
    scheduler.stop()


def test_a_hurried_job_runs_now_and_once_more_when_it_was_running(clock: FakeClock) -> None:
    scheduler, release, runs = Scheduler(clock, Random(1)), threading.Event(), Counter()

    def work() -> None:
        runs()
        release.wait(30)

    job = scheduler.every("poll", 1000, work, first_s=1000)
    scheduler.start()
    job.hurry()
    settled(runs, 1)
    for _ in range(5):
        job.hurry()
    release.set()
    settled(runs, 2)
    scheduler.stop()


def test_a_job_that_fails_comes_round_again(clock: FakeClock) -> None:
    scheduler, runs = Scheduler(clock, Random(1)), Counter()

    def work() -> None:
        runs()
        raise ZeroDivisionError

    scheduler.every("broken", 10, work, jitter=0)
    scheduler.start()
    settled(runs, 1)
    eventually(lambda: len(scheduler._due) == 1, what="planned again", timeout_s=20, every_s=0.002)
    clock.advance(10)
    settled(runs, 2)
    scheduler.stop()


def test_a_job_may_name_its_next_turn(clock: FakeClock) -> None:
    scheduler, job = Scheduler(clock, Random(1)), Counter(500)
    scheduler.every("poll", 10, job, jitter=0)
    scheduler.start()
    settled(job, 1)
    eventually(lambda: len(scheduler._due) == 1, what="planned again", timeout_s=20, every_s=0.002)
    assert scheduler._due[0][0] == 500
    scheduler.stop()
