"""Containers that have to change because another object does: what they share with it, or lean on. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from trimtab.model.change import Change, Disruption, Order, Reason, Verb
from trimtab.model.desired import DesiredState
from trimtab.model.keys import Kind, ResourceKey
from trimtab.model.observed import ObservedState
from trimtab.plan.diff.dialect import Dialect


def follow(
    changes: dict[ResourceKey, Change],
    desired: DesiredState,
    observed: ObservedState,
    dialect: Dialect,
    contested: Mapping[ResourceKey, frozenset[str]],
) -> None:
    """Carry replacements on to what holds the replaced one's namespace, mounts or network, until nothing new comes."""
    todo = True
    while todo:
        todo = False
        renewed = {
            ResourceKey(key.app, key.kind, key.name, 0)
            for key, change in changes.items()
            if change.verb in {Verb.REPLACE, Verb.CREATE}
        }
        for want in desired.of_kind(Kind.CONTAINER):
            change, lives = changes.get(want.key), observed.live.get(want.key, ())
            if not lives or (change is not None and change.verb in {Verb.REPLACE, Verb.CREATE}):
                continue
            follows = [need for need in want.needs if need.follows and need.key in renewed]
            restarts = [need for need in want.needs if need.restarts and need.key in renewed]
            rejoins = [
                need
                for need in want.needs
                if need.key.kind is Kind.NETWORK and need.key in changes and changes[need.key].verb is Verb.REPLACE
            ]
            selection = dialect.select(want, lives, observed)
            base = change or Change(
                verb=Verb.UPDATE,
                key=want.key,
                name=want.name,
                reason=Reason.DRIFT,
                before=selection.current,
                after=want,
                staged=selection.staged,
                extras=selection.extras,
                origin=want.origin(""),
            )
            if follows:
                order, why = dialect.order(want, selection.current, contested.get(want.key, frozenset()))
                changes[want.key] = replace(
                    base,
                    verb=Verb.REPLACE,
                    reason=Reason.PARENT_REPLACED,
                    order=order,
                    order_reason=why,
                    detail=f"it shares what belongs to {follows[0].key.name}, which is replaced",
                    disruption=Disruption.ROLLING if order is Order.START_FIRST else Disruption.REPLACE,
                )
                todo = True
            elif rejoins and base.reason is not Reason.NETWORK_REPLACED:
                changes[want.key] = replace(
                    base,
                    # Also one that is otherwise left as it is needs a network.
                    verb=Verb.UPDATE if base.verb is Verb.KEEP else base.verb,
                    reason=Reason.NETWORK_REPLACED,
                    disruption=max(base.disruption, Disruption.RESTART),
                    detail=f"its network {rejoins[0].key.name} is made anew",
                )
                todo = True
            elif restarts and base.verb is Verb.UPDATE and base.disruption is Disruption.NONE:
                changes[want.key] = replace(
                    base,
                    reason=Reason.DEPENDENCY_REPLACED,
                    disruption=Disruption.RESTART,
                    detail=f"{restarts[0].key.name}, which it depends on, is replaced",
                )
                todo = True
