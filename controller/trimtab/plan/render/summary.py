"""The one line that answers: what changes, will it hurt. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from trimtab.model.change import Change, Disruption, Verb


def summary_line(changes: Sequence[Change]) -> str:
    """Such as: Plan: 1 to build, 2 to create; no data loss."""
    acting = [change for change in changes if change.acts]
    waiting = sum(1 for change in changes if change.approval and not change.acts)
    held = f" {waiting} removal{'s wait' if waiting > 1 else ' waits'} for approval." if waiting else ""
    if not acting:
        return f"Plan: nothing to do.{held}"

    def count(verb: Verb, *disruptions: Disruption) -> int:
        return sum(1 for c in acting if c.verb is verb and (not disruptions or c.disruption in disruptions))

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
        (count(Verb.RUN), "to run once"),
        (count(Verb.DELETE), "to remove"),
    ]
    words = ", ".join(f"{number} {text}" for number, text in parts if number)
    lost = sum(1 for c in acting if c.loses_data)
    return f"Plan: {words}; {f'{lost} would LOSE DATA' if lost else 'no data loss'}.{held}"
