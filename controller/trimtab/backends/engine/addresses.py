"""A service's stable address as a container: HAProxy, its configuration, and whom it should send connections to. Pure.

Replicas are listed by their short ids, which the engine's name server knows on every network that they are on: an id
outlives a rename, is never another's, and follows a restart that gave the container another address.
Source: HAProxy configuration manual 2.6: 5.3 (resolvers, init-addr), "option redispatch", "fd-hard-limit"; management
guide 4 (SIGHUP to a master makes a new worker read the configuration; the old one ends with its connections).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from trimtab.model.application import Fronts
from trimtab.model.change import FieldChange
from trimtab.model.desired import Resource
from trimtab.model.keys import Kind, ResourceKey
from trimtab.model.observed import Live, ObservedState, Probe, RunState
from trimtab.plan.listed import LISTED

# Below it: the configuration, the link that says what is in force, and a socket by which a worker shows that it is.
ROOT = "trimtab"
CONFIG = f"/{ROOT}/address.cfg"
ENTRYPOINT = ("haproxy", "-W", "-db", "-f", CONFIG)
# Beside what the engine says of a container: whom an address sends to.
IN_FORCE = "TrimtabListed"
# No new connections, and an end when the last one has ended.
STOP_SIGNAL = "SIGUSR1"
_SHORT = 12
_TEMPLATE = """\
global
    fd-hard-limit 50000
    stats socket {socket} mode 600
defaults
    mode tcp
    timeout connect 5s
    timeout client 1d
    timeout server 1d
    option clitcpka
    option srvtcpka
    retries 3
    option redispatch 1
    default-server resolvers engine init-addr libc,none resolve-prefer ipv4
resolvers engine
    nameserver engine 127.0.0.11:53
    timeout resolve 1s
    timeout retry 1s
    hold valid 1s
"""


def short(handle: str) -> str:
    """The name that the engine gives every container on its networks."""
    return handle[:_SHORT]


def configuration(ports: Iterable[int], listed: Iterable[str], socket: str) -> str:
    """What HAProxy reads; ``listed`` are short ids, ``socket`` is opened by who has read it."""
    found, servers = [_TEMPLATE.format(socket=socket)], sorted(listed)
    for port in sorted(ports):
        found.append(f"listen tcp-{port}\n    bind :{port}\n")
        found += [f"    server {one} {one}:{port}\n" for one in servers]
    return "".join(found)


def is_address(fields: Mapping[str, object]) -> bool:
    """Whether a container, as ``inspect`` or a spec has it, is one of these."""
    config = fields.get("Config")
    entry = config.get("Entrypoint") if isinstance(config, Mapping) else None
    return isinstance(entry, list | tuple) and tuple(entry) == ENTRYPOINT


def fronts(want: Resource | None) -> Fronts | None:
    """What a wanted container is the address of."""
    found = want.traits.get("fronts") if want is not None else None
    return found if isinstance(found, Fronts) else None


def well(live: Live) -> bool:
    """Whether it may get requests, as far as its health check tells."""
    return live.running.status is RunState.RUNNING and live.running.probe in {Probe.HEALTHY, Probe.NONE}


def compare(want: Resource, live: Live, observed: ObservedState) -> tuple[FieldChange, ...]:
    """What differs in whom it sends connections to; nothing of one that does not run."""
    front = fronts(want)
    if front is None or live.running.status is not RunState.RUNNING:
        return ()
    wanted = replicas(want, observed, live.listed)
    if live.listed is not None and tuple(sorted(short(one.handle) for one in wanted)) == live.listed:
        return ()
    names = {
        short(one.handle): one.name
        for key, lives in observed.live.items()
        if key.kind is Kind.CONTAINER and key.name == front.service
        for one in lives
    }
    return (
        FieldChange(
            path=LISTED,
            attribute="sends to",
            before=None if live.listed is None else sorted(names.get(one, one) for one in live.listed),
            after=sorted(one.name for one in wanted),
            in_place=True,
            origin=want.origin(""),
        ),
    )


def replicas(want: Resource, observed: ObservedState, listed: tuple[str, ...] | None = None) -> tuple[Live, ...]:
    """Whom the address ``want`` should send connections to when nothing is being replaced, in key order.

    Of each replica the one in service, if it is well, or its successor that was left beside it. Where nobody is well,
    those that are ``listed`` and run stay: a refusal would be no better than what they answer.
    """
    front = fronts(want)
    lives: dict[ResourceKey, tuple[Live, ...]] = {
        key: found
        for key, found in sorted(observed.live.items())
        if front is not None and key.kind is Kind.CONTAINER and key.name == front.service
    }
    by_hand = bool(want.traits.get("by_hand"))
    chosen = [_one(found, by_hand=by_hand) for found in lives.values()]
    if found := tuple(one for one in chosen if one is not None):
        return found
    left = [one for found in lives.values() for one in found if short(one.handle) in (listed or ())]
    return tuple(one for one in left if one.running.status is RunState.RUNNING)


def _one(lives: tuple[Live, ...], *, by_hand: bool) -> Live | None:
    """The container of one replica that gets requests."""
    serving = [live for live in lives if not _staged(live)]
    if by_hand and serving:
        # What waits for a person beside one that serves gets nothing.
        lives = tuple(serving)
    ranked = sorted((live for live in lives if well(live)), key=lambda live: (_staged(live), live.handle))
    return ranked[0] if ranked else None


def _staged(live: Live) -> bool:
    return not live.adopted and live.name.rpartition("-")[2] == live.digest[:8]


def weights(lives: Iterable[Live]) -> list[str]:
    """What of a look a plan for addresses depends on, beside the objects themselves: who is well."""
    found = tuple(lives)
    if not any(is_address(live.fields) for live in found):
        return []
    return [f"well {live.handle}" for live in found if live.key.kind is Kind.CONTAINER and well(live)]
