"""Puts the nodes of one plan into phases and waves, with the proofs that the next one waits for. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trimtab.backends.engine import steps
from trimtab.backends.engine.drafts import Draft
from trimtab.backends.engine.lower import containers
from trimtab.backends.engine.lower.reading import deadline_s
from trimtab.backends.engine.lower.site import Site
from trimtab.model.application import HookPhase
from trimtab.model.change import Change, Verb
from trimtab.model.keys import RUNS, Kind, ResourceKey
from trimtab.model.observed import Probe, RunState
from trimtab.model.plan import RunWhen
from trimtab.plan.ordering import Part, Stage, edges

_PARTS = {
    HookPhase.PRE_SYNC: Part.BEFORE,
    HookPhase.PRE_DELETE: Part.BEFORE,
    HookPhase.SYNC: Part.MAIN,
    HookPhase.SYNC_FAIL: Part.BEFORE,
    HookPhase.POST_SYNC: Part.AFTER,
    HookPhase.POST_DELETE: Part.AFTER,
}
# Networks, volumes and files have no wave: they are made before the first. They go after the last hook, which may be
# attached to them.
FIRST = -(2**31)


def put_in_order(site: Site, changes: Sequence[Change]) -> None:
    """Give every node the needs that its phase and wave ask for. Without hooks and waves there are none."""
    by_key = {change.key: change for change in changes if change.acts}
    waves = {wave_of(change) for key, change in by_key.items() if key.kind is Kind.CONTAINER}
    if len(waves) < 2 and not any(key.kind is Kind.HOOK and c.verb is Verb.RUN for key, c in by_key.items()):
        return
    stages = {draft.id: stage for draft in site.drafts if (stage := _stage(draft, by_key)) is not None}
    if stages:
        _prove(site, by_key, stages)
    for node, before in sorted(edges(stages, {draft.id: draft.needs for draft in site.drafts}).items()):
        site.drafts.need(node, before)


def wave_of(change: Change) -> int:
    """The wave of what a change is about; of what is no longer in Git, the one that it was made in."""
    if change.after is not None:
        wave = change.after.traits.get("wave")
        return wave if isinstance(wave, int) else 0
    return change.before.wave if change.before is not None else 0


def _stage(draft: Draft, by_key: Mapping[ResourceKey, Change]) -> Stage | None:
    change = by_key.get(draft.key)
    moves = isinstance(draft.step, steps.CopyVolume | steps.SettleVolume)
    if draft.when is RunWhen.FAILURE or change is None or draft.key.kind is Kind.IMAGE or moves:
        return None
    if draft.key.kind in RUNS and change.verb is Verb.DELETE:
        return Stage(Part.REMOVAL)
    if draft.key.kind in RUNS:
        phase = change.after.traits.get("phase") if change.verb is Verb.RUN and change.after is not None else None
        return Stage(_PARTS[HookPhase(str(phase))], wave_of(change)) if phase else None
    if draft.key.kind is Kind.CONTAINER:
        return Stage.removal(wave_of(change)) if change.verb is Verb.DELETE else Stage(Part.MAIN, wave_of(change))
    if change.verb is Verb.DELETE or (isinstance(draft.step, steps.RemoveNetwork) and change.verb is Verb.CREATE):
        return Stage(Part.CLEARING)
    return Stage(Part.MAIN, FIRST)


def _prove(site: Site, by_key: Mapping[ResourceKey, Change], stages: dict[int, Stage]) -> None:
    """What something later waits for does not only run: it runs well."""
    last = max(stages.values())
    cause = f"before {last.part.name.lower()}" if last.part is not Part.MAIN else "before the next wave"
    for want in site.desired.of_kind(Kind.CONTAINER):
        wave = want.traits.get("wave")
        stage = Stage(Part.MAIN, wave if isinstance(wave, int) else 0)
        change = by_key.get(want.key)
        if stage >= last:
            continue
        if change is not None and want.key in site.places and want.key not in site.proofs:
            place = site.places[want.key]
            node = site.proofs[want.key] = containers.prove(site, change, place.ref, place.started)
            stages[node] = stage
        elif change is None and want.traits.get("checked"):
            for live in site.observed.live.get(want.key, ()):
                if live.running.status is RunState.RUNNING and live.running.probe is not Probe.HEALTHY:
                    wait = steps.AwaitHealthy(container=steps.Existing(live.handle), name=live.name)
                    node = site.drafts.add(
                        wait, want.key, cause, (), RunWhen.SUCCESS, deadline_s(want), waits=True
                    )  # fmt: skip
                    stages[node] = stage
