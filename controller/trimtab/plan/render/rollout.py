"""How the containers of a service are replaced, as a plan says it: order, groups and pauses, blue-green. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from trimtab.model.application import Fronts
from trimtab.model.change import Change, Order, Promotion, Verb
from trimtab.model.keys import Kind
from trimtab.model.rollout import Traffic, UpdateRule


def rolled(change: Change, among: Iterable[Change]) -> list[str]:
    """Fragments of a sentence for people; none for what is not replaced. ``among`` are all changes of the plan."""
    if change.verb is not Verb.REPLACE or change.order is None:
        return []
    if change.promotion is Promotion.STAGE:
        return ["starts beside the old one, which serves until this is promoted (blue-green, promote: manual)"]
    if change.order is Order.STOP_FIRST:
        first = f"stops the old one first ({change.order_reason}), puts it back if the new one fails"
        return [first, *_groups(change, among), *_address(change)]
    if _traffic(change).together:
        if change.approval:
            return [
                "its promotion was approved: when all new ones are proved once more, all old ones stop (blue-green)"
            ]
        return ["starts beside the old one; when all new ones run well, all old ones stop (blue-green)"]
    first = "starts first, waits until it runs well, then stops the old one"
    return [first, *_groups(change, among), *_address(change)]


def rollout_document(change: Change) -> dict[str, object] | None:
    """The same for programs."""
    if change.key.kind is not Kind.CONTAINER or change.after is None or change.order is None:
        return None
    traffic, rule = _traffic(change), _rule(change)
    if traffic.together:
        return {
            "strategy": "blue-green",
            "promote": "manual" if traffic.by_hand else "auto",
            "promotion": change.promotion.value or None,
            "monitorSeconds": rule.monitor_s,
        }
    return {
        "strategy": "rolling",
        "parallelism": rule.parallelism,
        "delaySeconds": rule.delay_s,
        "monitorSeconds": rule.monitor_s,
    }


def _groups(change: Change, among: Iterable[Change]) -> list[str]:
    """What a service of several replicas goes by; one has no groups."""
    rule = _rule(change)
    count = sum(1 for c in among if c.verb is Verb.REPLACE and c.key.kind is change.key.kind and _same(c, change))
    if count < 2:
        return [f"watched for {rule.monitor_s:g} s"] if rule.monitor_s else []
    if rule.parallelism in range(1, count):
        apart = f", {rule.delay_s:g} s apart" if rule.delay_s else ""
        said = f"{rule.parallelism if rule.parallelism > 1 else 'one'} at a time{apart}"
    else:
        said = f"all {count} at once"
    return [f"{said}, each watched for {rule.monitor_s:g} s" if rule.monitor_s else said]


def _address(change: Change) -> list[str]:
    """What the clients of a service notice when its address itself is replaced."""
    front = change.after.traits.get("fronts") if change.after is not None else None
    if not isinstance(front, Fronts):
        return []
    gap = "is refused until the new one runs" if change.order is Order.STOP_FIRST else "may be refused for a moment"
    return [f"who connects to {front.service} {gap}"]


def _same(one: Change, other: Change) -> bool:
    return (one.key.app, one.key.name) == (other.key.app, other.key.name)


def _traffic(change: Change) -> Traffic:
    found = change.after.traits.get("traffic") if change.after is not None else None
    return found if isinstance(found, Traffic) else Traffic()


def _rule(change: Change) -> UpdateRule:
    found = change.after.traits.get("update") if change.after is not None else None
    return found if isinstance(found, UpdateRule) else UpdateRule()
