"""A container in the place of another: beside it first, or after it, and the way back when it fails. Pure."""

from __future__ import annotations

from trimtab.backends.engine import steps
from trimtab.backends.engine.labels import staging_name
from trimtab.backends.engine.lower import address, conditions, containers, traffic
from trimtab.backends.engine.lower.reading import grace_s, present, update_rule, wanted, written_volumes
from trimtab.backends.engine.lower.site import START_S, STOP_MARGIN_S, Places, Replacement, Site
from trimtab.model.change import Change, Order
from trimtab.model.observed import RunState
from trimtab.model.plan import RunWhen


def replace(site: Site, change: Change) -> None:
    """Make the new one, prove it, remove the old one; the old one is stopped before or after, as the order says."""
    want, old = wanted(change), present(change)
    created: set[int] = set()
    extras, staging = list(change.extras), staging_name(want.name, want.digest)
    ref: steps.ContainerRef
    if change.staged is not None:
        ref = steps.Existing(change.staged.handle)
    else:
        made = containers.make(site, change, staging)
        ref, created = steps.CreatedBy(made), {made}
        for extra in [extra for extra in extras if extra.name == staging]:
            # An interrupted sync left it, and it would be taken for the new one.
            extras.remove(extra)
            site.drafts.need(made, {containers.discard_extra(site, change, extra, set())})
    ready = conditions.met(site, change, want)
    up = old.running.status in {RunState.RUNNING, RunState.RESTARTING, RunState.PAUSED}
    stop_first = change.order is Order.STOP_FIRST
    stop: int | None = None
    needs: set[int] = set()
    if up and stop_first:
        needs = {*created, *ready, *site.object_needs(want)}
        stop = containers.stop(site, change, old, needs)
        site.drafts.releases(stop, site.claims(old.fields))
    start, started = containers.start(site, change, ref, {*created, *ready, *({stop} if stop else ())})
    proof = site.proofs[want.key] = containers.prove(
        site, change, ref, started, monitor_s=update_rule(want).monitor_s or 0.0
    )
    named = address.listed(site, change, ref, traffic.give_names(site, change, ref, {proof}))
    if up and not stop_first:
        stop = containers.stop(site, change, old, {proof, *named})
    undo_needs = {start, *started, proof, *named, *({stop} if stop and stop_first else ())}
    undo: steps.EngineStep
    if stop_first and (up or change.staged is not None):
        # With a replacement there already, it was an interrupted sync that stopped the old one.
        undo = steps.RestoreContainer(
            container=steps.Existing(old.handle),
            name=old.name,
            replacement=ref,
            grace_s=grace_s(want),
            again=address.again(site, change, old),
        )
    else:
        undo = steps.DiscardContainer(container=ref, name=want.name, grace_s=grace_s(want))
    undone = site.add(undo, change, undo_needs, when=RunWhen.FAILURE, timeout_s=grace_s(want) + STOP_MARGIN_S + START_S)
    removed = containers.remove(site, change, old, {proof, *named, *({stop} if stop else ())})
    volumes = written_volumes(want.spec) if stop_first else frozenset()
    for extra in extras:
        containers.discard_extra(site, change, extra, {proof}, volumes)
    renamed = site.add(steps.RenameContainer(container=ref, name=want.name), change, {removed})
    site.drafts.renames(renamed, want.name)
    site.drafts.takes(start, site.claims(want.spec) | volumes, undone)
    site.places[change.key] = Places(ref=ref, name=want.name, started=started, last={renamed})
    # Leaving a list and draining are the first of stopping.
    stops = site.drafts.own_way(stop, needs) if stop and stop_first else set()
    begins = frozenset({*created, start, *stops})
    site.replacements[want.key] = Replacement(change=change, begins=begins, proof=proof, last=renamed, undone=undone)
