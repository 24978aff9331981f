"""Rules that hold a plan until a person approves it: what would take away more than was likely meant. Pure."""

from __future__ import annotations

from trimtab.model.change import Change, Reason, Verb
from trimtab.model.diagnostics import Diagnostic, Origin
from trimtab.model.keys import Kind
from trimtab.plan import promotion
from trimtab.plan.guards import data
from trimtab.plan.guards.inputs import GuardInputs, problem

# A prune of more than half of an application's objects, and more than 3, is held.
PRUNE_SHARE = 0.5
PRUNE_COUNT = 3


def holds(changes: tuple[Change, ...], inputs: GuardInputs) -> list[Diagnostic]:
    """Everything that a person has to approve."""
    return [
        *_wipe(changes, inputs),
        *_mass_prune(changes, inputs),
        *_data_loss(changes, inputs),
        *data.out_of_sight(changes, inputs.observed, inputs.approval),
        *promotion.at_once(changes, inputs.place, inputs.approval),
    ]


def _wipe(changes: tuple[Change, ...], inputs: GuardInputs) -> list[Diagnostic]:
    allowed = inputs.app is None or inputs.app.sync_policy.allow_empty
    wanted = inputs.desired.of_kind(Kind.CONTAINER)
    removed = [c for c in changes if c.verb is Verb.DELETE and c.key.kind is Kind.CONTAINER]
    if allowed or wanted or not removed:
        return []
    return [
        problem(
            "TT3201",
            f"this would remove all {len(removed)} containers of {inputs.desired.app}, since Git asks for none",
            inputs.place,
            f"set syncPolicy.automated.allowEmpty, or approve this plan: {inputs.approval}",
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
        problem(
            "TT3202",
            f"this would remove {len(removed)} of {have} objects of {inputs.desired.app}: {names}",
            inputs.place,
            f"if that is meant, approve this plan: {inputs.approval}",
        )
    ]


def _data_loss(changes: tuple[Change, ...], inputs: GuardInputs) -> list[Diagnostic]:
    return [
        problem(
            "TT3203",
            f"{change.key.kind} {change.name} would lose its data" + (f": it {change.detail}" if change.detail else ""),
            change.origin or Origin(str(change.key)),
            f"change the manifest, or approve this plan: {inputs.approval}",
        )
        for change in changes
        if change.loses_data and change.acts
    ]
