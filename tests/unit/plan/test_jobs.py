"""When a job runs: turns, missed ones, overlaps, retries, clocks that change and clocks that jump."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from trimtab.model.change import Verb
from trimtab.model.desired import Resource
from trimtab.model.jobs import JobSettings, Overlap
from trimtab.model.keys import AppKey, Kind, ResourceKey
from trimtab.model.observed import Live, Running, RunState
from trimtab.model.schedule import parse_schedule
from trimtab.model.tasks import Job
from trimtab.plan.jobs import JobDecision, JobMemory, decide, run_name, scheduled

KEY = ResourceKey(AppKey("default", "shop"), Kind.JOB, "backup")
NOON = datetime(2026, 3, 2, 12, 0, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def job(schedule: str = "* * * * *", zone: str = "UTC", **settings: object) -> Job:
    made = JobSettings(service="backup", schedule=parse_schedule(schedule, zone), **settings)  # type: ignore[arg-type]
    return Job(resource=Resource(key=KEY, name="shop-backup", spec={}, digest="d"), settings=made)


def live(name: str, status: RunState, code: int | None = None, *, at: datetime = NOON) -> Live:
    ended = at if status is RunState.EXITED else None
    running = Running(status=status, exit_code=code, started_at=at, finished_at=ended)
    return Live(key=KEY, handle=name, name=name, digest="d", running=running)


def turn(at: datetime, attempt: int = 0) -> str:
    return run_name(job(), scheduled(at), attempt)


def started(decision: JobDecision) -> list[str]:
    return [change.name for change in decision.changes if change.verb is Verb.RUN]


def known(since: datetime, schedule: str = "* * * * * UTC", **more: object) -> JobMemory:
    return JobMemory(schedule=schedule, since=since, **more)  # type: ignore[arg-type]


def test_a_job_that_is_new_waits_for_its_first_turn() -> None:
    decision = decide(job(), [], JobMemory(), NOON)
    assert (started(decision), decision.wake_at) == ([], NOON.replace(minute=1, second=0))
    later = decide(job(), [], decision.memory, NOON + MINUTE)
    assert started(later) == [turn(NOON + MINUTE)]
    assert started(decide(job(), [], later.memory, NOON + MINUTE)) == []


def test_of_missed_turns_the_last_is_made_up_and_only_within_the_deadline() -> None:
    memory = known(NOON - timedelta(hours=3))
    assert started(decide(job(), [], memory, NOON)) == [turn(NOON)]
    hourly, nightly = known(NOON - timedelta(days=2), "0 3 * * * UTC"), job("0 3 * * *", starting_deadline_s=600.0)
    decision = decide(nightly, [], hourly, NOON)
    assert (started(decision), decision.missed) == ([], NOON.replace(hour=3, minute=0, second=0))
    assert decide(nightly, [], decision.memory, NOON).missed is None
    assert started(decide(job("0 3 * * *"), [], hourly, NOON)) == [turn(NOON.replace(hour=3, minute=0))]


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [
        (Overlap.FORBID, []),
        (Overlap.ALLOW, [(Verb.RUN, turn(NOON))]),
        (Overlap.REPLACE, [(Verb.UPDATE, turn(NOON - MINUTE))]),
    ],
)
def test_overlap(overlap: Overlap, expected: list[tuple[Verb, str]]) -> None:
    running = [live(turn(NOON - MINUTE), RunState.RUNNING)]
    one = job(overlap=overlap)
    decision = decide(one, running, JobMemory(), NOON)
    assert [(change.verb, change.name) for change in decision.changes] == expected
    # When it is over, what was due meanwhile begins.
    over = [live(turn(NOON - MINUTE), RunState.EXITED, 0)]
    if overlap is not Overlap.ALLOW:
        assert started(decide(one, over, decision.memory, NOON)) == [turn(NOON)]


def test_a_run_is_never_begun_twice() -> None:
    """Not after a crash, not when the clock goes back, not when its container is gone."""
    memory = known(NOON - MINUTE)
    for status in (RunState.RUNNING, RunState.EXITED):
        assert started(decide(job(overlap=Overlap.ALLOW), [live(turn(NOON), status, 0)], memory, NOON)) == []
        assert started(decide(job(), [live(turn(NOON), status, 0)], JobMemory(), NOON)) == []
    assert started(decide(job(), [], replace(memory, over=frozenset({turn(NOON)})), NOON)) == []
    back = known(NOON)
    assert started(decide(job(), [], back, NOON - 5 * MINUTE)) == []
    # A clock that was a year ahead must not silence a job for a year.
    wrong = decide(job(), [], known(NOON + timedelta(days=365)), NOON)
    assert started(decide(job(), [], wrong.memory, NOON + MINUTE)) == [turn(NOON + MINUTE)]


def test_a_run_that_was_created_and_not_started_is_started() -> None:
    created = live(turn(NOON), RunState.CREATED)
    (change,) = decide(job(), [created], known(NOON), NOON).changes
    assert (change.verb, change.before) == (Verb.RUN, created)


def test_a_failed_run_is_tried_again_after_a_while() -> None:
    one, failed = job(retries=1), live(turn(NOON), RunState.EXITED, 1)
    early = decide(one, [failed], known(NOON), NOON + timedelta(seconds=5))
    assert (started(early), early.wake_at) == ([], NOON + timedelta(seconds=10))
    assert started(decide(one, [failed], known(NOON), NOON + timedelta(seconds=11))) == [turn(NOON, 1)]
    twice = [failed, live(turn(NOON, 1), RunState.EXITED, 1)]
    assert started(decide(one, twice, known(NOON), NOON + timedelta(seconds=25))) == []


def test_runs_beyond_the_limits_go_and_late_ones_are_stopped() -> None:
    runs = [live(turn(NOON - n * MINUTE), RunState.EXITED, n % 2, at=NOON - n * MINUTE) for n in range(6)]
    gone = decide(job(keep_succeeded=1, keep_failed=2), runs, known(NOON), NOON).changes
    assert [(c.verb, c.name) for c in gone] == [
        (Verb.DELETE, turn(NOON - 4 * MINUTE)),
        (Verb.DELETE, turn(NOON - 2 * MINUTE)),
        (Verb.DELETE, turn(NOON - 5 * MINUTE)),
    ]
    late = live(turn(NOON), RunState.RUNNING, at=NOON - timedelta(seconds=61))
    (change,) = decide(job(timeout_s=60.0), [late], known(NOON), NOON).changes
    assert (change.verb, change.name) == (Verb.UPDATE, turn(NOON))


def test_a_suspended_job_and_one_without_a_schedule_run_when_asked() -> None:
    asked = "shop-backup-asked-1"
    for one in (job(suspended=True), replace(job(), settings=JobSettings(service="backup"))):
        assert started(decide(one, [], JobMemory(), NOON + MINUTE)) == []
        assert started(decide(one, [], JobMemory(asked=(asked,)), NOON)) == [asked]
        assert started(decide(one, [live(asked, RunState.EXITED, 0)], JobMemory(asked=(asked,)), NOON)) == []


def test_a_changed_schedule_makes_nothing_up() -> None:
    memory = known(NOON - timedelta(hours=9), "0 3 * * * UTC")
    assert started(decide(job("0 11 * * *"), [], memory, NOON)) == []


def test_clocks_that_change_cost_no_run_and_give_none_twice() -> None:
    """Berlin, 29 March 2026: 02:30 is left out; 25 October: it comes twice."""
    nightly = job("30 2 * * *", "Europe/Berlin")
    for first in (datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 10, 24, 12, tzinfo=UTC)):
        memory, runs, at = JobMemory(), 0, first
        while at < first + timedelta(days=2):
            decision = decide(nightly, [], memory, at)
            memory, runs, at = decision.memory, runs + len(started(decision)), at + timedelta(minutes=10)
        assert runs == 2


def test_a_container_of_another_name_is_no_run_of_the_job_and_a_late_look_counts_no_try_twice() -> None:
    """The engine lists containers in no order."""
    second = live(turn(NOON, 1), RunState.EXITED, 1)
    first = live(turn(NOON), RunState.EXITED, 1, at=NOON - MINUTE)
    other = live("elsewhere-1", RunState.RUNNING)
    memory = known(NOON)
    orders = ([other, first, second], [second, first, other])
    decided = [decide(job(retries=2), lives, memory, NOON + timedelta(seconds=20)) for lives in orders]
    assert decided[0].wake_at == decided[1].wake_at
    assert started(decided[0]) == started(decided[1])
    assert not [change for decision in decided for change in decision.changes if change.name == other.name]
