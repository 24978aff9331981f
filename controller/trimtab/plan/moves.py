"""``moved``: objects of an old name become those of the new one, with their data. Pure.

What is observed is read under the new keys, and the ordinary comparison does the rest: the container of the old service
is the *current* one of the new service and is replaced, the old network gives way to the new one. A volume cannot be
renamed, so its data is copied, with these facts as the only memory, all of them on the engine:

* the new volume is *provisional* (observed without a digest) from before it is made until every container that used the
  old one has been replaced and has proved itself on the new one; then it is settled, for good;
* the old volume is never written to by this, and is kept until its removal is approved.

While it is provisional, the old volume has the say as long as a container on it runs, or none is on the new one: the
copy is made again. Once the old ones are stopped and new ones are there, they are carried on with. When both run, two
truths exist, which a person has to sort out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from trimtab.model.application import Moved
from trimtab.model.change import Change, Disruption, Order, Reason, Verb
from trimtab.model.desired import DesiredState, Resource
from trimtab.model.keys import Kind, ResourceKey
from trimtab.model.observed import Live, ObservedState, RunState

KINDS: Mapping[str, Kind] = {"Service": Kind.CONTAINER, "Network": Kind.NETWORK, "Volume": Kind.VOLUME}
_UP = frozenset({RunState.RUNNING, RunState.RESTARTING, RunState.PAUSED})


class Mounting(Protocol):
    """The one thing that has to be known of a backend."""

    def volumes(self, live: Live) -> frozenset[str]:
        """Engine names of the volumes that a container mounts."""
        ...


def followed(desired: DesiredState, observed: ObservedState) -> ObservedState:
    """``observed`` under the keys that ``desired.moved`` gives; the very same object when it gives none."""
    live: dict[ResourceKey, tuple[Live, ...]] = {}
    for kind in KINDS.values():
        for new in sorted({key for key in desired.resources if key.kind is kind}):
            for old in _before(new, desired.moved):
                if old in desired.resources or not observed.live.get(old):
                    continue
                if not _done(desired.resources[new], observed.live.get(new, ())):
                    moved = tuple(replace(one, key=new, was=old) for one in observed.live[old])
                    live[old] = ()
                    live[new] = (*observed.live.get(new, ()), *moved)
                # Of a chain of renames only the nearest one that is there counts.
                break
    if not live:
        return observed
    merged = {**observed.live, **live}
    return replace(observed, live={key: merged[key] for key in sorted(merged) if merged[key]})


def _before(new: ResourceKey, moved: Iterable[Moved]) -> tuple[ResourceKey, ...]:
    """What ``new`` was called before, nearest first."""
    names, steps = [new.name], tuple(moved)
    for name in names:
        names += [
            m.from_name
            for m in steps
            if KINDS.get(m.kind) is new.kind and m.to_name == name and m.from_name not in names
        ]
    return tuple(replace(new, name=name) for name in names[1:])


def _done(want: Resource, lives: tuple[Live, ...]) -> bool:
    """Whether the move was carried out: the new one is there under its own name, and is whole."""
    if want.external:
        return True
    if want.key.kind is Kind.NETWORK:
        # The old one is removed, or kept for others' containers, as one of two of the same key.
        return False
    return any(
        live.name == want.name and (want.key.kind is Kind.CONTAINER or live.digest or live.adopted) for live in lives
    )


# -- volumes -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Users:
    """Containers of the application on the old and on the new volume."""

    old: tuple[Live, ...]
    new: tuple[Live, ...]

    @property
    def old_run(self) -> bool:
        return any(live.running.status in _UP for live in self.old)

    @property
    def new_run(self) -> bool:
        return any(live.running.status in _UP for live in self.new)


def _users(source: Live, name: str, observed: ObservedState, dialect: Mounting) -> _Users:
    containers = [one for key, ones in sorted(observed.live.items()) if key.kind is Kind.CONTAINER for one in ones]
    return _Users(
        old=tuple(one for one in containers if source.name in dialect.volumes(one)),
        new=tuple(one for one in containers if name in dialect.volumes(one)),
    )


def volume(want: Resource, lives: tuple[Live, ...], observed: ObservedState, dialect: Mounting) -> Change | None:
    """What a volume needs that takes over another's data, or whose taking over was cut off; None if it is neither."""
    provisional = next((live for live in lives if live.name == want.name and not (live.digest or live.adopted)), None)
    sources = [live for live in lives if live.was is not None and live.name != want.name]
    whole = any(live.name == want.name and (live.digest or live.adopted) for live in lives)
    if want.key.kind is not Kind.VOLUME or whole or not (provisional or sources):
        return None
    base = Change(
        verb=Verb.KEEP, key=want.key, name=want.name, reason=Reason.UNFINISHED, after=want, origin=want.origin("")
    )
    if not sources:
        return replace(
            base,
            before=provisional,
            detail="it is an unfinished copy, and the volume that it was copied from is gone",
        )
    source = min(sources, key=lambda live: live.name)
    base = replace(base, source=source)
    holder = observed.foreign.get((Kind.VOLUME, want.name))
    if holder and provisional is None:
        return replace(
            base, reason=Reason.NAME_TAKEN, detail=f"the name is taken by {holder[:12]}, which is not ours", source=None
        )
    if source.endpoints:
        return replace(base, detail=f"{', '.join(source.endpoints)} of others uses {source.name}, and may write to it")
    users = _users(source, want.name, observed, dialect)
    if provisional is not None and users.old_run and users.new_run:
        return replace(base, before=provisional, detail=_two_truths(source, users))
    kept = f"{source.name} is kept until its removal is approved"
    if provisional is not None and users.new and not users.old_run:
        detail = f"has the data of {source.name}; finishes the switch to it; {kept}"
        return replace(base, verb=Verb.UPDATE, before=provisional, detail=detail)
    return replace(
        base,
        verb=Verb.CREATE,
        reason=Reason.MOVED,
        detail=f"takes over the data of {source.name}: copied and verified while nothing runs on it; {kept}",
    )


def _two_truths(source: Live, users: _Users) -> str:
    old = next(live.name for live in users.old if live.running.status in _UP)
    new = next(live.name for live in users.new if live.running.status in _UP)
    return f"its data was moved from {source.name}, and now {old} runs on the old one while {new} runs on the new one"


def exclusive(changes: dict[ResourceKey, Change], observed: ObservedState, dialect: Mounting) -> None:
    """Containers on a volume that is copied stop before; one that this plan does not stop forbids the copy."""
    for key, change in sorted(changes.items()):
        if change.source is None or not change.acts:
            continue
        users = _users(change.source, change.name, observed, dialect)
        if why := _cannot_be_together(changes, change, users):
            changes[key] = replace(change, verb=Verb.KEEP, reason=Reason.UNFINISHED, detail=why)
            continue
        for live in users.old:
            own = changes.get(live.key)
            if (leader := _followed_user(own, users)) is not None:
                detail = f"{live.name} and {leader.name}, whose namespace it shares, both use {change.source.name}"
                changes[key] = replace(change, verb=Verb.KEEP, reason=Reason.UNFINISHED, detail=detail)
                break
            if own is not None and own.verb is Verb.REPLACE and own.before == live:
                changes[live.key] = _stops_first(own, change)
            elif live.running.status in _UP and (own is None or own.verb is not Verb.DELETE):
                detail = f"{live.name} uses {change.source.name} and is not replaced or removed by this plan"
                changes[key] = replace(change, verb=Verb.KEEP, reason=Reason.UNFINISHED, detail=detail)
                break


def _cannot_be_together(changes: Mapping[ResourceKey, Change], change: Change, users: _Users) -> str:
    """Why those who use the volume cannot all stop, and start on the new one, at one time; "" if they can."""
    for other in changes.values():
        if other.verb is Verb.RUN and other.after is not None and any(n.key == change.key for n in other.after.needs):
            return f"{other.key.name}, which runs in a sync, uses it; leave that out while the volume is renamed"
    replaced = [changes[live.key] for live in users.old if live.key in changes]
    waves = {own.after.traits.get("wave") or 0 for own in replaced if own.after is not None}
    return "the services that use it are in different waves, and have to change over at once" if len(waves) > 1 else ""


def _followed_user(own: Change | None, users: _Users) -> Live | None:
    """Another user of the volume whose replacement must be over before this one's begins: no switch of both at once."""
    needs = own.after.needs if own is not None and own.after is not None else ()
    followed_keys = {(need.key.kind, need.key.name) for need in needs if need.follows}
    return next((live for live in users.old if (live.key.kind, live.key.name) in followed_keys), None)


def _stops_first(own: Change, change: Change) -> Change:
    staged, extras = own.staged, own.extras
    if change.verb is Verb.CREATE and staged is not None:
        # It is on a copy that is made again.
        extras, staged = (*extras, staged), None
    return replace(
        own,
        order=Order.STOP_FIRST,
        order_reason=f"the data of {change.source.name if change.source else ''} is moved",
        disruption=Disruption.REPLACE,
        staged=staged,
        extras=extras,
    )


def going_back(
    changes: dict[ResourceKey, Change], desired: DesiredState, observed: ObservedState, dialect: Mounting
) -> None:
    """A container that goes from a volume back to the one whose data it took over loses what was written since."""
    wanted = {resource.name for resource in desired.of_kind(Kind.VOLUME)}
    back = {
        live.name: live.copied_from
        for key, lives in observed.live.items()
        if key.kind is Kind.VOLUME
        for live in lives
        if live.name not in wanted and live.digest and live.copied_from in wanted
    }
    for key, change in sorted(changes.items()) if back else ():
        if key.kind is not Kind.CONTAINER or change.before is None or change.verb is not Verb.REPLACE:
            continue
        for name in sorted(dialect.volumes(change.before) & set(back)):
            detail = f"goes back to {back[name]} as it was before its data was moved to {name}"
            changes[key] = replace(change, loses_data=True, detail=detail)
