"""Rules that refuse a plan: what would fail, whoever says yes to it. Pure."""

from __future__ import annotations

from trimtab.model.change import Change, Reason, Verb
from trimtab.model.desired import DesiredState, Resource
from trimtab.model.diagnostics import Diagnostic, Origin, Severity
from trimtab.model.keys import Kind
from trimtab.plan.guards import data
from trimtab.plan.guards.disowned import disowned
from trimtab.plan.guards.inputs import GuardInputs, problem


def refusals(changes: tuple[Change, ...], inputs: GuardInputs) -> list[Diagnostic]:
    """Every reason why these changes cannot be carried out as things are."""
    return [
        *_invalid(inputs.desired),
        *_names_taken(changes),
        *_never_pulled(changes),
        *_missing_externals(inputs),
        *data.unmovable(changes),
        *disowned(changes, inputs),
        *inputs.findings,
    ]


def _invalid(desired: DesiredState) -> list[Diagnostic]:
    return [d for d in desired.diagnostics if d.severity is Severity.ERROR]


def _names_taken(changes: tuple[Change, ...]) -> list[Diagnostic]:
    return [
        problem(
            "TT3010",
            f"{change.key.kind} {change.name} cannot be {'renamed' if change.before else 'created'}: {change.detail}",
            change.origin or Origin(str(change.key)),
            f"rename, remove or 'trimtab adopt' the other {change.key.kind}, or {_instead(change)}",
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
        problem(
            "TT3012",
            f"image {change.name} is {change.detail}",
            change.origin or Origin(str(change.key)),
            "load or build it on the engine, or allow it to be pulled",
        )
        for change in changes
        if change.verb is Verb.KEEP and change.reason is Reason.IMAGE_ABSENT
    ]


def _missing_externals(inputs: GuardInputs) -> list[Diagnostic]:
    present = {(live.key.kind, live.name) for lives in inputs.observed.live.values() for live in lives}

    def missing(resource: Resource) -> bool:
        name = (resource.key.kind, resource.name)
        return resource.external and name not in present and name not in inputs.observed.foreign

    return [
        problem(
            "TT3011",
            f"{resource.key.kind} {resource.name} is external, and is not on the engine",
            resource.origin("") or inputs.place,
            f"create it with 'docker {resource.key.kind} create {resource.name}', or drop 'external'",
        )
        for key, resource in sorted(inputs.desired.resources.items())
        if key.kind in {Kind.NETWORK, Kind.VOLUME} and missing(resource)
    ]
