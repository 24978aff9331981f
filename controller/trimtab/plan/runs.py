"""Stage 6 for what runs once: which hooks a sync has to run, and which runs of the past may go. Pure.

A hook runs in each sync of another desired state than the one that was applied: not when drift is repaired, not when
the controller goes back to an older release by itself. A run is named by the digest of what is synced, so that its
container says all there is to know after a crash: still running, it is waited for; ended well, it is done; failed, the
sync has failed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from trimtab.model.application import HookDeletePolicy, HookPhase
from trimtab.model.change import Change, Reason, Verb
from trimtab.model.desired import DesiredState
from trimtab.model.keys import RUNS, Kind, ResourceKey
from trimtab.model.observed import Live, ObservedState, Running, RunState
from trimtab.model.tasks import SYNC_PHASES, Hook

ENDED = frozenset({RunState.EXITED, RunState.DEAD})
# 128 and the number of SIGKILL or SIGTERM. A run that was watched and killed itself is told apart by its events.
SIGNALLED = frozenset({137, 143})
BUSY = frozenset({RunState.RUNNING, RunState.PAUSED, RunState.RESTARTING})


@dataclass(frozen=True, slots=True, kw_only=True)
class HookOptions:
    """What is known of the sync that a plan would be.

    ``allowed``: it may be a new release. ``applied_digest``: what was applied last, "" if nothing is known.
    ``unfinished``: the last sync did not come to its end. ``again``: a person asked, so what failed is run once more.
    """

    allowed: bool = True
    applied_digest: str = ""
    unfinished: bool = False
    again: bool = False


def run_changes(
    desired: DesiredState, observed: ObservedState, *, acting: bool, prune: bool, options: HookOptions
) -> tuple[Change, ...]:
    """Runs that belong to this sync and are not over, and past runs to remove; ``acting``: there are other changes."""
    due = tuple(_due_hooks(desired, observed, acting=acting, options=options))
    renewed = {change.key for change in due}
    return (*due, *(_left(desired, observed, renewed) if prune else ()))


def removes_all(desired: DesiredState) -> bool:
    """Whether the application is to go: nothing of it but what its last hooks need is wanted."""
    return not desired.jobs and all(key.kind in {Kind.IMAGE, Kind.CONTENT} for key in desired.resources)


def hook_run(hook: Hook, desired: DesiredState, observed: ObservedState, *, again: bool) -> Change | None:
    """The change that runs ``hook`` for this desired state, or waits for its run; None when that is over."""
    name = hook.run_name(desired.digest)
    lives = observed.live.get(hook.key, ())
    mine = next((live for live in lives if live.name == name), None)
    when = f"{hook.phase.value}, wave {hook.wave}" if hook.wave else hook.phase.value
    base = Change(
        verb=Verb.RUN,
        key=hook.key,
        name=name,
        reason=Reason.HOOK_DUE,
        detail=when,
        after=replace(hook.resource, name=name),
        extras=tuple(live for live in lives if live is not mine),
        origin=hook.resource.origin(""),
    )
    if mine is None:
        return base
    state = mine.running
    if state.status in BUSY:
        return replace(base, before=mine, reason=Reason.HOOK_RUNS, detail=f"{when}: it runs already, and is waited for")
    if state.status not in ENDED:
        return replace(base, before=mine)
    if succeeded(mine):
        return None
    if _ended_from_outside(state):
        said = f"{when}: once more, it was ended from outside (exit code {state.exit_code})"
        return replace(base, extras=lives, detail=said)
    if again:
        return replace(base, extras=lives, detail=f"{when}: once more, it ended with exit code {state.exit_code}")
    failed = f"{when}: it failed with exit code {state.exit_code}, and is not run again by itself"
    return replace(base, before=mine, reason=Reason.HOOK_FAILED, detail=failed)


def succeeded(live: Live) -> bool:
    """Whether a run ended well."""
    return live.running.status is RunState.EXITED and live.running.exit_code == 0


def _ended_from_outside(state: Running) -> bool:
    """By a person or by the engine's own end, as far as can be told: then it has neither done its work nor failed."""
    return state.exit_code in SIGNALLED and not state.oom_killed and state.stopped_by_request is not False


def cause_of(live: Live) -> str:
    """Why a run was begun, as its name tells."""
    if live.key.kind is Kind.HOOK:
        return next((phase.value for phase in HookPhase if f"-{phase.value.lower()}-" in live.name), "")
    return "asked" if "-asked-" in live.name else "schedule"


def _due_hooks(
    desired: DesiredState, observed: ObservedState, *, acting: bool, options: HookOptions
) -> Iterator[Change]:
    if not options.allowed:
        return
    if removes_all(desired):
        phases = {HookPhase.PRE_DELETE, HookPhase.POST_DELETE} if acting else {HookPhase.POST_DELETE}
        if not acting and not options.unfinished:
            return
    elif desired.digest == options.applied_digest or not (options.applied_digest or acting or options.unfinished):
        # With nothing known and nothing to do, the memory was lost: what runs is as Git says, and counts as applied.
        return
    else:
        phases = set(SYNC_PHASES)
    for hook in desired.hooks:
        if hook.phase in phases and (change := hook_run(hook, desired, observed, again=options.again)) is not None:
            yield change


def _left(desired: DesiredState, observed: ObservedState, renewed: set[ResourceKey]) -> Iterator[Change]:
    """Runs of what is no longer in Git, when they have ended; all of them when the application goes."""
    hooks = {hook.key: hook for hook in desired.hooks}
    jobs = {job.key for job in desired.jobs}
    everything = removes_all(desired)
    for key in sorted(observed.live):
        if key.kind not in RUNS or key in renewed or (key in jobs and not everything):
            continue
        hook, lives = hooks.get(key), observed.live[key]
        if everything:
            gone, reason, detail = lives, Reason.NOT_IN_GIT, "the application goes"
        elif hook is None:
            gone = tuple(live for live in lives if live.running.status not in BUSY)
            reason, detail = Reason.NOT_IN_GIT, f"a run of what is no {key.kind.value} any more"
        else:
            tidy = hook.deletion is HookDeletePolicy.HOOK_SUCCEEDED
            gone = tuple(live for live in lives if tidy and succeeded(live))
            reason, detail = Reason.UNUSED, "it is over"
        if gone:
            yield Change(
                verb=Verb.DELETE,
                key=key,
                name=gone[0].name,
                reason=reason,
                detail=detail,
                before=gone[0],
                extras=gone[1:],
            )
