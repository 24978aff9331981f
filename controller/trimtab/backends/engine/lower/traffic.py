"""Who gets requests when: names that come with health, and leaving a proxy's sight before the end. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from trimtab.backends.engine import steps
from trimtab.backends.engine.lower.reading import wanted
from trimtab.backends.engine.lower.site import CALL_S, Site
from trimtab.model.change import Change, Order
from trimtab.model.desired import Resource
from trimtab.model.keys import Kind
from trimtab.model.observed import Live, RunState
from trimtab.model.rollout import Traffic
from trimtab.model.untyped import mapping, section, strings
from trimtab.plan.drain import watches


def rules(want: Resource | None) -> Traffic:
    """A service's rules; nothing special when it has none."""
    found = want.traits.get("traffic") if want is not None else None
    return found if isinstance(found, Traffic) else Traffic()


def withholds(change: Change) -> bool:
    """Whether the new container gets its service's names only when it has proved itself."""
    return change.order is Order.START_FIRST and rules(change.after).alias_when_healthy


def nameless(spec: Mapping[str, object]) -> dict[str, object]:
    """The same networks, without a name on any of them."""
    return {
        network: {key: value for key, value in endpoint.items() if key != "Aliases"}
        for network, endpoint in _networks(spec).items()
    }


def give_names(site: Site, change: Change, ref: steps.ContainerRef, needs: set[int]) -> set[int]:
    """Attach it again, now with its names; the nodes after which it has them all."""
    if not withholds(change):
        return needs
    want = wanted(change)
    has = _networks(change.staged.fields) if change.staged is not None else {}
    last = needs
    for network, endpoint in sorted(_networks(want.spec).items()):
        if _aliases(endpoint) <= _aliases(has.get(network, {})):
            continue
        left = site.add(steps.DisconnectNetwork(container=ref, name=want.name, network=network), change, last)
        step = steps.ConnectNetwork(container=ref, name=want.name, network=network, endpoint=endpoint)
        last = {site.add(step, change, {left})}
    return last


def drained(site: Site, change: Change, live: Live, needs: Iterable[int]) -> set[int]:
    """Let it leave its proxy's sight; the nodes after which it may be stopped."""
    # What goes because there are fewer of it has no wanted one of its own; those that stay are its like.
    alike = (r for r in site.desired.of_kind(Kind.CONTAINER) if r.key.name == live.key.name)
    want = change.after or next(alike, None)
    drain_s = rules(want).drain_s
    # One that was made before the setting was there does not look for the mark.
    if drain_s is None or not listens(live) or live.running.status is not RunState.RUNNING:
        return set(needs)
    unready_s = rules(want).unready_s
    step = steps.DrainContainer(
        container=steps.Existing(live.handle), name=live.name, drain_s=drain_s, unready_s=unready_s
    )
    return {site.add(step, change, needs, timeout_s=CALL_S, waits=True, pause_s=drain_s + unready_s)}


def listens(live: Live) -> bool:
    """Whether its health check looks for the mark that takes it out of a proxy's sight."""
    return watches(section(section(live.fields, "Config"), "Healthcheck").get("Test"))


def _networks(fields: Mapping[str, object]) -> dict[str, Mapping[str, object]]:
    return {str(name): mapping(endpoint) for name, endpoint in section(fields, "Networks").items()}


def _aliases(endpoint: Mapping[str, object]) -> set[str]:
    return set(strings(endpoint.get("Aliases")))
