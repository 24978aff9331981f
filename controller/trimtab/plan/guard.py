"""Stage 7: whether a plan may be carried out now. Pure; what a person must decide is held, never guessed."""

from __future__ import annotations

from trimtab.model.change import Change
from trimtab.model.plan import Decision, Verdict
from trimtab.plan import promotion
from trimtab.plan.guards.holds import PRUNE_COUNT, PRUNE_SHARE, holds
from trimtab.plan.guards.inputs import GuardInputs
from trimtab.plan.guards.refusals import refusals


def guard(changes: tuple[Change, ...], inputs: GuardInputs) -> Verdict:
    """Go, hold or deny, with every reason."""
    denied = refusals(changes, inputs)
    if denied:
        return Verdict(decision=Decision.DENY, diagnostics=tuple(denied))
    held = holds(changes, inputs)
    if held and inputs.plan_id not in inputs.approved:
        return Verdict(decision=Decision.HOLD, diagnostics=tuple(held), waits_for="approval")
    return promotion.verdict(changes, inputs.place) or Verdict(decision=Decision.GO)


__all__ = ["PRUNE_COUNT", "PRUNE_SHARE", "GuardInputs", "guard"]
