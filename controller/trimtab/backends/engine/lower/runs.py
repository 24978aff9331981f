"""Runs of hooks and jobs as steps: earlier runs go, then one is created, started, and waited for. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from trimtab.backends.engine import steps
from trimtab.backends.engine.lower import conditions, containers
from trimtab.backends.engine.lower.reading import deadline_s
from trimtab.backends.engine.lower.site import Site
from trimtab.model.application import HookDeletePolicy
from trimtab.model.change import Change, Verb
from trimtab.model.keys import Kind
from trimtab.model.observed import Live, RunState
from trimtab.model.plan import RunWhen
from trimtab.plan.runs import BUSY

# The step explains itself when a run takes too long; only then does the executor's patience end.
OVERTIME_S = 60.0
# A run has the grace period that its container was made with, which is rarely longer than this.
STOP_S = 330.0


def run(site: Site, change: Change) -> None:
    """One run. A job is started only: its end is an event like any other."""
    want, live = change.after, change.before
    if want is None:
        return
    limit_s = deadline_s(want)
    cleared = {_cleared(site, change, extra, limit_s) for extra in change.extras}
    ref: steps.ContainerRef
    created: set[int] = set()
    if live is not None:
        ref = steps.Existing(live.handle)
    else:
        step = steps.CreateContainer(
            key=want.key,
            name=want.name,
            spec=want.spec,
            labels=site.labels(want),
            platform=str(want.traits.get("platform") or ""),
        )
        create = site.add(step, change, site.object_needs(want) | cleared)
        ref, created = steps.CreatedBy(create), {create}
    last = created
    if live is None or live.running.status is RunState.CREATED:
        images = {d.id for d in site.drafts if isinstance(d.step, steps.PullImage | steps.BuildImage)}
        _, last = containers.start(
            site, change, ref, {*created, *cleared, *images, *conditions.met(site, change, want)}
        )
    if change.key.kind is Kind.JOB:
        return
    wait = steps.AwaitCompleted(container=ref, name=want.name, limit_s=limit_s, keep_log=True)
    ended = site.add(wait, change, last | cleared, timeout_s=limit_s + OVERTIME_S, waits=True)
    tidy = want.traits.get("deletion") == HookDeletePolicy.HOOK_FAILED.value
    end = steps.EndRun(container=ref, name=want.name, discard=tidy)
    site.add(end, change, {*last, ended}, when=RunWhen.FAILURE, timeout_s=STOP_S)
    site.runs[ended] = ref


def _cleared(site: Site, change: Change, extra: Live, limit_s: float) -> int:
    """Remove an earlier run; one that still runs comes to its end first, for two must never run at once."""
    container = steps.Existing(extra.handle)
    over: set[int] = set()
    if extra.running.status in BUSY:
        wait = steps.AwaitCompleted(container=container, name=extra.name, limit_s=limit_s, any_end=True)
        over = {site.add(wait, change, timeout_s=limit_s + OVERTIME_S, waits=True)}
        end = steps.EndRun(container=container, name=extra.name)
        site.add(end, change, over, when=RunWhen.FAILURE, timeout_s=STOP_S)
    return site.add(_gone(container, extra.name), change, over)


def stop_runs(site: Site, changes: Iterable[Change]) -> None:
    """What still runs of what goes is stopped before its networks are removed."""
    for change in changes:
        if change.verb is Verb.DELETE and change.before is not None:
            for live in (change.before, *change.extras):
                site.removed += _stopped(site, change, live, set())


def remove_runs(site: Site, changes: Iterable[Change]) -> None:
    """Last of all go past runs that nothing needs, and those of this very plan that are not to be kept."""
    settled = {draft.id for draft in site.drafts if draft.when is RunWhen.SUCCESS}
    owners = {draft.id: draft.key for draft in site.drafts}
    for change in changes:
        if change.verb is Verb.RUN and change.after is not None and change.after.traits.get("tidy"):
            for ended, ref in site.runs.items():
                if owners[ended] == change.key:
                    site.add(_gone(ref, change.name), change, settled)
        if change.verb is Verb.UPDATE and change.before is not None:
            _stopped(site, change, change.before, set())
        if change.verb is Verb.DELETE and change.before is not None:
            for live in (change.before, *change.extras):
                site.add(_gone(steps.Existing(live.handle), live.name), change, settled)


def _gone(container: steps.ContainerRef, name: str) -> steps.RemoveContainer:
    """What a run wrote where nobody gave a name is of no use to anyone else: each run would leave a volume behind."""
    return steps.RemoveContainer(container=container, name=name, scratch=True)


def _stopped(site: Site, change: Change, live: Live, needs: set[int]) -> set[int]:
    if live.running.status not in BUSY:
        return set()
    step = steps.StopContainer(container=steps.Existing(live.handle), name=live.name)
    return {site.add(step, change, needs, timeout_s=STOP_S)}
