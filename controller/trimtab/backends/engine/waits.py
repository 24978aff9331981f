"""Steps that wait until a container runs on, is healthy, or is done: woken by events, bounded, cancellable."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from trimtab.backends.engine.bench import NOTHING, Bench, OfContainer, Outputs, id_of
from trimtab.backends.engine.containers import stop
from trimtab.backends.engine.lifecycle import KILLED, SIGNALLED
from trimtab.backends.engine.live import running
from trimtab.backends.engine.logs import tail
from trimtab.backends.engine.steps import AwaitCompleted, AwaitHealthy, AwaitRunning, AwaitTurn, StopContainer
from trimtab.errors import Conflict, DeadlineExceeded, TransientError, TrimtabError, UnhealthyRelease
from trimtab.model.keys import Kind
from trimtab.model.observed import Probe, Running, RunState
from trimtab.ports import StepContext

# A lost event must not cost the whole deadline; without a stream this is all there is.
_LISTENING_S = 5.0
_DEAF_S = 0.5
# How much of what a run wrote is kept.
LOG_LINES = 1000
# While it is watched whether a container goes on running well, the end of that time is noticed this late at most.
_WATCHING_S = 1.0
# How soon a cancelled step returns.
_CANCEL_S = 0.5

Answer = Literal["done", "wait"]
Look = Callable[[Running, Mapping[str, Any]], Answer]


def for_running(bench: Bench, step: AwaitRunning, context: StepContext) -> Outputs:
    """It runs, and still does a moment later."""
    seen: dict[str, float] = {}

    def look(state: Running, inspect: Mapping[str, Any]) -> Answer:
        if step.may_finish and state.status is RunState.EXITED and state.exit_code == 0:
            return "done"
        if _fell(state, seen):
            raise _ended(bench, step, context, state, "exited right after its start")
        if state.status is not RunState.RUNNING or state.probe is Probe.STARTING:
            return "wait"
        if state.probe is Probe.UNHEALTHY:
            # The image brought a health check that no manifest mentions; its word counts all the same.
            raise _unhealthy(bench, step, state, inspect)
        since = seen.setdefault("since", time.monotonic())
        return "done" if time.monotonic() - since >= step.settle_s else "wait"

    _wait(bench, step, context, look, "did not start", pause_s=min(step.settle_s, _WATCHING_S))
    return NOTHING


def for_healthy(bench: Bench, step: AwaitHealthy, context: StepContext) -> Outputs:
    """Its health check says so."""
    seen: dict[str, float] = {}

    def look(state: Running, inspect: Mapping[str, Any]) -> Answer:
        if _fell(state, seen):
            raise _ended(bench, step, context, state, "exited before it became healthy")
        if state.probe is Probe.UNHEALTHY:
            raise _unhealthy(bench, step, state, inspect)
        if state.probe is Probe.NONE and state.status is RunState.RUNNING:
            raise UnhealthyRelease(
                f"container {step.name} has no health check, so it never becomes healthy",
                hint="add a healthcheck, or wait for service_started instead of service_healthy",
            )
        if state.probe is not Probe.HEALTHY:
            seen.pop("since", None)
            return "wait"
        since = seen.setdefault("since", time.monotonic())
        return "done" if time.monotonic() - since >= step.settle_s else "wait"

    pause_s = min(step.settle_s, _WATCHING_S) if step.settle_s else _LISTENING_S
    _wait(bench, step, context, look, "did not become healthy", pause_s=pause_s)
    return NOTHING


def for_completed(bench: Bench, step: AwaitCompleted, context: StepContext) -> Outputs:
    """It ended with 0."""

    def look(state: Running, _: Mapping[str, Any]) -> Answer:
        if state.status in {RunState.EXITED, RunState.DEAD}:
            if state.exit_code == 0 or step.any_end:
                return "done"
            raise _ended(bench, step, context, state, "failed")
        if step.limit_s and _age_s(state) > step.limit_s:
            stop(bench, StopContainer(container=step.container, name=step.name), context)
            if step.any_end:
                return "done"
            raise UnhealthyRelease(
                f"container {step.name} did not end within {step.limit_s:.0f} s, and was stopped",
                log_tail=tail(bench.client, id_of(step, context)),
                hint="give it more time (timeout), or look at its log",
            )
        return "wait"

    _wait(bench, step, context, look, "did not complete")
    return {"log": "\n".join(tail(bench.client, id_of(step, context), LOG_LINES))} if step.keep_log else NOTHING


def optionally(optional: bool, context: StepContext, wait: Callable[[], Outputs]) -> Outputs:  # noqa: FBT001 - the step's own
    """``depends_on.required: false``: a failure is written down, and what waits goes on, as Compose does."""
    try:
        return wait()
    except UnhealthyRelease as error:
        if not optional:
            raise
        context.log(f"{error.message}; it is not required, going on without it")
        return NOTHING


def _age_s(state: Running) -> float:
    """How long it has run, as far as the controller's clock agrees with the engine's."""
    return (datetime.now(UTC) - state.started_at).total_seconds() if state.started_at is not None else 0.0


def for_turn(step: AwaitTurn, context: StepContext) -> Outputs:
    """The time between two groups has gone by."""
    if context.cancelled.wait(step.delay_s):
        raise TransientError(f"service {step.service}: the pause between two groups was cut short by a cancel")
    return NOTHING


def _unhealthy(bench: Bench, step: OfContainer, state: Running, inspect: Mapping[str, Any]) -> UnhealthyRelease:
    return UnhealthyRelease(
        f"container {step.name} is unhealthy{_said(state)}",
        log_tail=tail(bench.client, str(inspect["Id"])),
        hint="its health check failed; the last lines of its log follow",
    )


def _wait(  # the loop of all three
    bench: Bench, step: OfContainer, context: StepContext, look: Look, failure: str, *, pause_s: float = _LISTENING_S
) -> None:
    container_id = id_of(step, context)
    bench.listen()
    until = time.monotonic() + context.timeout_s
    state = Running()
    while True:
        mark = bench.cache.mark_of(container_id)
        inspect = bench.inspect(Kind.CONTAINER, container_id)
        if inspect is None:
            raise Conflict(
                f"container {step.name} was removed while it was waited for", hint="the next pass looks again"
            )
        state = running(inspect)
        if look(state, inspect) == "done":
            bench.cache.touch(Kind.CONTAINER, container_id)
            return
        longest = max(pause_s, 0.01) if pause_s < _DEAF_S else (pause_s if bench.cache.listening else _DEAF_S)
        pause_until = min(until, time.monotonic() + longest)
        while time.monotonic() < pause_until:
            if context.cancelled.is_set():
                raise TransientError(f"container {step.name}: no longer waited for, because the sync was cancelled")
            if bench.cache.wait(container_id, mark, min(_CANCEL_S, pause_until - time.monotonic())):
                break
        if time.monotonic() >= until:
            if isinstance(step, AwaitCompleted):
                raise DeadlineExceeded(f"container {step.name} {failure} within {context.timeout_s:.0f} s")
            raise UnhealthyRelease(
                f"container {step.name} {failure} within {context.timeout_s:.0f} s{_said(state)}",
                log_tail=tail(bench.client, container_id),
                hint="give it more time (start_period, timeout), or look at its log",
            )


def _fell(state: Running, seen: dict[str, float]) -> bool:
    """Whether it ended, or was restarted since the first look (earlier restarts are history)."""
    before = seen.setdefault("restarts", state.restart_count)
    return state.status in {RunState.EXITED, RunState.DEAD, RunState.RESTARTING} or state.restart_count > before


def _ended(bench: Bench, step: OfContainer, context: StepContext, state: Running, how: str) -> TrimtabError:
    if _from_outside(bench, id_of(step, context), state):
        # The release has no part in it: neither is it given up, nor is the old one preferred from now on.
        return Conflict(
            f"container {step.name} {how}: it was ended from outside (exit code {state.exit_code}), "
            "by a person or by a restart of the engine",
            hint="the next pass looks again",
        )
    reason = "ran out of memory (killed by the kernel)" if state.oom_killed else f"exit code {state.exit_code}"
    if state.restart_count:
        reason += f", restarted {state.restart_count} times by the engine"
    error = f": {state.error}" if state.error else ""
    return UnhealthyRelease(
        f"container {step.name} {how}: {reason}{error}{_said(state)}",
        log_tail=tail(bench.client, id_of(step, context)),
        hint="raise its memory limit" if state.oom_killed else "the last lines of its log follow",
    )


def _from_outside(bench: Bench, container_id: str, state: Running) -> bool:
    """Whether a request or the engine's own end stopped it, as far as events and its exit code tell."""
    if state.oom_killed or state.status is RunState.RESTARTING:
        return False
    stopped = bench.cache.stopped_by_request(container_id)
    if stopped is None:
        return state.exit_code in SIGNALLED or (state.exit_code in KILLED and not bench.cache.listening)
    return stopped


def _said(state: Running) -> str:
    return f'; its health check says: "{state.probe_output}"' if state.probe_output else ""
