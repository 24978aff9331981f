"""A plan as text, in the order a reader needs it: what, to which object, why, which fields. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from trimtab.model.change import Change, Disruption, FieldChange, Reason, Verb
from trimtab.model.diagnostics import Severity
from trimtab.model.plan import Decision, Plan, Verdict
from trimtab.plan.render.document import PlanHeader
from trimtab.plan.render.rollout import rolled
from trimtab.plan.render.summary import summary_line
from trimtab.plan.units import ago, human

StepT = TypeVar("StepT")

SYMBOLS = {
    Verb.BUILD: "*",
    Verb.PULL: "*",
    Verb.CREATE: "+",
    Verb.UPDATE: "~",
    Verb.REPLACE: "±",
    Verb.RUN: "»",
    Verb.DELETE: "-",
    Verb.KEEP: " ",
}
_WORDS = {
    Reason.NEW: "",
    Reason.MISSING: "it is gone from the engine",
    Reason.UNFINISHED: "finishes an interrupted sync",
    Reason.RENAMED: "was adopted under another name",
    Reason.DRIFT: "differs from Git",
    Reason.SPEC_CHANGED: "",
    Reason.IMAGE_CHANGED: "",
}
_WAITING = {Reason.PROTECTED: Verb.DELETE, Reason.APPROVED: Verb.DELETE, Reason.AWAITS_PROMOTION: Verb.REPLACE}
_ORDER_OF_VERBS = tuple(SYMBOLS)
# Longer values are cut in the middle of a terminal line; JSON has them whole.
VALUE_WIDTH = 60


def plan_text(plan: Plan[StepT], header: PlanHeader, verdict: Verdict | None = None) -> str:
    """The whole plan, ending in its summary line."""
    lines = [_title(header), ""]
    lines += change_lines(plan.changes)
    if plan.changes:
        lines.append("")
    for diagnostic in sorted(
        {*plan.diagnostics, *(verdict.diagnostics if verdict else ())}, key=lambda d: (d.origin, d.code, d.message)
    ):
        if diagnostic.severity is not Severity.INFO:
            lines.append(str(diagnostic))
    lines.append(summary_line(plan.changes))
    if verdict is not None and verdict.decision is Decision.HOLD:
        lines.append(f"Held: waits for {verdict.waits_for}. Nothing will be changed until then.")
    if verdict is not None and verdict.decision is Decision.DENY:
        lines.append("Refused: nothing will be changed.")
    return "\n".join(lines) + "\n"


def _title(header: PlanHeader) -> str:
    where = (
        f"{header.ref}@{header.revision[:7]}"
        if header.ref and header.revision
        else header.revision[:7] or "working directory"
    )
    subject = f' "{header.subject}"' if header.subject else ""
    facts = [header.author] if header.author else []
    if header.age_s is not None:
        facts.append(f"{ago(header.age_s)} ago")
    commit = f" ({', '.join(facts)})" if facts else ""
    state = []
    if header.applied_revision:
        state.append(f"applied {header.applied_revision[:7]}")
    if header.health:
        state.append(header.health.lower())
    return f"{header.app}  {where}{subject}{commit}" + (f"   {', '.join(state)}" if state else "")


def change_lines(changes: Sequence[Change]) -> list[str]:
    """One line a change, and one a field below it."""
    shown = sorted(changes, key=lambda change: (_ORDER_OF_VERBS.index(change.verb), change.key))
    width = max((len(change.name) for change in shown), default=0)
    lines = []
    for change in shown:
        # What waits for a person is shown as what it would be.
        shown_as = _WAITING.get(change.reason, change.verb) if change.approval else change.verb
        verb, kind = f"{SYMBOLS[shown_as]} {shown_as.value:<8}", f"{change.key.kind.value:<10}"
        lines.append(f"  {verb} {kind} {change.name:<{width}}  {_why(change, shown)}".rstrip())
        if change.verb in {Verb.UPDATE, Verb.REPLACE, Verb.KEEP}:
            lines += [_field(field) for field in change.fields]
    return lines


def _why(change: Change, among: Sequence[Change]) -> str:
    parts = [change.detail or _WORDS.get(change.reason, change.reason.value.replace("-", " "))]
    if change.approval and not change.acts:
        parts[0] = f"held: {parts[0]}"
    if change.leaves:
        parts.append(f"leaves its anonymous volumes: {', '.join(change.leaves)}")
    if change.verb is Verb.UPDATE:
        parts.insert(0, "in place, no restart" if change.disruption is Disruption.NONE else "")
        if change.reason is Reason.STOPPED:
            parts = [f"{change.detail}; will be started"]
    parts += rolled(change, among)
    if change.extras and change.verb is not Verb.KEEP:
        parts.append(f"and removes {len(change.extras)} left over")
    return "; ".join(part for part in parts if part)


def _field(field: FieldChange) -> str:
    before, after = _cut(human(field.before, field.unit)), _cut(human(field.after, field.unit))
    if field.sensitive and field.before is not None and field.after is not None:
        before, after = "(secret)", "(secret changed)"
    value = f"{before} -> {after}"
    origin = str(field.origin) if field.origin else ""
    place = f"{origin.rsplit(':', 1)[0] if origin.count(':') > 1 else origin}" if origin else ""
    return f"               {field.attribute:<20} {value:<40} {place}".rstrip()


def _cut(text: str) -> str:
    flat = text.replace("\n", "\\n")
    return flat if len(flat) <= VALUE_WIDTH else f"{flat[: VALUE_WIDTH - 1]}…"
