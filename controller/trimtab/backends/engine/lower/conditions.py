"""Which container before which, and what has to be true of one before the next may start. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from trimtab.backends.engine import steps
from trimtab.backends.engine.lower.reading import deadline_s, meets
from trimtab.backends.engine.lower.site import Places, Site
from trimtab.model.change import Change, Verb
from trimtab.model.desired import Condition, Resource
from trimtab.model.keys import Kind, ResourceKey
from trimtab.model.observed import RunState


def start_order(site: Site, by_key: Mapping[ResourceKey, Change]) -> list[ResourceKey]:
    """Containers to work on, dependencies first; cycles were refused when the manifests were read."""
    done: list[ResourceKey] = []
    visiting: set[ResourceKey] = set()

    def visit(key: ResourceKey) -> None:
        if key in visiting or key in done:
            return
        visiting.add(key)
        for need in site.desired.resources[key].needs if key in site.desired.resources else ():
            for other in site.replicas(need):
                visit(other)
        done.append(key)

    for key in sorted(site.desired.resources):
        if key.kind is Kind.CONTAINER:
            visit(key)
    return [key for key in done if key in by_key and by_key[key].verb is not Verb.DELETE]


def met(site: Site, change: Change, want: Resource) -> set[int]:
    """Nodes after which every service that ``want`` waits for is in the state it waits for."""
    found: set[int] = set()
    for need in want.needs:
        for key in site.replicas(need):
            found |= _condition(site, change, key, need.condition, optional=not need.required)
            if need.condition is Condition.HEALTHY and need.required:
                # By then it is reached by its service's name, too.
                found |= site.listings.get(key, set())
    return found


def _condition(site: Site, change: Change, key: ResourceKey, condition: Condition, *, optional: bool) -> set[int]:
    place = site.places.get(key)
    if place is None:
        live = min(
            site.observed.live.get(key, ()),
            key=lambda found: (found.running.status is not RunState.RUNNING, found.handle),
            default=None,
        )
        if live is None or condition is Condition.STARTED or meets(live, condition):
            return set()
        place = site.places.setdefault(key, Places(ref=steps.Existing(live.handle), name=live.name))
    if condition in {Condition.STARTED, Condition.EXISTS}:
        return set(place.started)
    if (condition, optional) not in place.awaited:
        waiting: steps.EngineStep
        if condition is Condition.HEALTHY:
            waiting = steps.AwaitHealthy(container=place.ref, name=place.name, optional=optional)
        else:
            waiting = steps.AwaitCompleted(container=place.ref, name=place.name, optional=optional)
        own = site.desired.resources[key]
        node = site.add(waiting, change, place.started, timeout_s=deadline_s(own), waits=True)
        place.awaited[condition, optional] = node
        place.last = place.last | {node}
    return {place.awaited[condition, optional]}
