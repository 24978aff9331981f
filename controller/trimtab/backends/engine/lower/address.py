"""Who a service's stable address sends connections to while its containers come, go and change places. Pure.

A new one is put on the list when it has proved itself, an old one is taken off before it is told to stop. Every change
waits for what this plan does to the proxy itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trimtab.backends.engine import addresses, steps
from trimtab.backends.engine.lower import traffic
from trimtab.backends.engine.lower.reading import wanted
from trimtab.backends.engine.lower.site import Replacement, Site
from trimtab.model.application import Fronts
from trimtab.model.change import Change
from trimtab.model.desired import Resource
from trimtab.model.keys import Kind
from trimtab.model.observed import Live, RunState
from trimtab.plan.listed import LISTED


@dataclass(frozen=True, slots=True)
class _Proxy:
    ref: steps.ContainerRef
    name: str
    front: Fronts
    needs: frozenset[int]


def filled(site: Site, change: Change, ref: steps.ContainerRef, needs: set[int]) -> set[int]:
    """An address is given its list before it starts; the nodes after which it may."""
    front = addresses.fronts(change.after)
    return needs if front is None else _whole(site, change, front, ref, needs)


def follow(site: Site, change: Change, ref: steps.ContainerRef, needs: set[int]) -> set[int]:
    """An address that runs is given another list, if that is what differs; the nodes after which it has it."""
    front = addresses.fronts(change.after)
    differs = any(field.path == LISTED for field in change.fields)
    return needs if front is None or not differs else _whole(site, change, front, ref, needs)


def listed(site: Site, change: Change, ref: steps.ContainerRef, proved: set[int]) -> set[int]:
    """After what proved it, its service's address sends to it; ``proved`` where there is none."""
    want = wanted(change)
    proxy = _proxy(site, want.key.name)
    if proxy is None or not traffic.rules(want).address:
        return proved
    step = steps.ListReplicas(container=proxy.ref, name=proxy.name, ports=proxy.front.ports, on=(ref,))
    node = site.add(step, change, {*proved, *proxy.needs})
    site.listings[want.key] = {node}
    return {node}


def unlisted(site: Site, change: Change, live: Live, needs: Iterable[int]) -> set[int]:
    """Its service's address no longer sends to it; the nodes after which it may be stopped."""
    proxy = _proxy(site, live.key.name)
    if proxy is None or live.running.status is not RunState.RUNNING:
        return set(needs)
    rule = traffic.rules(_alike(site, live))
    # Draining that other proxies need comes after, and is as long.
    drain_s = 0.0 if rule.drain_s is not None and traffic.listens(live) else rule.unlisted_s
    step = steps.ListReplicas(
        container=proxy.ref, name=proxy.name, ports=proxy.front.ports, off=(live.handle,), drain_s=drain_s
    )
    return {site.add(step, change, {*needs, *proxy.needs}, waits=True, pause_s=drain_s)}


def again(site: Site, change: Change, live: Live) -> steps.ListReplicas | None:
    """What puts an old one on the list that was taken off for a new one which failed."""
    proxy = _proxy(site, live.key.name)
    if proxy is None or not traffic.rules(wanted(change)).address:
        return None
    return steps.ListReplicas(
        container=proxy.ref, name=proxy.name, ports=proxy.front.ports, on=(steps.Existing(live.handle),)
    )


def together(site: Site, all_of_it: Sequence[Replacement]) -> None:
    """All old ones leave the list in the moment in which all new ones come on it."""
    # What is removed before a new one can be made does not wait for the new ones.
    proofs = {one.proof for one in all_of_it}
    found = [draft for draft in site.drafts if draft.needs & proofs and isinstance(draft.step, steps.ListReplicas)]
    if len(found) < 2:
        return
    first, *others = found
    own = {draft.id for draft in found}
    said = [draft.step for draft in found if isinstance(draft.step, steps.ListReplicas)]
    for draft in others:
        first.needs |= draft.needs
        first.pause_s = max(first.pause_s, draft.pause_s)
        first.timeout_s = max(first.timeout_s, draft.timeout_s)
        site.drafts.drop(draft.id, first.id)
    first.needs -= own
    first.waits = True
    first.step = steps.ListReplicas(
        container=said[0].container,
        name=said[0].name,
        ports=said[0].ports,
        on=tuple(ref for step in said for ref in step.on),
        off=tuple(handle for step in said for handle in step.off),
        drain_s=max(step.drain_s for step in said),
    )


def _whole(site: Site, change: Change, front: Fronts, ref: steps.ContainerRef, needs: set[int]) -> set[int]:
    want = wanted(change)
    found = addresses.replicas(want, site.observed, change.before.listed if change.before is not None else None)
    step = steps.ListReplicas(
        container=ref,
        name=want.name,
        ports=front.ports,
        on=tuple(steps.Existing(live.handle) for live in found),
        whole=True,
    )
    return {site.add(step, change, needs)}


def _proxy(site: Site, service: str) -> _Proxy | None:
    """The address of a service, as it is when this plan has done with it; None without one."""
    for want in site.desired.of_kind(Kind.CONTAINER):
        front = addresses.fronts(want)
        if front is None or front.service != service:
            continue
        place = site.places.get(want.key)
        if place is not None:
            return _Proxy(place.ref, want.name, front, frozenset(place.started | place.last))
        lives = sorted(site.observed.live.get(want.key, ()), key=lambda live: (live.name != want.name, live.handle))
        return _Proxy(steps.Existing(lives[0].handle), want.name, front, frozenset()) if lives else None
    return None


def _alike(site: Site, live: Live) -> Resource | None:
    """What is wanted of its service."""
    return next((one for one in site.desired.of_kind(Kind.CONTAINER) if one.key.name == live.key.name), None)
