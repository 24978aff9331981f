"""Stage 6: what has to change, and why. Pure; no backend's details, which a Dialect answers.

Every object gets a Change only if something happens to it, or if a person might expect something
to happen and it does not (KEEP).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from trimtab.model.application import IgnoreDifference
from trimtab.model.change import Change, Disruption, FieldChange, Order, Reason, Verb
from trimtab.model.desired import DesiredState, Resource
from trimtab.model.keys import RUNS, Kind, ResourceKey
from trimtab.model.observed import Live, ObservedState
from trimtab.plan import moves, promotion, removals
from trimtab.plan.drift import DriftOptions, settle
from trimtab.plan.guards import data as guard_data
from trimtab.plan.outlived import follow_restarts
from trimtab.plan.runs import HookOptions, run_changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Of several live objects for one key: the one in service, a replacement under way, and the rest."""

    current: Live
    staged: Live | None = None
    extras: tuple[Live, ...] = ()


# Objects that only their engine name tells apart: another name is another object.
NAMED = frozenset({Kind.NETWORK, Kind.VOLUME})
# pull_policy values that ask for a newer image than the one that is there.
REFRESHING = ("always", "refresh", "daily", "weekly", "every_")


class Dialect(Protocol):
    """What a backend knows about its own objects; all pure."""

    def select(self, want: Resource | None, lives: tuple[Live, ...], observed: ObservedState) -> Selection:
        """Choose among live objects of one key, deterministically."""
        ...

    def compare(self, want: Resource, live: Live, observed: ObservedState) -> tuple[FieldChange, ...]:
        """Fields that differ."""
        ...

    def state_change(self, want: Resource, live: Live) -> FieldChange | None:
        """What is wrong with how it runs (stopped, paused), if it should run."""
        ...

    def order(self, want: Resource, live: Live, contested: frozenset[str]) -> tuple[Order, str]:
        """How it would be replaced, and why so; ``contested`` are exclusive claims that others in this plan make."""
        ...

    def claims(self, fields: Mapping[str, object]) -> frozenset[str]:
        """What only one object can hold at a time: published ports, fixed addresses."""
        ...

    def volumes(self, live: Live) -> frozenset[str]:
        """Engine names of the volumes that a container mounts."""
        ...

    def anonymous_volumes(self, live: Live) -> tuple[str, ...]:
        """Volumes without a name of their own that nothing would name any more without this container."""
        ...

    def recreatable(self, kind: Kind) -> bool:
        """Whether a differing object may be made anew: not a volume."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffOptions:
    """What the application allows; ``known`` are objects that were applied before.

    ``approved`` are ids of single changes that a person approved. ``drift`` says what is put right by itself; without
    it, as when a person asks, everything is. ``now`` tells times that can be believed from those of a wrong clock.
    """

    prune: bool = True
    ignore: tuple[IgnoreDifference, ...] = ()
    known: frozenset[ResourceKey] = frozenset()
    approved: frozenset[str] = frozenset()
    drift: DriftOptions | None = None
    now: datetime | None = None
    hooks: HookOptions = field(default_factory=HookOptions)


def diff(  # noqa: C901 - one line a case
    desired: DesiredState, observed: ObservedState, dialect: Dialect, options: DiffOptions
) -> tuple[Change, ...]:
    """Every change, in key order. ``options.known`` are keys that were applied before (a missing one is drift)."""
    changes: dict[ResourceKey, Change] = {}
    contested = _contested(desired, observed, dialect)
    moved = _moved(desired, observed)
    for key in sorted({*desired.resources, *observed.live} - set(moved.values())):
        want, lives = desired.resources.get(key), observed.live.get(moved.get(key, key), ())
        if key.kind in RUNS:
            found = None
        elif want is None:
            found = _unwanted(key, lives, desired, observed, dialect, options)
        elif key.kind is Kind.IMAGE:
            found = image_change(want, observed)
        elif want.external:
            found = None
        elif not lives:
            found = _missing(want, observed, options)
        elif (taking_over := moves.volume(want, lives, observed, dialect)) is not None:
            found = taking_over
        elif key.kind in NAMED and all(live.name != want.name for live in lives):
            found = _renamed(want, lives, observed, dialect, options)
        else:
            found = _existing(want, lives, observed, dialect, options, contested)
        if found is not None and (settled := settle(found, options.drift)) is not None:
            changes[key] = settled
    _follow(changes, desired, observed, dialect, contested)
    follow_restarts(changes, desired, observed, options.now, lambda change: settle(change, options.drift))
    promotion.withhold(changes, desired, observed, dialect, options.approved)
    acting = any(change.acts and key.kind is not Kind.IMAGE for key, change in changes.items())
    runs = run_changes(desired, observed, acting=acting, prune=options.prune, options=options.hooks)
    for run in promotion.runs_meanwhile(runs, tuple(changes.values())):
        changes[run.key] = run
    moves.exclusive(changes, observed, dialect)
    moves.going_back(changes, desired, observed, dialect)
    _needed_images(changes, desired)
    return tuple(changes[key] for key in sorted(changes))


def _moved(desired: DesiredState, observed: ObservedState) -> Mapping[ResourceKey, ResourceKey]:
    """Networks and volumes that the manifest calls otherwise now, and what it called them: their ``name:`` stayed."""
    left = {
        (key.kind, live.name): key
        for key, lives in observed.live.items()
        if key.kind in NAMED and key not in desired.resources
        for live in lives
    }
    return {
        key: left[key.kind, want.name]
        for key, want in desired.resources.items()
        if key not in observed.live and (key.kind, want.name) in left and not want.external
    }


def image_change(want: Resource, observed: ObservedState) -> Change | None:
    """What has to be done so that an image is on the engine; None when it is."""
    built, policy = bool(want.traits.get("built")), str(want.traits.get("pull_policy") or "")
    present = bool(observed.images.get(want.name))
    if present and not built and policy.startswith(REFRESHING):
        # Only for a container that is about to be created: a sync that has nothing to do asks no registry.
        return Change(
            verb=Verb.PULL,
            key=want.key,
            name=want.name,
            reason=Reason.IMAGE_CHANGED,
            detail=f"pull_policy is {policy}",
            after=want,
            origin=want.origin(""),
        )
    if present:
        return None
    if policy == "never" and not built:
        return Change(
            verb=Verb.KEEP,
            key=want.key,
            name=want.name,
            reason=Reason.IMAGE_ABSENT,
            detail="not on the engine, and pull_policy is never",
            after=want,
            origin=want.origin(""),
        )
    return Change(
        verb=Verb.BUILD if built else Verb.PULL,
        key=want.key,
        name=want.name,
        reason=Reason.SOURCES_CHANGED if built else Reason.IMAGE_ABSENT,
        detail=str(want.traits.get("sources") or "") if built else "not on the engine",
        after=want,
        origin=want.origin(""),
    )


def _missing(want: Resource, observed: ObservedState, options: DiffOptions) -> Change:
    holder = observed.foreign.get((want.key.kind if want.key.kind is not Kind.CONTENT else Kind.VOLUME, want.name))
    if holder:
        return Change(
            verb=Verb.KEEP,
            key=want.key,
            name=want.name,
            reason=Reason.NAME_TAKEN,
            detail=f"the name is taken by {holder[:12]}, which is not ours",
            after=want,
            origin=want.origin(""),
        )
    known = want.key in options.known
    return Change(
        verb=Verb.CREATE,
        key=want.key,
        name=want.name,
        reason=Reason.MISSING if known else Reason.NEW,
        detail="it is gone from the engine" if known else "",
        after=want,
        loses_data=False,
        origin=want.origin(""),
    )


def _renamed(
    want: Resource, lives: tuple[Live, ...], observed: ObservedState, dialect: Dialect, options: DiffOptions
) -> Change:
    """Another engine name is another object. The old network goes when nobody uses it, an old volume never."""
    change = _missing(want, observed, options)
    before = ", ".join(live.name for live in lives)
    if not change.acts:
        return change
    if want.key.kind is Kind.VOLUME:
        return replace(change, reason=Reason.NEW, detail=f"its name was {before}, which is kept with its data")
    moved = any(live.was is not None for live in lives)
    reason, old = Reason.MOVED if moved else Reason.SPEC_CHANGED, lives[0]
    change = replace(change, reason=reason, detail=f"its name was {before}")
    if old.endpoints or not dialect.claims(want.spec) & dialect.claims(old.fields):
        return replace(change, extras=lives)
    # Both want the same addresses: the old one has to go before the new one can be made.
    return replace(change, verb=Verb.REPLACE, before=old, extras=lives[1:], disruption=Disruption.RESTART)


def _existing(  # noqa: PLR0917 - the stage's inputs, passed through
    want: Resource,
    lives: tuple[Live, ...],
    observed: ObservedState,
    dialect: Dialect,
    options: DiffOptions,
    contested: Mapping[ResourceKey, frozenset[str]],
) -> Change | None:
    chosen = dialect.select(want, lives, observed)
    live = chosen.current
    all_fields = dialect.compare(want, live, observed)
    fields = tuple(field for field in all_fields if not _ignored(want, field, options.ignore))
    state = dialect.state_change(want, live)
    reason = Reason.DRIFT if want.digest == live.digest else Reason.SPEC_CHANGED
    base = Change(
        verb=Verb.UPDATE,
        key=want.key,
        name=want.name,
        reason=reason if live.was is None else Reason.MOVED,
        detail=f"was service {live.was.name}" if live.was is not None and want.key.kind is Kind.CONTAINER else "",
        before=live,
        after=want,
        staged=chosen.staged,
        extras=chosen.extras,
        fields=fields,
        origin=fields[0].origin if fields and fields[0].origin else want.origin(""),
    )
    if chosen.staged is not None or any(not field.in_place for field in fields):
        return _replaced(base, want, live, dialect, contested.get(want.key, frozenset()))
    if fields:
        return replace(
            base,
            fields=(*fields, *((state,) if state else ())),
            disruption=Disruption.RESTART if state else Disruption.NONE,
        )
    if state is not None:
        return replace(
            base, reason=Reason.STOPPED, fields=(state,), detail=str(state.before), disruption=Disruption.RESTART
        )
    if live.name != want.name and want.key.kind is Kind.CONTAINER:
        name = FieldChange(path="/Name", attribute="name", before=live.name, after=want.name, in_place=True)
        return replace(base, reason=Reason.RENAMED if live.adopted else Reason.UNFINISHED, fields=(name,))
    if chosen.extras and want.key.kind in NAMED:
        busy = [extra for extra in chosen.extras if extra.endpoints or want.key.kind is Kind.VOLUME]
        if busy:
            detail = f"{', '.join(extra.name for extra in busy)}, as it was named before, is kept"
            return replace(base, verb=Verb.KEEP, reason=Reason.PROTECTED, detail=detail)
    if chosen.extras:
        return replace(base, reason=Reason.DUPLICATE, detail=f"{len(chosen.extras)} more of it than wanted")
    return None


def _replaced(base: Change, want: Resource, live: Live, dialect: Dialect, contested: frozenset[str]) -> Change:
    """What cannot be changed in place is made anew, unless that would cost what is not ours to spend."""
    forced = tuple(field for field in base.fields if not field.in_place)
    if not dialect.recreatable(want.key.kind):
        if guard_data.only_labels(base.fields):
            detail = "only its labels differ, which cannot be changed on a volume that is there; it stays as it is"
            return replace(base, verb=Verb.KEEP, reason=Reason.IGNORED, detail=detail)
        detail = f"{guard_data.differences(forced)}: applying that would delete its data, so a person has to decide"
        return replace(base, verb=Verb.KEEP, reason=Reason.IMMUTABLE_DATA, detail=detail)
    order, why = dialect.order(want, live, contested)
    if want.key.kind is Kind.CONTENT:
        return replace(base, verb=Verb.REPLACE, reason=Reason.UNFINISHED)
    if live.endpoints:
        detail = f"its definition differs, but others are attached to it: {', '.join(live.endpoints)}"
        return replace(base, verb=Verb.KEEP, detail=detail)
    if want.key.kind is not Kind.CONTAINER:
        return replace(base, verb=Verb.REPLACE, disruption=Disruption.RESTART)
    image_only = all(field.path in {"/Config/Image", "/Image"} for field in forced) and bool(forced)
    return replace(
        base,
        verb=Verb.REPLACE,
        reason=Reason.IMAGE_CHANGED if image_only else Reason.UNFINISHED if not forced else base.reason,
        order=order,
        order_reason=why,
        disruption=Disruption.ROLLING if order is Order.START_FIRST else Disruption.REPLACE,
    )


def _ignored(want: Resource, field: FieldChange, rules: Iterable[IgnoreDifference]) -> bool:
    return any(
        rule.kind.lower() == want.key.kind.value
        and rule.name in {"", want.key.name, want.name}
        and any(
            field.path == pointer or field.path.startswith(pointer.rstrip("/") + "/") for pointer in rule.json_pointers
        )
        for rule in rules
    )


def _unwanted(  # noqa: PLR0917 - the stage's inputs, passed through
    key: ResourceKey,
    lives: tuple[Live, ...],
    desired: DesiredState,
    observed: ObservedState,
    dialect: Dialect,
    options: DiffOptions,
) -> Change | None:
    if not lives or key.kind is Kind.IMAGE:
        return None
    chosen = dialect.select(None, lives, observed)
    scaled = key.kind is Kind.CONTAINER and any(k.kind is key.kind and k.name == key.name for k in desired.resources)
    since = f"since {desired.revision[:7]}" if desired.revision else ""
    extras = (*((chosen.staged,) if chosen.staged else ()), *chosen.extras)
    change = Change(
        verb=Verb.DELETE,
        key=key,
        name=chosen.current.name,
        reason=Reason.SCALED_DOWN if scaled else Reason.NOT_IN_GIT,
        detail="more replicas than wanted" if scaled else f"no longer in Git {since}".strip(),
        before=chosen.current,
        extras=extras,
        disruption=Disruption.REPLACE if key.kind is Kind.CONTAINER else Disruption.NONE,
        leaves=tuple(sorted({name for live in (chosen.current, *extras) for name in dialect.anonymous_volumes(live)})),
    )
    if key.kind is Kind.VOLUME:
        return removals.orphan(key, chosen.current, desired, observed.target, options.approved)
    if key.kind is Kind.CONTENT:
        return replace(change, reason=Reason.UNUSED, detail="nothing mounts these files any more")
    if not options.prune:
        detail = f"{change.detail}; prune is off"
        return replace(change, verb=Verb.KEEP, detail=detail, disruption=Disruption.NONE, leaves=())
    if key.kind is Kind.NETWORK and chosen.current.endpoints:
        others = ", ".join(chosen.current.endpoints)
        return replace(
            change,
            verb=Verb.KEEP,
            reason=Reason.PROTECTED,
            detail=f"no longer in Git, but others are attached: {others}",
        )
    return change


def _contested(
    desired: DesiredState, observed: ObservedState, dialect: Dialect
) -> Mapping[ResourceKey, frozenset[str]]:
    """For each container: the claims it holds now that another wants, so that it has to let go first."""
    wanted: dict[str, set[ResourceKey]] = {}
    for resource in desired.of_kind(Kind.CONTAINER):
        for claim in dialect.claims(resource.spec):
            wanted.setdefault(claim, set()).add(resource.key)
    result: dict[ResourceKey, frozenset[str]] = {}
    for key, lives in observed.live.items():
        if key.kind is Kind.CONTAINER:
            held = {claim for live in lives for claim in dialect.claims(live.fields)}
            result[key] = frozenset(claim for claim in held if wanted.get(claim, set()) - {key})
    return result


def _follow(
    changes: dict[ResourceKey, Change],
    desired: DesiredState,
    observed: ObservedState,
    dialect: Dialect,
    contested: Mapping[ResourceKey, frozenset[str]],
) -> None:
    """Carry replacements on to what holds the replaced one's namespace, mounts or network, until nothing new comes."""
    todo = True
    while todo:
        todo = False
        renewed = {
            ResourceKey(key.app, key.kind, key.name, 0)
            for key, change in changes.items()
            if change.verb in {Verb.REPLACE, Verb.CREATE}
        }
        for want in desired.of_kind(Kind.CONTAINER):
            change, lives = changes.get(want.key), observed.live.get(want.key, ())
            if not lives or (change is not None and change.verb in {Verb.REPLACE, Verb.CREATE}):
                continue
            follows = [need for need in want.needs if need.follows and need.key in renewed]
            restarts = [need for need in want.needs if need.restarts and need.key in renewed]
            rejoins = [
                need
                for need in want.needs
                if need.key.kind is Kind.NETWORK and need.key in changes and changes[need.key].verb is Verb.REPLACE
            ]
            selection = dialect.select(want, lives, observed)
            base = change or Change(
                verb=Verb.UPDATE,
                key=want.key,
                name=want.name,
                reason=Reason.DRIFT,
                before=selection.current,
                after=want,
                staged=selection.staged,
                extras=selection.extras,
                origin=want.origin(""),
            )
            if follows:
                order, why = dialect.order(want, selection.current, contested.get(want.key, frozenset()))
                changes[want.key] = replace(
                    base,
                    verb=Verb.REPLACE,
                    reason=Reason.PARENT_REPLACED,
                    order=order,
                    order_reason=why,
                    detail=f"it shares what belongs to {follows[0].key.name}, which is replaced",
                    disruption=Disruption.ROLLING if order is Order.START_FIRST else Disruption.REPLACE,
                )
                todo = True
            elif rejoins and base.reason is not Reason.NETWORK_REPLACED:
                changes[want.key] = replace(
                    base,
                    # Also one that is otherwise left as it is needs a network.
                    verb=Verb.UPDATE if base.verb is Verb.KEEP else base.verb,
                    reason=Reason.NETWORK_REPLACED,
                    disruption=max(base.disruption, Disruption.RESTART),
                    detail=f"its network {rejoins[0].key.name} is made anew",
                )
                todo = True
            elif restarts and base.verb is Verb.UPDATE and base.disruption is Disruption.NONE:
                changes[want.key] = replace(
                    base,
                    reason=Reason.DEPENDENCY_REPLACED,
                    disruption=Disruption.RESTART,
                    detail=f"{restarts[0].key.name}, which it depends on, is replaced",
                )
                todo = True


def _needed_images(changes: dict[ResourceKey, Change], desired: DesiredState) -> None:
    """An image is fetched or built only for a container that is about to be created from it."""
    using = {
        need.key
        for key, change in changes.items()
        if key.kind is Kind.CONTAINER and change.verb in {Verb.CREATE, Verb.REPLACE}
        for need in (desired.resources[key].needs if key in desired.resources else ())
    }
    using |= {n.key for c in changes.values() if c.verb is Verb.RUN and c.after is not None for n in c.after.needs}
    # A job finds its image ready at its hour; that one is not fetched anew before.
    scheduled = {need.key for job in desired.jobs for need in job.resource.needs}
    using |= {key for key in scheduled if key in changes and changes[key].reason is not Reason.IMAGE_CHANGED}
    for key in [key for key in changes if key.kind is Kind.IMAGE and key not in using]:
        del changes[key]
