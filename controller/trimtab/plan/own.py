"""What a controller in a container must not do to itself while it works. Pure.

A change that would stop the container in which the plan is carried out becomes a hand-over, which another container
carries out; one that would remove what it lives on is kept back, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from trimtab.model.change import Change, Disruption, FieldChange, Order, Reason, Verb
from trimtab.model.keys import Kind
from trimtab.model.observed import ObservedState, Own

HANDED_OVER = "it is this controller: a helper stops it, starts the new one, and puts it back if that fails"


def spare(changes: Iterable[Change], observed: ObservedState) -> tuple[Change, ...]:
    """The changes as they may be carried out from inside the container that ``observed.own`` names."""
    if observed.own is None:
        return tuple(changes)
    found = (_spared(change, observed.own) for change in changes)
    return tuple(change for change in found if change is not None)


def hands_over(change: Change, observed: ObservedState) -> bool:
    """Whether it replaces the container in which this runs."""
    own = observed.own
    return own is not None and change.verb is Verb.REPLACE and _is(change, own)


def being_handed_over(observed: ObservedState) -> bool:
    """Whether a helper is about to finish the hand-over to the container in which this runs, of this application."""
    own = observed.own
    if own is None or not own.helped:
        return False
    return any(live.handle == own.handle for lives in observed.live.values() for live in lives)


def _is(change: Change, own: Own) -> bool:
    return change.before is not None and change.before.handle == own.handle


def _spared(change: Change, own: Own) -> Change | None:
    match change.key.kind:
        case Kind.NETWORK:
            return _network(change, own)
        case Kind.VOLUME if change.verb is Verb.DELETE and change.name in own.volumes:
            return _kept(change, "this controller has its data in it")
        case Kind.CONTAINER:
            return _container(change, own)
        case _:
            return change


def _kept(change: Change, detail: str) -> Change:
    return replace(
        change, verb=Verb.KEEP, reason=Reason.PROTECTED, detail=detail, disruption=Disruption.NONE, loses_data=False
    )


def _network(change: Change, own: Own) -> Change:
    if change.verb in {Verb.DELETE, Verb.REPLACE} and change.before and change.before.name in own.networks:
        return _kept(change, "this controller is attached to it; run another one to change that, or do it by hand")
    return replace(change, extras=tuple(extra for extra in change.extras if extra.name not in own.networks))


def _container(change: Change, own: Own) -> Change | None:
    if change.staged is not None and change.staged.handle == own.handle:
        return _taken_over(change, own)
    if any(extra.handle == own.handle for extra in change.extras):
        extras = tuple(extra for extra in change.extras if extra.handle != own.handle)
        if change.reason is Reason.DUPLICATE and not extras:
            return _kept(replace(change, extras=()), "this controller runs in one more of it than wanted")
        change = replace(change, extras=extras)
    if not _is(change, own):
        return change
    match change.verb:
        case Verb.DELETE:
            return _kept(change, "it is this controller; remove it by hand when it is not needed any more")
        case Verb.REPLACE:
            return _handed_over(change)
        case Verb.UPDATE if any(field.path.startswith("/Networks/") for field in change.fields):
            return _handed_over(replace(change, verb=Verb.REPLACE))
        case Verb.UPDATE if change.reason in {Reason.DEPENDENCY_REPLACED, Reason.NETWORK_REPLACED}:
            return _kept(change, "it is this controller, which does not restart itself")
        case _:
            return change


def _handed_over(change: Change) -> Change:
    return replace(
        change, order=Order.STOP_FIRST, order_reason=HANDED_OVER, detail=HANDED_OVER, disruption=Disruption.REPLACE
    )


def _taken_over(change: Change, own: Own) -> Change:
    """We are the replacement already. What is left is the helper's to do; without one, it is ours."""
    old, new = change.before, change.staged
    if own.helped or new is None or old is None:
        return replace(_kept(change, "a helper is finishing the hand-over to it"), reason=Reason.UNFINISHED)
    named = FieldChange(path="/Name", attribute="name", before=new.name, after=change.name, in_place=True)
    return replace(
        change,
        verb=Verb.UPDATE,
        reason=Reason.UNFINISHED,
        before=new,
        staged=None,
        extras=(old, *change.extras),
        fields=(named,),
        order=None,
        order_reason="",
        disruption=Disruption.NONE,
    )
