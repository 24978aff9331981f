"""When a job runs, and which of its runs are kept. Pure: time, the runs on the engine and a small memory come in.

Every run is named by the minute that it was due, so that one is never begun twice: not by a controller that died in
the middle, and not when a clock goes back. Of runs that were missed, only the last is made up, as Kubernetes' CronJob
does, and only within ``startingDeadline``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from trimtab.model.change import Change, Disruption, Reason, Verb
from trimtab.model.jobs import Overlap
from trimtab.model.observed import Live, RunState
from trimtab.model.tasks import Job
from trimtab.plan.runs import BUSY, ENDED, succeeded

# Source: Kubernetes, Jobs: failed ones are tried again after 10 s, 20 s, 40 s, ..., at most 6 minutes.
BACKOFF_S, BACKOFF_MAX_S = 10.0, 360.0
ASKED = "asked"
# A clock that goes back by more than this was wrong before, and what it made of the future does not count.
SANE_JUMP = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobMemory:
    """What has to be known beside the engine's containers.

    ``schedule``: what ``since`` is about. ``since``: turns up to then are settled. ``over``: names of runs that have
    ended, whose containers may be gone. ``asked``: names of runs that people want.
    """

    schedule: str = ""
    since: datetime | None = None
    over: frozenset[str] = frozenset()
    asked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDecision:
    """What to do about one job now. ``missed``: a turn that came too late. ``wake_at``: when to look again."""

    changes: tuple[Change, ...] = ()
    memory: JobMemory = field(default_factory=JobMemory)
    missed: datetime | None = None
    wake_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Run:
    """One run on the engine: which turn (or request) it is for, and the how manieth try."""

    turn: str
    attempt: int
    live: Live

    @property
    def busy(self) -> bool:
        return self.live.running.status in BUSY


def run_name(job: Job, turn: str, attempt: int = 0) -> str:
    """The container's name of one run."""
    return f"{job.resource.name}-{turn}" + (f"-{attempt}" if attempt else "")


def scheduled(turn: datetime) -> str:
    """How a turn of the schedule reads in a run's name: minutes since 1970, as Kubernetes has it."""
    return str(int(turn.timestamp()) // 60)


def asked(at: datetime) -> str:
    """How a request reads in a run's name; the same request is the same run."""
    return f"{ASKED}-{int(at.timestamp())}"


def decide(job: Job, lives: Sequence[Live], memory: JobMemory, now: datetime) -> JobDecision:
    """What to start, stop and remove."""
    runs = sorted((run for live in lives if (run := _read(job, live)) is not None), key=lambda r: r.live.name)
    memory = _settled(job, runs, memory, now)
    ended = [run for run in runs if run.live.running.status in ENDED]
    changes = [_stop(run, "it took longer than its timeout") for run in runs if _late(job, run, now)]
    changes += _surplus(job, ended)
    starts, turn, missed = _starts(job, runs, memory, now)
    busy = [run for run in runs if run.busy]
    # One at a time: a job that must not overlap must not do so when two runs are due at once either.
    chosen = starts if job.settings.overlap is Overlap.ALLOW else [] if busy else starts[:1]
    held = set(starts) - set(chosen)
    if held and busy and job.settings.overlap is Overlap.REPLACE:
        # The next look, which the end of these brings about, starts the new one.
        changes += [_stop(run, "a newer run takes its place") for run in busy]
    changes += [_start(job, name, lives) for name in chosen]
    if missed is not None or (turn is not None and run_name(job, scheduled(turn)) not in held):
        memory = replace(memory, since=missed or turn)
    wake = _wake(job, runs, memory, now)
    if held and not busy:
        wake = now
    return JobDecision(changes=tuple(changes), memory=memory, missed=missed, wake_at=wake)


def _read(job: Job, live: Live) -> _Run | None:
    prefix = f"{job.resource.name}-"
    parts = live.name.removeprefix(prefix).split("-") if live.name.startswith(prefix) else []
    if not parts:
        return None
    size = 2 if parts[0] == ASKED else 1
    attempt = parts[size] if len(parts) > size else "0"
    return _Run("-".join(parts[:size]), int(attempt) if attempt.isdecimal() else 0, live)


def _settled(job: Job, runs: list[_Run], memory: JobMemory, now: datetime) -> JobMemory:
    """The memory, as far as it is about this schedule; without one, the newest run on the engine tells."""
    schedule = f"{job.settings.schedule.expression} {job.settings.schedule.zone}" if job.settings.schedule else ""
    turns = [datetime.fromtimestamp(int(run.turn) * 60, UTC) for run in runs if run.turn.isdecimal()]
    if memory.schedule == schedule and memory.since is not None:
        since = max([memory.since, *turns])
    elif memory.schedule:
        # What the new schedule would have asked for in the past is not made up.
        since = now
    else:
        since = max(turns, default=now)
    if since > now + SANE_JUMP:
        since = now
    return replace(memory, schedule=schedule, since=since)


def _starts(
    job: Job, runs: list[_Run], memory: JobMemory, now: datetime
) -> tuple[list[str], datetime | None, datetime | None]:
    """Names of runs to begin, retries first; the turn that is due now; one that came too late."""
    known = {run.live.name for run in runs if run.live.running.status is not RunState.CREATED} | memory.over
    starts = [run.live.name for run in runs if run.live.running.status is RunState.CREATED]
    starts += _retries(job, runs, known, now)
    starts += [name for name in memory.asked if name not in known]
    schedule, since = job.settings.schedule, memory.since
    turn = schedule.last_until(now) if schedule is not None and not job.settings.suspended else None
    if turn is None or since is None or turn <= since:
        return _once(starts), None, None
    name, deadline_s = run_name(job, scheduled(turn)), job.settings.starting_deadline_s
    if name not in known and deadline_s is not None and (now - turn).total_seconds() > deadline_s:
        return _once(starts), None, turn
    return _once([*starts, *(() if name in known else (name,))]), turn, None


def _once(names: list[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _retries(job: Job, runs: list[_Run], known: set[str], now: datetime) -> list[str]:
    found = []
    for run in _last_tries(runs):
        if run.live.running.status not in ENDED or succeeded(run.live) or run.attempt >= job.settings.retries:
            continue
        name = run_name(job, run.turn, run.attempt + 1)
        if name not in known and now >= _again_at(run):
            found.append(name)
    return found


def _last_tries(runs: list[_Run]) -> list[_Run]:
    """Of each turn the last try; only the newest turns matter, for older ones had their chance."""
    last: dict[str, _Run] = {}
    for run in runs:
        if run.turn not in last or last[run.turn].attempt < run.attempt:
            last[run.turn] = run
    return [last[turn] for turn in sorted(last, key=lambda t: (t.startswith(ASKED), t))][-1:]


def _again_at(run: _Run) -> datetime:
    ended = run.live.running.finished_at or datetime.min.replace(tzinfo=UTC)
    return ended + timedelta(seconds=min(BACKOFF_S * 2**run.attempt, BACKOFF_MAX_S))


def _late(job: Job, run: _Run, now: datetime) -> bool:
    started, limit_s = run.live.running.started_at, job.settings.timeout_s
    return run.busy and limit_s is not None and started is not None and (now - started).total_seconds() > limit_s


def _surplus(job: Job, ended: list[_Run]) -> list[Change]:
    """Containers beyond the history limits, the oldest first; what they wrote is kept elsewhere."""
    ended = sorted(ended, key=lambda run: run.live.running.finished_at or datetime.min.replace(tzinfo=UTC))
    good = [run for run in ended if succeeded(run.live)]
    bad = [run for run in ended if not succeeded(run.live)]
    # The try that another one may still follow has to stay until then.
    waiting = {run.live.name for run in _last_tries(bad) if run.attempt < job.settings.retries}
    gone = good[: max(len(good) - job.settings.keep_succeeded, 0)]
    gone += [r for r in bad[: max(len(bad) - job.settings.keep_failed, 0)] if r.live.name not in waiting]
    return [
        Change(
            verb=Verb.DELETE,
            key=job.key,
            name=run.live.name,
            reason=Reason.UNUSED,
            detail="more runs than are kept",
            before=run.live,
        )
        for run in gone
    ]


def _stop(run: _Run, why: str) -> Change:
    return Change(
        verb=Verb.UPDATE,
        key=run.live.key,
        name=run.live.name,
        reason=Reason.UNUSED,
        detail=why,
        before=run.live,
        disruption=Disruption.RESTART,
    )


def _start(job: Job, name: str, lives: Sequence[Live]) -> Change:
    """A run that was created and never started is started."""
    created = next((live for live in lives if live.name == name), None)
    return Change(
        verb=Verb.RUN,
        key=job.key,
        name=name,
        reason=Reason.JOB_DUE,
        after=replace(job.resource, name=name),
        before=created,
        origin=job.resource.origin(""),
    )


def _wake(job: Job, runs: list[_Run], memory: JobMemory, now: datetime) -> datetime | None:
    """The next moment at which something may be due without an event of the engine."""
    moments = []
    if job.settings.schedule is not None and not job.settings.suspended:
        moments.append(job.settings.schedule.next_after(max(now, memory.since or now)))
    limit_s = job.settings.timeout_s
    begun = [run.live.running.started_at for run in runs if run.busy]
    moments += [at + timedelta(seconds=limit_s + 0.5) for at in begun if at is not None and limit_s is not None]
    for run in _last_tries(runs):
        failed = run.live.running.status in ENDED and not succeeded(run.live)
        if failed and run.attempt < job.settings.retries:
            moments.append(_again_at(run))
    return min((moment for moment in moments if moment is not None), default=None)
