"""What of a difference that nobody pushed is put right by itself. Pure.

A field that is only reported, or that was put right too often of late, stays visible in the change, and is not acted
upon; other fields of the same object still are. Where putting one field right takes a new container, all are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from trimtab.model.application import Application
from trimtab.model.change import Change, Disruption, FieldChange, Reason, Verb
from trimtab.model.drift import DriftMode, DriftPolicy
from trimtab.model.keys import Kind, ResourceKey
from trimtab.plan.listed import LISTED
from trimtab.plan.units import human

# Differences from what was applied, which no commit asked for.
REPAIRS = frozenset({Reason.DRIFT, Reason.MISSING, Reason.STOPPED, Reason.DUPLICATE, Reason.PARENT_RESTARTED})
STATE = "/State/"
NOTHING: Mapping[tuple[ResourceKey, str], float] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftOptions:
    """``resting``: fields (by object and path) that are left alone for now, and the seconds until they are not."""

    policy: DriftPolicy = field(default_factory=DriftPolicy)
    resting: Mapping[tuple[ResourceKey, str], float] = field(default_factory=dict)
    why: str = "drift is reported only"


def is_repair(changes: Iterable[Change]) -> bool:
    """Whether everything that is done only repairs; an image that is fetched for a repair is part of it."""
    return all(c.reason in REPAIRS for c in changes if c.acts and c.key.kind is not Kind.IMAGE)


def unasked(app: Application, resting: Mapping[tuple[ResourceKey, str], float] = NOTHING) -> DriftOptions:
    """What is put right of an application without being asked."""
    policy, healing = app.sync_policy.drift, app.sync_policy.self_heal
    if not healing:
        policy = replace(policy, mode=DriftMode.REPORT)
    return DriftOptions(policy=policy, resting=resting, why="drift is reported only" if healing else "selfHeal is off")


def paths(change: Change) -> tuple[str, ...]:
    """What differs: the fields' paths, or "" where the whole object does."""
    return tuple(found.path for found in change.fields) or ("",)


def reported_paths(change: Change) -> tuple[str, ...]:
    """What of it is left as it is."""
    return tuple(found.path for found in change.reported) or ("",)


def settle(change: Change, options: DriftOptions | None) -> Change | None:
    """``change`` without what is not to be put right now; None when nothing of it is ours to look at."""
    if options is None or change.reason not in REPAIRS or not change.acts:
        return change
    modes = {path: options.policy.of(change.key, change.name, path) for path in paths(change)}
    modes.update({path: DriftMode.REPAIR for path in modes if path == LISTED})
    resting = {path: options.resting[change.key, path] for path in modes if (change.key, path) in options.resting}
    seen = tuple(found for found in change.fields if modes[found.path] is not DriftMode.IGNORE)
    if all(mode is DriftMode.IGNORE for mode in modes.values()):
        return None
    kept = tuple(f for f in seen if modes[f.path] is DriftMode.REPAIR and f.path not in resting)
    if not change.fields:
        if modes[""] is DriftMode.REPAIR and "" not in resting:
            return change
    elif kept == change.fields:
        return change
    elif change.verb is Verb.REPLACE and any(not found.in_place for found in kept):
        return replace(change, fields=seen)
    elif kept:
        return _partly(change, kept, tuple(found for found in seen if found not in kept))
    why = (
        f"put right {RESTED} and changed again, next repair in {min(resting.values()):.0f} s"
        if resting
        else options.why
    )
    return replace(
        change,
        verb=Verb.KEEP,
        reason=Reason.REPORTED,
        detail=f"{_what(change, seen)}; {why}; 'trimtab sync' repairs it",
        fields=(),
        reported=seen,
        disruption=Disruption.NONE,
        order=None,
        order_reason="",
        staged=None,
        extras=(),
    )


RESTED = "several times"


def _partly(change: Change, kept: tuple[FieldChange, ...], reported: tuple[FieldChange, ...]) -> Change:
    starts = any(found.path.startswith(STATE) for found in kept)
    return replace(
        change,
        verb=Verb.UPDATE,
        fields=kept,
        reported=reported,
        disruption=Disruption.RESTART if starts else Disruption.NONE,
        order=None,
        order_reason="",
    )


def _what(change: Change, fields: tuple[FieldChange, ...]) -> str:
    if not fields:
        return change.detail or change.reason.value
    return ", ".join(sentence(found) for found in fields)


def sentence(found: FieldChange) -> str:
    """Such as: mem_limit is 64 MiB instead of 512 MiB."""
    return f"{found.attribute} is {human(found.before, found.unit)} instead of {human(found.after, found.unit)}"
