"""Objects that Git wants and the engine does not have, at least not under that name. Pure."""

from __future__ import annotations

from dataclasses import replace

from trimtab.model.change import Change, Disruption, Reason, Verb
from trimtab.model.desired import Resource
from trimtab.model.keys import Kind
from trimtab.model.observed import Live, ObservedState
from trimtab.plan.diff.dialect import Dialect
from trimtab.plan.diff.options import DiffOptions


def missing(want: Resource, observed: ObservedState, options: DiffOptions) -> Change:
    """It is made, unless somebody else's object has its name."""
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


def renamed(
    want: Resource, lives: tuple[Live, ...], observed: ObservedState, dialect: Dialect, options: DiffOptions
) -> Change:
    """Another engine name is another object. The old network goes when nobody uses it, an old volume never."""
    change = missing(want, observed, options)
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
