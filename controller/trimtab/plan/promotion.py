"""Services whose new containers wait beside the old ones until a person says so: ``promote: manual``. Pure.

Nothing is remembered but the approval. What is on the engine says how far it is: new ones that are missing, not
started or not proved are made and proved (``Promotion.STAGE``); when all of a service's are there and well, they wait
under an id that means these very containers; with that id approved, the ordinary replacement follows, which finds them
there. Once one of a service's containers serves what is wanted, the rest follows without another approval.

What goes in the same state of Git (services, networks, replicas) goes with the promotion: the old version, which may
need it, still serves. What cannot be there twice cannot be staged; then the plan as a whole waits (``AT_ONCE``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from trimtab.model.application import HookPhase
from trimtab.model.change import Change, Disruption, FieldChange, Order, Promotion, Reason, Verb
from trimtab.model.desired import DesiredState, Resource
from trimtab.model.diagnostics import Diagnostic, Origin, Severity
from trimtab.model.keys import Kind, ResourceKey
from trimtab.model.observed import Live, ObservedState, Probe, RunState
from trimtab.model.plan import Decision, Verdict
from trimtab.model.rollout import Traffic
from trimtab.plan import moves
from trimtab.plan.canonical import digest

# As much of an id as people are shown; the store accepts no shorter one.
SHOWN = 12
_WAITS = frozenset({Reason.AWAITS_PROMOTION, Reason.NOT_PROMOTABLE})


class Chosen(Protocol):
    """The one in service, and a new one beside it."""

    @property
    def current(self) -> Live:
        """The one in service."""
        ...

    @property
    def staged(self) -> Live | None:
        """The new one."""
        ...


class Judge(Protocol):
    """What a backend knows of its containers."""

    def select(self, want: Resource | None, lives: tuple[Live, ...], observed: ObservedState) -> Chosen:
        """Choose among live objects of one key."""
        ...

    def state_change(self, want: Resource, live: Live) -> FieldChange | None:
        """What is wrong with how it runs, if it should run."""
        ...


def by_hand(want: Resource | None) -> bool:
    """Whether a service's new containers wait for a person."""
    traffic = want.traits.get("traffic") if want is not None else None
    return isinstance(traffic, Traffic) and traffic.by_hand


def promotion_id(desired: DesiredState, target: str, service: str, staged: Iterable[Live]) -> str:
    """What a person approves when these very containers may take over."""
    return digest(
        {
            "app": str(desired.app),
            "target": target,
            "promote": service,
            "staged": sorted([str(live.key), live.handle] for live in staged),
        }
    )


def candidates(desired: DesiredState, observed: ObservedState, judge: Judge) -> frozenset[str]:
    """Every id under which a promotion could be approved now."""
    staged: dict[str, list[Live]] = {}
    arrived: dict[str, list[Live]] = {}
    if not any(by_hand(want) for want in desired.of_kind(Kind.CONTAINER)):
        return frozenset()
    observed = moves.followed(desired, observed)
    for want in desired.of_kind(Kind.CONTAINER):
        lives = observed.live.get(want.key, ())
        if not lives or not by_hand(want):
            continue
        chosen = judge.select(want, lives, observed)
        if chosen.staged is not None:
            staged.setdefault(want.key.name, []).append(chosen.staged)
        elif chosen.current.name != want.name:
            arrived.setdefault(want.key.name, []).append(chosen.current)
    return frozenset(
        promotion_id(desired, observed.target, name, found)
        for name, new in staged.items()
        for found in (new, [*new, *arrived.get(name, ())])
    )


def withhold(
    changes: dict[ResourceKey, Change],
    desired: DesiredState,
    observed: ObservedState,
    judge: Judge,
    approved: frozenset[str],
) -> None:
    """Turn replacements that wait for a person into what may be done before, and keep back all that goes with them."""
    held: set[str] = set()
    for service in sorted({want.key.name for want in desired.of_kind(Kind.CONTAINER) if by_hand(want)}):
        own = [change for key, change in sorted(changes.items()) if key.kind is Kind.CONTAINER and key.name == service]
        replaced = [change for change in own if change.verb is Verb.REPLACE]
        arrived = [change for change in own if _arrived(change)]
        if not replaced or _under_way(service, [*replaced, *arrived], desired, observed):
            continue
        if why := _alone(replaced, changes, observed):
            if all(_serves(change.before) for change in replaced):
                for change in replaced:
                    changes[change.key] = replace(change, promotion=Promotion.AT_ONCE, detail=why)
        elif not _decide(changes, service, replaced, arrived, desired, observed.target, judge, approved):
            held.add(service)
            for change in own:
                if change.verb in {Verb.CREATE, Verb.DELETE}:
                    changes[change.key] = _kept(change, f"comes with the promotion of {service}")
    if held:
        _go_with(changes, held)


def _decide(  # noqa: PLR0917 - the stage's inputs, passed through
    changes: dict[ResourceKey, Change],
    service: str,
    replaced: Sequence[Change],
    arrived: Sequence[Change],
    desired: DesiredState,
    target: str,
    judge: Judge,
    approved: frozenset[str],
) -> bool:
    """Say of each replacement what becomes of it now; whether the service is promoted."""
    staged = [change.staged for change in replaced if change.staged is not None and _well(change.staged)]
    complete = len(staged) == len(replaced) and not any(_stopped(change, judge) for change in replaced)
    new = [*staged, *(change.before for change in arrived if change.before is not None)]
    name = promotion_id(desired, target, service, new) if complete else ""
    if name and name in approved:
        for change in replaced:
            changes[change.key] = replace(change, approval=name)
        return True
    waits = f"waits for promotion: trimtab approve {desired.app} {name[:SHOWN]}" if name else ""
    for change in arrived:
        changes[change.key] = _kept(change, f"its old one is gone; {waits or 'waits for the others'}")
    for change in replaced:
        beside = change.staged
        if beside is not None and _well(beside) and not _stopped(change, judge):
            detail = f"its new one runs well beside it; {waits or 'waits for the others'}"
            changes[change.key] = replace(_kept(change, detail), approval=name)
        elif beside is not None and (ill := _ill(change, beside, judge)):
            detail = f"its new one, {beside.name}, {ill}: it cannot be promoted"
            changes[change.key] = replace(_kept(change, detail), reason=Reason.NOT_PROMOTABLE)
        else:
            changes[change.key] = replace(change, promotion=Promotion.STAGE, disruption=Disruption.NONE)
    return False


def _arrived(change: Change) -> bool:
    """Whether it is a new one that lost its old one before it got its name: nobody said that it may."""
    live = change.before
    return change.verb is Verb.UPDATE and live is not None and live.name != change.name and not live.adopted


def _under_way(service: str, others: Iterable[Change], desired: DesiredState, observed: ObservedState) -> bool:
    """Whether one of its containers serves what is wanted, by its name: it was promoted, or others were disturbed."""
    keys = {want.key for want in desired.of_kind(Kind.CONTAINER) if want.key.name == service}
    return bool({key for key in keys if key in observed.live} - {change.key for change in others})


def _alone(replaced: Iterable[Change], changes: Mapping[ResourceKey, Change], observed: ObservedState) -> str:
    """Why old and new cannot be there at one time; "" when they can."""
    for change in replaced:
        if change.order is Order.STOP_FIRST:
            return f"it cannot be there twice: {change.order_reason}"
        if observed.own is not None and change.before is not None and change.before.handle == observed.own.handle:
            return "it is this controller"
        for need in change.after.needs if change.after is not None else ():
            other = changes.get(need.key)
            renewed = other is not None and (other.verb is Verb.REPLACE or (other.verb is Verb.CREATE and other.extras))
            if need.key.kind is Kind.NETWORK and renewed:
                return f"its network {need.key.name} is made anew"
            if other is not None and other.source is not None and other.acts:
                return f"its volume {need.key.name} takes over another's data"
    return ""


def _go_with(changes: dict[ResourceKey, Change], held: set[str]) -> None:
    """Keep back what shares something with a service that waits, and everything that would go."""
    todo = True
    while todo:
        todo = False
        for key, change in sorted(changes.items()):
            needs = change.after.needs if change.after is not None else ()
            parents = [n.key.name for n in needs if n.key.name in held and (n.follows or n.restarts)]
            if change.acts and key.kind is Kind.CONTAINER and key.name not in held and parents:
                changes[key] = _kept(change, f"comes with the promotion of {parents[0]}")
                held.add(key.name)
                todo = True
    for key, change in sorted(changes.items()):
        if change.verb is Verb.DELETE:
            waits = f"goes when {', '.join(sorted(held))} is promoted"
            changes[key] = replace(_kept(change, f"{change.detail}; {waits}" if change.detail else waits), leaves=())


def _kept(change: Change, detail: str) -> Change:
    return replace(
        change,
        verb=Verb.KEEP,
        reason=Reason.AWAITS_PROMOTION,
        detail=detail,
        approval="",
        disruption=Disruption.NONE,
        loses_data=False,
    )


def _serves(live: Live | None) -> bool:
    return live is not None and live.running.status in {RunState.RUNNING, RunState.RESTARTING, RunState.PAUSED}


def _well(live: Live) -> bool:
    running = live.running
    finished = running.status is RunState.EXITED and running.exit_code == 0 and running.stopped_by_request is None
    return finished or (running.status is RunState.RUNNING and running.probe not in {Probe.STARTING, Probe.UNHEALTHY})


def _stopped(change: Change, judge: Judge) -> bool:
    """Whether the old one, which has to serve until the promotion, has to be started."""
    old, want = change.before, change.after
    if old is None or want is None or old.running.status not in {RunState.EXITED, RunState.CREATED}:
        return False
    return judge.state_change(want, old) is not None


def _ill(change: Change, new: Live, judge: Judge) -> str:
    """What is wrong with a new one that starting it would not mend; "" if starting, or waiting, may."""
    running = new.running
    if running.status is RunState.RUNNING:
        return "is unhealthy" if running.probe is Probe.UNHEALTHY else ""
    startable = running.status in {RunState.EXITED, RunState.CREATED}
    if startable and change.after is not None and judge.state_change(change.after, new) is not None:
        return ""
    code = f" with {running.exit_code}" if running.status is RunState.EXITED else ""
    return f"is {running.status.value}{code}"


# -- what follows from it --------------------------------------------------------------------------------------------


def waits(changes: Iterable[Change]) -> bool:
    """Whether carrying these changes out would leave something for a person to promote."""
    return any(change.promotion is Promotion.STAGE or change.reason in _WAITS for change in changes)


def runs_meanwhile(runs: Iterable[Change], changes: Iterable[Change]) -> tuple[Change, ...]:
    """The runs of a sync that stops half-way: none that comes after it, and none of its own is tidied up."""
    if not waits(changes):
        return tuple(runs)
    found = []
    for run in runs:
        if run.verb is Verb.RUN and run.after is not None:
            if run.after.traits.get("phase") != HookPhase.POST_SYNC:
                # It is what says that it was run, until the sync is at its end.
                found.append(replace(run, after=replace(run.after, traits={**run.after.traits, "tidy": False})))
        elif run.reason is not Reason.UNUSED:
            found.append(run)
    return tuple(found)


def at_once(changes: Iterable[Change], place: Origin, approval: str) -> list[Diagnostic]:
    """Promotions that cannot be prepared, so that the plan as a whole waits for its approval."""
    return [
        Diagnostic(
            severity=Severity.ERROR,
            code="TT3206",
            message=f"{change.name} is promoted by hand, and nothing of it can be prepared ({change.detail})",
            origin=change.origin or place,
            hint=f"approve this plan: {approval}",
        )
        for change in changes
        if change.promotion is Promotion.AT_ONCE
    ]


def verdict(changes: Sequence[Change], place: Origin) -> Verdict | None:
    """The hold of a plan of which nothing is left but what waits for a person; None if there is something to do."""
    waiting = [change for change in changes if change.reason in _WAITS and change.staged is not None]
    if not waiting or any(change.acts for change in changes):
        return None
    ids = sorted({change.approval for change in waiting if change.approval})
    ill = [change for change in waiting if change.reason is Reason.NOT_PROMOTABLE]
    app = waiting[0].key.app
    found = [
        Diagnostic(
            severity=Severity.WARNING,
            code="TT3208",
            message=f"{change.name}: {change.detail}",
            origin=change.origin or place,
            hint="a commit replaces it; when it is healthy again it may be promoted",
        )
        for change in ill
    ]
    names = ", ".join(change.name for change in waiting if change.approval)
    if ids:
        commands = " and ".join(f"trimtab approve {app} {name[:SHOWN]}" for name in ids)
        said = f"promotion: {commands}"
        found.append(
            Diagnostic(
                severity=Severity.WARNING,
                code="TT3207",
                message=f"{names}: the new ones run well beside those that serve; waits for {said}",
                origin=place,
            )
        )
    else:
        said = "promotion, which is not possible now: " + "; ".join(d.message for d in found)
    return Verdict(decision=Decision.HOLD, diagnostics=tuple(found), waits_for=said)


def reason_of(found: Verdict) -> str:
    """What a status says of such a hold; "" of any other."""
    return f"waits for {found.waits_for}" if found.waits_for.startswith("promotion") else ""
