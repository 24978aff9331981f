"""A new container beside the one that serves, proved, and left there until it is promoted. Pure.

The replacement that follows finds it, as it finds what an interrupted sync has left.
"""

from __future__ import annotations

from trimtab.backends.engine import steps
from trimtab.backends.engine.labels import staging_name
from trimtab.backends.engine.lower import conditions, containers
from trimtab.backends.engine.lower.reading import grace_s, present, update_rule, wanted
from trimtab.backends.engine.lower.site import START_S, STOP_MARGIN_S, Places, Replacement, Site
from trimtab.model.change import Change
from trimtab.model.observed import RunState
from trimtab.model.plan import RunWhen


def stage(site: Site, change: Change) -> None:
    """Make and prove the new one; the old one serves, and is started if an interrupted promotion has stopped it."""
    want, old = wanted(change), present(change)
    if old.running.status in {RunState.EXITED, RunState.CREATED}:
        site.add(steps.StartContainer(container=steps.Existing(old.handle), name=old.name), change, timeout_s=START_S)
    # What an older commit had prepared, and nobody wants any more.
    gone = {containers.discard_extra(site, change, extra, set()) for extra in change.extras}
    created: set[int] = set()
    ref: steps.ContainerRef
    if change.staged is not None:
        ref = steps.Existing(change.staged.handle)
    else:
        made = containers.make(site, change, staging_name(want.name, want.digest))
        site.drafts.need(made, gone)
        ref, created = steps.CreatedBy(made), {made}
    start, started = containers.start(site, change, ref, {*created, *conditions.met(site, change, want)})
    proof = site.proofs[want.key] = containers.prove(
        site, change, ref, started, monitor_s=update_rule(want).monitor_s or 0.0
    )
    undo = steps.DiscardContainer(container=ref, name=want.name, grace_s=grace_s(want))
    undone = site.add(
        undo,
        change,
        {start, *started, proof},
        when=RunWhen.FAILURE,
        timeout_s=grace_s(want) + STOP_MARGIN_S + START_S,
    )
    site.drafts.takes(start, site.claims(want.spec), undone)
    site.places[change.key] = Places(ref=ref, name=want.name, started=started, last={proof})
    site.replacements[want.key] = Replacement(
        change=change, begins=frozenset({*created, start}), proof=proof, last=proof, undone=undone
    )
