"""Objects that the engine has and Git does not want (any more): removed, or kept for a reason. Pure."""

from __future__ import annotations

from dataclasses import replace

from trimtab.model.change import Change, Disruption, Reason, Verb
from trimtab.model.desired import DesiredState
from trimtab.model.keys import Kind, ResourceKey
from trimtab.model.observed import Live, ObservedState
from trimtab.plan import removals
from trimtab.plan.diff.dialect import Dialect
from trimtab.plan.diff.options import DiffOptions


def unwanted(  # noqa: PLR0917 - the stage's inputs, passed through
    key: ResourceKey,
    lives: tuple[Live, ...],
    desired: DesiredState,
    observed: ObservedState,
    dialect: Dialect,
    options: DiffOptions,
) -> Change | None:
    """Removed, unless it holds data, others use it, or nothing is to be pruned."""
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
