"""Objects that Git wants and the engine has: kept, changed in place, or made anew. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from trimtab.model.application import IgnoreDifference
from trimtab.model.change import Change, Disruption, FieldChange, Order, Reason, Verb
from trimtab.model.desired import Resource
from trimtab.model.keys import Kind, ResourceKey
from trimtab.model.observed import Live, ObservedState
from trimtab.plan import listed
from trimtab.plan.diff.dialect import Dialect
from trimtab.plan.diff.options import DiffOptions
from trimtab.plan.diff.pairing import NAMED
from trimtab.plan.guards import data as guard_data


def existing(  # noqa: PLR0917 - the stage's inputs, passed through
    want: Resource,
    lives: tuple[Live, ...],
    observed: ObservedState,
    dialect: Dialect,
    options: DiffOptions,
    contested: Mapping[ResourceKey, frozenset[str]],
) -> Change | None:
    """The least that makes it what Git says; None when it is that already."""
    chosen = dialect.select(want, lives, observed)
    live = chosen.current
    all_fields = dialect.compare(want, live, observed)
    fields = tuple(field for field in all_fields if not _ignored(want, field, options.ignore))
    state = dialect.state_change(want, live)
    reason = listed.reason(fields, Reason.DRIFT if want.digest == live.digest else Reason.SPEC_CHANGED)
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
    holder = observed.foreign.get((Kind.CONTAINER, want.name), "") if live.renamed_from else ""
    if holder:
        detail = f"it was renamed to {live.name}, and its name is taken by {holder[:12]}, which is not ours"
        return replace(base, verb=Verb.KEEP, reason=Reason.NAME_TAKEN, detail=detail)
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
    if live.name != want.name and want.key.kind is Kind.CONTAINER and not live.renamed_from:
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
