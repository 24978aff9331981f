"""The one line that answers: what changes, will it hurt. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from trimtab.model.change import Change, Disruption, Promotion, Reason, Verb


def summary_line(changes: Sequence[Change]) -> str:
    """Such as: Plan: 1 to build, 2 to create; no data loss."""
    acting = [change for change in changes if change.acts]
    held = _held(changes)
    if not acting:
        return f"Plan: nothing to do.{held}"

    def count(verb: Verb, *disruptions: Disruption) -> int:
        done = (c for c in acting if c.promotion is not Promotion.STAGE)
        return sum(1 for c in done if c.verb is verb and (not disruptions or c.disruption in disruptions))

    parts = [
        (count(Verb.PULL), "to pull"),
        (count(Verb.BUILD), "to build"),
        (count(Verb.CREATE), "to create"),
        (count(Verb.UPDATE, Disruption.NONE), "to update in place"),
        (count(Verb.UPDATE, Disruption.RESTART, Disruption.REPLACE, Disruption.ROLLING), "to update with a restart"),
        (count(Verb.REPLACE, Disruption.ROLLING), "to replace (rolling, no downtime)"),
        (
            count(Verb.REPLACE, Disruption.REPLACE, Disruption.RESTART, Disruption.NONE),
            "to replace (with a short stop)",
        ),
        (sum(1 for c in acting if c.promotion is Promotion.STAGE), "to prepare for promotion"),
        (count(Verb.RUN), "to run once"),
        (count(Verb.DELETE), "to remove"),
    ]
    words = ", ".join(f"{number} {text}" for number, text in parts if number)
    lost = sum(1 for c in acting if c.loses_data)
    return f"Plan: {words}; {f'{lost} would LOSE DATA' if lost else 'no data loss'}.{held}"


def _held(changes: Sequence[Change]) -> str:
    """What waits for a person."""
    waiting = [change for change in changes if change.approval and not change.acts]
    promotions = sum(1 for change in waiting if change.reason is Reason.AWAITS_PROMOTION)
    removals = len(waiting) - promotions
    said = f" {removals} removal{'s wait' if removals > 1 else ' waits'} for approval." if removals else ""
    return said + (
        f" {promotions} replacement{'s wait' if promotions > 1 else ' waits'} for promotion." if promotions else ""
    )
