"""What a failed update of a service means for its release, and the rules that a way back goes by. Pure.

The nearest setting decides: a ``failure_action`` that is written wins over the application's ``rollbackOnFailure``.
What becomes of the service's own remaining containers is in the plan itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from trimtab.errors import TrimtabError, UnhealthyRelease, UpdateHeld, UpdateTakenBack
from trimtab.model.change import Change, Verb
from trimtab.model.desired import DesiredState
from trimtab.model.keys import Kind
from trimtab.model.plan import StepOutcome, StepStatus
from trimtab.model.rollout import FailureAction, Traffic, UpdateRule


def as_way_back(desired: DesiredState) -> DesiredState:
    """The same state, updated to by each service's ``rollback_config``.

    Source: swarmkit updater: a rollback goes by the Rollback section of the spec that it goes back to.
    """
    return replace(
        desired,
        resources={
            key: replace(want, traits=_back(want.traits)) if "rollback" in want.traits else want
            for key, want in desired.resources.items()
        },
    )


def _back(traits: Mapping[str, object]) -> Mapping[str, object]:
    """By the rules of a rollback, and waiting for nobody's promotion."""
    traffic = traits.get("traffic")
    at_once = {"traffic": replace(traffic, by_hand=False)} if isinstance(traffic, Traffic) else {}
    return {**traits, "update": traits["rollback"], **at_once}


def judged(changes: Sequence[Change], outcomes: Sequence[StepOutcome], error: TrimtabError) -> TrimtabError:
    """``error``, the most telling one of a sync, as what it means for the release.

    UpdateHeld: all stays where it is. UpdateTakenBack: the release goes back. Anything else: the application decides.
    """
    if not isinstance(error, UnhealthyRelease):
        return error
    failed = {o.key for o in outcomes if o.status is StepStatus.FAILED and isinstance(o.error, UnhealthyRelease)}
    replaced = [c for c in changes if c.verb is Verb.REPLACE and c.key.kind is Kind.CONTAINER]
    verdicts = set()
    texts = []
    for service in sorted({key.name for key in failed}):
        own = [change for change in replaced if change.key.name == service]
        bad = [change for change in own if change.key in failed]
        rule = own[0].after.traits.get("update") if own and own[0].after is not None else None
        if not bad or not isinstance(rule, UpdateRule):
            verdicts.add(FailureAction.UNSAID)
            continue
        tolerated = bool(rule.max_failure_ratio) and len(bad) <= rule.tolerance(len(own))
        action = FailureAction.CONTINUE if tolerated else rule.failure_action
        verdicts.add(action)
        texts.append(_told(service, rule, len(bad), len(own), action, tolerated=tolerated))
    said = f"{error.message} ({'; '.join(texts)})" if texts else error.message
    if FailureAction.ROLLBACK in verdicts:
        return UpdateTakenBack(said, log_tail=error.log_tail, hint=error.hint, origin=error.origin)
    if verdicts and FailureAction.UNSAID not in verdicts:
        return UpdateHeld(said, log_tail=error.log_tail, hint=error.hint, origin=error.origin)
    return error


def _told(service: str, rule: UpdateRule, bad: int, total: int, action: FailureAction, *, tolerated: bool) -> str:
    count = f"{bad} of {total} replacements of {service} failed"
    if tolerated:
        return f"{count}, which max_failure_ratio {_decimal(rule.max_failure_ratio)} allows: they keep the old version"
    match action:
        case FailureAction.PAUSE:
            return f"{count}: the update is paused, as failure_action says"
        case FailureAction.CONTINUE:
            return f"{count}: the others went on, as failure_action says"
        case FailureAction.ROLLBACK:
            return f"{count}: the release goes back, as failure_action says"
        case FailureAction.UNSAID:  # pragma: no branch - there is no other one
            return count


def _decimal(ratio: Fraction) -> str:
    return f"{float(ratio):g}"


def goes_back(failed_reason: str, *, rollback_on_failure: bool) -> bool:
    """Whether what ran before takes the place of a failed state; ``failed_reason`` begins with the error's code."""
    if failed_reason.startswith(UpdateHeld.default_code):
        return False
    return rollback_on_failure or failed_reason.startswith(UpdateTakenBack.default_code)
