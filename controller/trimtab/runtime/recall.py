"""What was applied, found again on the engine when the store was lost: the commit that explains all that runs.

Containers carry the revision that they were made at. One of these revisions, read from Git again, asks for exactly
what is there, unless a sync was cut off in its middle: then nothing is taken for the last release (I8).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from trimtab.model.desired import DesiredState
from trimtab.model.keys import Kind
from trimtab.model.observed import ObservedState
from trimtab.model.records import AppliedState
from trimtab.model.status import HealthStatus
from trimtab.plan import status as judge
from trimtab.plan.imagepins import images_of
from trimtab.runtime.planner import Look, Planner
from trimtab.runtime.target import Targets
from trimtab.runtime.views import View

StepT = TypeVar("StepT")
# A release is rarely made up of containers from more commits than this; each costs reading one.
TRIED = 4


def recalled(  # noqa: PLR0917 - the pass's inputs, passed through
    look: Look[StepT], view: View, state: AppliedState, planner: Planner[StepT], targets: Targets[StepT], now: datetime
) -> AppliedState:
    """``state`` with what was applied, and whether it is healthy, as far as the engine's labels and Git tell.

    Raises:
        TransientError: Git or the engine cannot be asked now.
    """
    if state.applied_digest or state.healthy_digest or look.plan.empty:
        return state
    for revision in _revisions(look.observed, view.revision):
        older = targets.older(view, revision)
        if older is None or older.application is None or older.snapshot is None:
            continue
        desired = planner.desired(older.application, older.snapshot)
        then = planner.look(
            view.key,
            desired,
            application=older.application,
            snapshot=older.snapshot,
            prune=older.application.sync_policy.prune,
        )
        if desired.digest == look.desired.digest or not (then.plan.empty or _explains(desired, then.observed)):
            continue
        state = replace(state, applied_revision=revision, applied_digest=desired.digest)
        lines = judge.resource_statuses(desired, then.observed, then.plan.changes, now)
        if judge.overall_health(lines)[0] is HealthStatus.HEALTHY:
            images = images_of(desired, then.observed)
            state = replace(state, healthy_revision=revision, healthy_digest=desired.digest, healthy_images=images)
        return state
    return state


def _explains(desired: DesiredState, observed: ObservedState) -> bool:
    """Whether each container was made from what this asks for, wherever tags of images point by now."""
    wanted = {resource.key: resource.digest for resource in desired.of_kind(Kind.CONTAINER)}
    lives = {key: ones for key, ones in observed.live.items() if key.kind is Kind.CONTAINER}
    return wanted.keys() == lives.keys() and all(any(o.digest == wanted[k] for o in lives[k]) for k in wanted)


def _revisions(observed: ObservedState, newest: str) -> tuple[str, ...]:
    """The commits that containers were made at, the most frequent first."""
    counted = Counter(
        live.revision
        for key, lives in observed.live.items()
        if key.kind is Kind.CONTAINER
        for live in lives
        if live.revision not in {"", newest}
    )
    return tuple(sorted(counted, key=lambda revision: (-counted[revision], revision))[:TRIED])
