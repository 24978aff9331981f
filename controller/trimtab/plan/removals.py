"""Volumes that Git no longer wants: kept, offered for removal under an id of their own, removed once that is approved.

An id names one volume as it is on the engine and the state of Git that does without it. So an approval does not carry
over: not to another state of the application, not to a volume that was made anew under the same name, and not to
another volume. The rest of a plan never waits for it. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from trimtab.model.change import Change, Disruption, Reason, Verb
from trimtab.model.desired import DesiredState
from trimtab.model.keys import Kind, ResourceKey
from trimtab.model.observed import Live, ObservedState
from trimtab.plan.canonical import digest

# As much of an id as people are shown; the store accepts no shorter one.
SHOWN = 12


def removal_id(desired: DesiredState, target: str, live: Live) -> str:
    """What a person approves when this very volume may go."""
    return digest(
        {
            "app": str(desired.app),
            "target": target,
            "desired": desired.digest,
            "remove": [str(live.key), live.handle, live.created_at.isoformat() if live.created_at else ""],
        }
    )


def candidates(desired: DesiredState, observed: ObservedState) -> Mapping[str, Live]:
    """Every volume that could be removed with an approval, by the id that has to be approved."""
    found = {}
    for key, lives in sorted(observed.live.items()):
        if key.kind is Kind.VOLUME and key not in desired.resources and not _wanted_otherwise(desired, lives):
            for live in lives:
                if not live.endpoints:
                    found[removal_id(desired, observed.target, live)] = live
    return found


def _wanted_otherwise(desired: DesiredState, lives: tuple[Live, ...]) -> bool:
    """Whether the manifest has the volume under another key, by its engine name."""
    names = {resource.name for resource in desired.of_kind(Kind.VOLUME)}
    return any(live.name in names for live in lives)


def orphan(key: ResourceKey, live: Live, desired: DesiredState, target: str, approved: frozenset[str]) -> Change:
    """What becomes of a volume that is no longer in Git."""
    base = Change(
        verb=Verb.KEEP, key=key, name=live.name, reason=Reason.PROTECTED, before=live, disruption=Disruption.NONE
    )
    if live.endpoints:
        users = ", ".join(live.endpoints)
        return replace(base, detail=f"no longer in Git, but {users} of others use it; it is kept")
    name = removal_id(desired, target, live)
    if name in approved:
        return replace(
            base,
            verb=Verb.DELETE,
            reason=Reason.APPROVED,
            approval=name,
            detail="no longer in Git; approved: it is archived first, and removed once that is verified",
        )
    command = f"trimtab approve {desired.app} {name[:SHOWN]}"
    detail = f"no longer in Git; volumes are never removed without approval: {command}"
    return replace(base, approval=name, detail=detail)


def awaiting(changes: tuple[Change, ...]) -> bool:
    """Whether a removal waits for a person, or was just approved: the same look may lead to another plan by then."""
    return any(change.approval for change in changes)
