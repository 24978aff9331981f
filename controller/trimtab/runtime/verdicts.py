"""Which nodes of a plan may start, must be skipped, or have to undo: decided from outcomes alone. Pure.

A SUCCESS node runs after all its needs succeeded; when one of them did not, it is skipped.

An ENDED node lets what follows begin although something before it failed: it runs when all its needs are over and at
most ``tolerance`` of them did not succeed. Needs that undo are waited for and not counted.

A FAILURE node undoes a group of steps, its needs. It runs when the group was *begun and not completed*, as soon as
none of it is still to run:

* a need failed, or was cancelled after it had started (it may have had its effect or half of it);
* or one need succeeded and another never ran, because something it needs failed or because the sync was cancelled
  between two steps. The old container is stopped by then and the new one is not started: someone must put it back.

It does not run when all needs succeeded (nothing to undo) or when none ever started (nothing was done). A need that is
itself a FAILURE node counts as failed when it ran, however that ended, and as absent when it did not: undoing heals
nothing, and undoing nothing breaks nothing. Nothing that is to run after success may lean on a FAILURE node.

Cancelling stops SUCCESS nodes only. FAILURE nodes run after a cancel exactly as after a failure: they are the way back.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto

from trimtab.model.plan import Node, RunWhen, StepStatus


class Done(Enum):
    """How one need ended, as its dependents see it."""

    COMPLETED = auto()
    BROKEN = auto()
    NOT_BEGUN = auto()
    ABSENT = auto()
    UNDONE = auto()


class Call(Enum):
    """What is to be done with a node whose needs are all over."""

    RUN = auto()
    SKIP = auto()


def seen(node: Node[object], status: StepStatus, *, started: bool) -> Done:
    """One node's end, as its dependents see it."""
    if node.when is RunWhen.FAILURE:
        return Done.UNDONE if started else Done.ABSENT
    if status is StepStatus.SUCCEEDED:
        return Done.COMPLETED
    return Done.BROKEN if started else Done.NOT_BEGUN


def call(node: Node[object], needs: Iterable[Done]) -> Call:
    """Whether a node runs, now that all its needs are over."""
    each = tuple(needs)
    ends = set(each)
    if node.when is RunWhen.ENDED:
        failed = sum(end in {Done.BROKEN, Done.NOT_BEGUN} for end in each)
        return Call.RUN if failed <= node.tolerance else Call.SKIP
    if node.when is RunWhen.SUCCESS:
        return Call.RUN if ends <= {Done.COMPLETED} else Call.SKIP
    half_done = Done.COMPLETED in ends and Done.NOT_BEGUN in ends
    return Call.RUN if ends & {Done.BROKEN, Done.UNDONE} or half_done else Call.SKIP
