"""Stage 7: whether a plan may be carried out now. Pure; what a person must decide is held, never guessed."""

from __future__ import annotations

from dataclasses import dataclass

from trimtab.model.application import Application
from trimtab.model.change import Change, Reason, Verb
from trimtab.model.desired import DesiredState, Resource
from trimtab.model.diagnostics import Diagnostic, Origin, Severity
from trimtab.model.keys import Kind
from trimtab.model.observed import ObservedState
from trimtab.model.plan import Decision, Verdict

# A prune of more than half of an application's objects, and more than 3, is held.
PRUNE_SHARE = 0.5
PRUNE_COUNT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardInputs:
    """What a verdict depends on beside the changes. ``approved``: plan ids that a person approved."""

    app: Application | None
    desired: DesiredState
    observed: ObservedState
    plan_id: str
    approved: frozenset[str] = frozenset()


def guard(changes: tuple[Change, ...], inputs: GuardInputs) -> Verdict:
    """Go, hold or deny, with every reason."""
    denied = [*_invalid(inputs.desired), *_names_taken(changes), *_never_pulled(changes), *_missing_externals(inputs)]
    if denied:
        return Verdict(decision=Decision.DENY, diagnostics=tuple(denied))
    held = [*_wipe(changes, inputs), *_mass_prune(changes, inputs), *_data_loss(changes, inputs)]
    if held and inputs.plan_id not in inputs.approved:
        return Verdict(decision=Decision.HOLD, diagnostics=tuple(held), waits_for="approval")
    return Verdict(decision=Decision.GO)


def _place(inputs: GuardInputs) -> Origin:
    return inputs.app.origin if inputs.app is not None else Origin(str(inputs.desired.app))


def _approval(inputs: GuardInputs) -> str:
    """The command that approves, as a person types it."""
    return f"trimtab approve {inputs.desired.app} {inputs.plan_id[:12]}"


def _invalid(desired: DesiredState) -> list[Diagnostic]:
    return [d for d in desired.diagnostics if d.severity is Severity.ERROR]


def _names_taken(changes: tuple[Change, ...]) -> list[Diagnostic]:
    return [
        Diagnostic(
            severity=Severity.ERROR,
            code="TT3010",
            message=f"{change.key.kind} {change.name} cannot be created: {change.detail}",
            origin=change.origin or Origin(str(change.key)),
            hint=f"rename, remove or 'trimtab adopt' the other {change.key.kind}, or {_instead(change)}",
        )
        for change in changes
        if change.reason is Reason.NAME_TAKEN
    ]


def _instead(change: Change) -> str:
    if change.key.kind is Kind.CONTAINER:
        return "give the service another container_name"
    return "declare it 'external: true' to use it as it is"


def _never_pulled(changes: tuple[Change, ...]) -> list[Diagnostic]:
    return [
        Diagnostic(
            severity=Severity.ERROR,
            code="TT3012",
            message=f"image {change.name} is {change.detail}",
            origin=change.origin or Origin(str(change.key)),
            hint="load or build it on the engine, or allow it to be pulled",
        )
        for change in changes
        if change.verb is Verb.KEEP and change.reason is Reason.IMAGE_ABSENT
    ]


def _missing_externals(inputs: GuardInputs) -> list[Diagnostic]:
    present = {(live.key.kind, live.name) for lives in inputs.observed.live.values() for live in lives}
    present |= set(inputs.observed.foreign)

    def missing(resource: Resource) -> bool:
        return resource.external and (resource.key.kind, resource.name) not in present

    return [
        Diagnostic(
            severity=Severity.ERROR,
            code="TT3011",
            message=f"{resource.key.kind} {resource.name} is external, and is not on the engine",
            origin=resource.origin("") or _place(inputs),
            hint=f"create it with 'docker {resource.key.kind} create {resource.name}', or drop 'external'",
        )
        for key, resource in sorted(inputs.desired.resources.items())
        if key.kind in {Kind.NETWORK, Kind.VOLUME} and missing(resource)
    ]


def _wipe(changes: tuple[Change, ...], inputs: GuardInputs) -> list[Diagnostic]:
    allowed = inputs.app is None or inputs.app.sync_policy.allow_empty
    wanted = inputs.desired.of_kind(Kind.CONTAINER)
    removed = [c for c in changes if c.verb is Verb.DELETE and c.key.kind is Kind.CONTAINER]
    if allowed or wanted or not removed:
        return []
    return [
        Diagnostic(
            severity=Severity.ERROR,
            code="TT3201",
            message=f"this would remove all {len(removed)} containers of {inputs.desired.app}, since Git asks for none",
            origin=_place(inputs),
            hint=f"set syncPolicy.automated.allowEmpty, or approve this plan: {_approval(inputs)}",
        )
    ]


def _mass_prune(changes: tuple[Change, ...], inputs: GuardInputs) -> list[Diagnostic]:
    removed = [
        c
        for c in changes
        if c.verb is Verb.DELETE and c.key.kind in {Kind.CONTAINER, Kind.NETWORK} and c.reason is Reason.NOT_IN_GIT
    ]
    have = sum(1 for key in inputs.observed.live if key.kind in {Kind.CONTAINER, Kind.NETWORK})
    if len(removed) <= PRUNE_COUNT or len(removed) <= have * PRUNE_SHARE:
        return []
    names = ", ".join(c.name for c in removed)
    return [
        Diagnostic(
            severity=Severity.ERROR,
            code="TT3202",
            message=f"this would remove {len(removed)} of {have} objects of {inputs.desired.app}: {names}",
            origin=_place(inputs),
            hint=f"if that is meant, approve this plan: {_approval(inputs)}",
        )
    ]


def _data_loss(changes: tuple[Change, ...], inputs: GuardInputs) -> list[Diagnostic]:
    return [
        Diagnostic(
            severity=Severity.ERROR,
            code="TT3203",
            message=f"{change.key.kind} {change.name} would lose its data",
            origin=change.origin or Origin(str(change.key)),
            hint=f"change the manifest, or approve this plan: {_approval(inputs)}",
        )
        for change in changes
        if change.loses_data and change.acts
    ]
