"""Hooks and jobs as lines of a status: how the last run ended, when the next one is due. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from trimtab.model.desired import DesiredState
from trimtab.model.keys import RUNS
from trimtab.model.observed import Live, ObservedState
from trimtab.model.status import HealthStatus, ResourceStatus, SyncStatus
from trimtab.model.tasks import Job
from trimtab.plan.runs import BUSY, ENDED, succeeded


def run_statuses(desired: DesiredState, observed: ObservedState, now: datetime) -> Iterator[ResourceStatus]:
    """One line a hook and a job. They say nothing about whether the application is synced or healthy."""
    for hook in desired.hooks:
        health, message = _last(observed.live.get(hook.key, ()))
        said = f"{hook.phase.value}: {message or 'has not run yet'}"
        yield ResourceStatus(key=hook.key, name=hook.resource.name, sync=SyncStatus.SYNCED, health=health, message=said)
    for job in desired.jobs:
        health, message = _last(observed.live.get(job.key, ()))
        said = "; ".join(part for part in (_next(job, now), message) if part)
        yield ResourceStatus(key=job.key, name=job.resource.name, sync=SyncStatus.SYNCED, health=health, message=said)


def judged(statuses: Sequence[ResourceStatus]) -> tuple[ResourceStatus, ...]:
    """Without hooks and jobs: how a run of theirs ended is no part of how an application is."""
    return tuple(status for status in statuses if status.key.kind not in RUNS)


def _next(job: Job, now: datetime) -> str:
    schedule = job.settings.schedule
    if schedule is None:
        return "runs when asked"
    if job.settings.suspended:
        return "suspended"
    turn = schedule.next_after(now)
    if turn is None:
        return "never due"
    return f"next {turn.astimezone(ZoneInfo(schedule.zone)):%Y-%m-%d %H:%M} {schedule.zone}"


def _last(lives: Sequence[Live]) -> tuple[HealthStatus, str]:
    begun = [live for live in lives if live.running.started_at is not None]
    if not begun:
        return HealthStatus.HEALTHY, ""
    last = max(begun, key=lambda live: (live.running.started_at or datetime.min.replace(tzinfo=UTC), live.name))
    at = f"{last.running.started_at:%Y-%m-%d %H:%M} UTC"
    if last.running.status in BUSY:
        return HealthStatus.PROGRESSING, f"runs since {at}"
    if last.running.status in ENDED and not succeeded(last):
        return HealthStatus.DEGRADED, f"the run of {at} failed with exit code {last.running.exit_code}"
    return HealthStatus.HEALTHY, f"the run of {at} succeeded"
