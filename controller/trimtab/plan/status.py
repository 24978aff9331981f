"""Stage 10: where an application stands, from what is wanted and what is there. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from trimtab.model.change import Change, Reason, Verb
from trimtab.model.desired import DesiredState, Resource
from trimtab.model.keys import RUNS, Kind, ResourceKey
from trimtab.model.observed import Live, ObservedState, Probe, RunState
from trimtab.model.status import HealthStatus, ResourceStatus, SyncStatus, worst
from trimtab.plan.taskstatus import judged, run_statuses

# A container that was restarted this often and has run for less than this is in a crash loop.
# Source: the restart manager's backoff doubles from 0.1 s, so three restarts are over within a second.
LOOP_RESTARTS = 3
LOOP_WINDOW_S = 30.0
_PROMOTION = {
    Reason.AWAITS_PROMOTION: HealthStatus.PROGRESSING,
    Reason.NOT_PROMOTABLE: HealthStatus.DEGRADED,
}


def resource_statuses(
    desired: DesiredState, observed: ObservedState, changes: tuple[Change, ...], now: datetime
) -> tuple[ResourceStatus, ...]:
    """One line an object, in key order; images and content volumes are means, not ends, and have none."""
    by_key = {change.key: change for change in changes}
    lines = []
    for key in sorted({*desired.resources, *observed.live}):
        if key.kind in {Kind.IMAGE, Kind.CONTENT, *RUNS}:
            continue
        want, lives = desired.resources.get(key), observed.live.get(key, ())
        if want is not None and want.external:
            continue
        change = by_key.get(key)
        name = want.name if want is not None else lives[0].name
        health, message = _health(want, lives, now)
        if change is not None and change.reason in _PROMOTION:
            health, message = _with_promotion(health, change), change.detail
        lines.append(
            ResourceStatus(key=key, name=name, sync=_sync(change), health=health, message=message or _why(change))
        )
    return tuple(sorted((*lines, *run_statuses(desired, observed, now)), key=lambda line: line.key))


def _with_promotion(health: HealthStatus, change: Change) -> HealthStatus:
    """What serves may be well: with a new one beside it that is not, or not there yet, the whole is not at its end."""
    own = HealthStatus.HEALTHY if health is HealthStatus.MISSING else health
    return worst((own, _PROMOTION[change.reason]))


def _sync(change: Change | None) -> SyncStatus:
    if change is None or change.reason in {Reason.PROTECTED, Reason.IGNORED}:
        return SyncStatus.SYNCED
    return SyncStatus.OUT_OF_SYNC


def _why(change: Change | None) -> str:
    if change is None:
        return ""
    return change.detail if change.verb is Verb.KEEP else f"{change.verb}: {change.detail or change.reason.value}"


def overall_sync(statuses: tuple[ResourceStatus, ...]) -> SyncStatus:
    """OutOfSync as soon as one object is."""
    out = any(s.sync is SyncStatus.OUT_OF_SYNC for s in judged(statuses))
    return SyncStatus.OUT_OF_SYNC if out else SyncStatus.SYNCED


def overall_health(statuses: tuple[ResourceStatus, ...]) -> tuple[HealthStatus, str]:
    """The worst of all, and what the first of the worst has to say."""
    statuses = judged(statuses)
    health = worst(tuple(status.health for status in statuses))
    if health is HealthStatus.HEALTHY:
        return health, ""
    first = next(status for status in statuses if status.health is health)
    return health, f"{first.name}: {first.message}" if first.message else first.name


def _health(want: Resource | None, lives: tuple[Live, ...], now: datetime) -> tuple[HealthStatus, str]:
    if not lives:
        return HealthStatus.MISSING, "not on the engine"
    if lives[0].key.kind is not Kind.CONTAINER or want is None:
        return HealthStatus.HEALTHY, ""
    in_service = [live for live in lives if live.name == want.name] or list(lives)
    return container_health(want, in_service[0], now)


def container_health(  # noqa: PLR0911 - one line a state
    want: Resource, live: Live, now: datetime
) -> tuple[HealthStatus, str]:
    """How one container is, and why if not well."""
    running = live.running
    match running.status:
        case RunState.RUNNING:
            if running.probe is Probe.UNHEALTHY:
                said = f': "{_last_line(running.probe_output)}"' if running.probe_output.strip() else ""
                return HealthStatus.DEGRADED, f"unhealthy{said}"
            looping = running.restart_count >= LOOP_RESTARTS and _age_s(running.started_at, now) < LOOP_WINDOW_S
            if looping:
                return HealthStatus.DEGRADED, f"crash-looping: restarted {running.restart_count} times{_exit(live)}"
            if running.probe is Probe.STARTING:
                return HealthStatus.PROGRESSING, "its health check has not passed yet"
            return HealthStatus.HEALTHY, ""
        case RunState.RESTARTING:
            return HealthStatus.DEGRADED, f"restarting{_exit(live)}, {running.restart_count} times so far"
        case RunState.PAUSED:
            return HealthStatus.SUSPENDED, "paused"
        case RunState.CREATED:
            return HealthStatus.PROGRESSING, running.error or "created, not started"
        case RunState.EXITED:
            finished = running.exit_code == 0 and not want.traits.get("server")
            if finished or (want.traits.get("job") and running.exit_code == 0):
                return HealthStatus.HEALTHY, "finished"
            return HealthStatus.DEGRADED, f"exited with {running.exit_code}" + (
                " (out of memory)" if running.oom_killed else ""
            )
        case _:
            return HealthStatus.DEGRADED, running.status.value or "unknown state"


def _exit(live: Live) -> str:
    if live.running.oom_killed:
        return " after running out of memory"
    return f" after exit {live.running.exit_code}" if live.running.exit_code else ""


def _age_s(since: datetime | None, now: datetime) -> float:
    return (now - since).total_seconds() if since is not None else float("inf")


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""


def settled(desired: DesiredState, observed: ObservedState, now: datetime, settle_s: float) -> bool:
    """Whether every container that runs has run for at least ``settle_s``, so that "healthy" may be written down."""
    return seconds_to_settle(desired, observed, now, settle_s) <= 0


def seconds_to_settle(desired: DesiredState, observed: ObservedState, now: datetime, settle_s: float) -> float:
    """How long until the youngest container has run for ``settle_s``."""
    ages = [
        _age_s(live.running.started_at, now)
        for key in desired.resources
        if key.kind is Kind.CONTAINER
        for live in observed.live.get(key, ())
        if live.running.status is RunState.RUNNING
    ]
    return settle_s - min(ages, default=float("inf"))


def beyond_hope(desired: DesiredState, observed: ObservedState, changes: tuple[Change, ...], now: datetime) -> str:
    """Why waiting cannot make a release healthy: something ended for good and nothing will start it; "" if it can."""
    acting: Mapping[ResourceKey, Change] = {change.key: change for change in changes if change.acts}
    for want in desired.of_kind(Kind.CONTAINER):
        for live in observed.live.get(want.key, ()):
            health, message = container_health(want, live, now)
            if live.running.status is RunState.EXITED and health is HealthStatus.DEGRADED and want.key not in acting:
                return f"{want.name} {message}"
    return ""
