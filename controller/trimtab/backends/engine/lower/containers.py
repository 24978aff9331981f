"""What every way of working on a container is put together from: make, start, prove, stop, remove. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from trimtab.backends.engine import steps
from trimtab.backends.engine.lower import address, traffic
from trimtab.backends.engine.lower.reading import deadline_s, grace_s, kept_volumes, wanted, written_volumes
from trimtab.backends.engine.lower.site import IMAGE_S, START_S, STOP_MARGIN_S, Site
from trimtab.model.change import Change
from trimtab.model.observed import Live
from trimtab.model.untyped import section
from trimtab.plan.imagepins import IMAGE_TRAIT


def make(site: Site, change: Change, name: str) -> int:
    """Create it under ``name``, with the anonymous volumes of the one that it replaces."""
    want = wanted(change)
    kept = kept_volumes(want.spec, change.before) if change.before is not None else {}
    spec = dict(want.spec)
    if kept:
        spec["Mounts"] = {**section(want.spec, "Mounts"), **kept}
    if traffic.withholds(change):
        spec["Networks"] = traffic.nameless(want.spec)
    if image := want.traits.get(IMAGE_TRAIT):
        spec["Config"] = {**section(want.spec, "Config"), "Image": image}
    step = steps.CreateContainer(
        key=want.key,
        name=name,
        spec=spec,
        labels=site.labels(want),
        platform=str(want.traits.get("platform") or ""),
    )
    return site.add(step, change, site.object_needs(want))


def start(site: Site, change: Change, ref: steps.ContainerRef, needs: set[int]) -> tuple[int, set[int]]:
    """Start and ``post_start`` hooks; the start node and the nodes after which it counts as started."""
    want = wanted(change)
    ready = address.filled(site, change, ref, needs)
    first = site.add(steps.StartContainer(container=ref, name=want.name), change, ready, timeout_s=START_S)
    last = {first}
    hooks = want.traits.get("post_start")
    for hook in hooks if isinstance(hooks, tuple) else ():
        last = {site.add(steps.ExecHook(container=ref, name=want.name, hook=hook), change, last, timeout_s=IMAGE_S)}
    return first, last


def prove(site: Site, change: Change, ref: steps.ContainerRef, started: set[int], *, monitor_s: float = 0.0) -> int:
    """Wait until it does what it is for: healthy, still running, or done; and goes on so for ``monitor_s``."""
    want = wanted(change)
    proof: steps.EngineStep
    if want.traits.get("job"):
        proof = steps.AwaitCompleted(container=ref, name=want.name)
    elif want.traits.get("checked"):
        proof = steps.AwaitHealthy(container=ref, name=want.name, settle_s=monitor_s)
    else:
        settle = want.traits.get("settle_s")
        settle_s = float(settle) if isinstance(settle, int | float) else 0.0
        proof = steps.AwaitRunning(
            container=ref,
            name=want.name,
            settle_s=max(settle_s, monitor_s),
            may_finish=bool(want.traits.get("may_finish")),
        )
    return site.add(proof, change, started, timeout_s=deadline_s(want), waits=True, pause_s=monitor_s)


def stop(site: Site, change: Change, live: Live, needs: Iterable[int]) -> int:
    """Stop it: out of its proxy's sight, then its ``pre_stop`` hooks, then the signal."""
    want = change.after
    hooks = want.traits.get("pre_stop") if want is not None else ()
    step = steps.StopContainer(
        container=steps.Existing(live.handle),
        name=live.name,
        # None: the container's own StopTimeout, which it was created with.
        grace_s=None,
        pre_stop=hooks if isinstance(hooks, tuple) else (),
    )
    ready = traffic.drained(site, change, live, address.unlisted(site, change, live, needs))
    return site.add(step, change, ready, timeout_s=grace_s(want) + STOP_MARGIN_S)


def remove(site: Site, change: Change, live: Live, needs: Iterable[int]) -> int:
    """Remove it; its name is free afterwards."""
    node = site.add(steps.RemoveContainer(container=steps.Existing(live.handle), name=live.name), change, needs)
    site.drafts.frees(node, live.name)
    return node


def discard_extra(
    site: Site, change: Change, extra: Live, proved: set[int], exclusive: frozenset[str] = frozenset()
) -> int:
    """Remove what is there once too often, when the one that stays has proved itself.

    ``exclusive``: volumes that the one that stays is about to write to; who else writes to them stops before.
    """
    held = site.claims(extra.fields) & site.wanted_claims | written_volumes(extra.fields) & exclusive
    stopped = stop(site, change, extra, () if held else proved)
    site.drafts.releases(stopped, held)
    removed = remove(site, change, extra, {stopped, *proved})
    site.removed.append(removed)
    return removed
