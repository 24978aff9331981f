"""What becomes of a release in the record of its application: applied, proved, found out, or failed. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from trimtab.errors import TrimtabError
from trimtab.model.desired import DesiredState
from trimtab.model.observed import ObservedState
from trimtab.model.records import AppliedState
from trimtab.plan.imagepins import images_of


def applied(state: AppliedState, desired: DesiredState, now: datetime) -> AppliedState:
    """Carried out to the end; when that changed something, its deadline begins."""
    applied_at = now if state.applied_digest != desired.digest else state.applied_at
    return replace(
        state, applied_revision=desired.revision, applied_digest=desired.digest, applied_at=applied_at, updated_at=now
    )


def proved(state: AppliedState, desired: DesiredState, observed: ObservedState) -> AppliedState:
    """It ran well; what ran well before it is kept in mind until its deadline."""
    if state.healthy_digest:
        state = replace(
            state,
            previous_revision=state.healthy_revision,
            previous_digest=state.healthy_digest,
            previous_images=state.healthy_images,
        )
    return replace(
        state,
        healthy_revision=desired.revision,
        healthy_digest=desired.digest,
        healthy_images=images_of(desired, observed),
    )


def unproved(state: AppliedState) -> AppliedState:
    """It did not run well after all: what ran well is what did before it."""
    return replace(
        state,
        healthy_revision=state.previous_revision,
        healthy_digest=state.previous_digest,
        healthy_images=state.previous_images,
        previous_revision="",
        previous_digest="",
        previous_images={},
    )


def failed(state: AppliedState, desired: DesiredState, error: TrimtabError) -> AppliedState:
    """Not to be tried again by itself."""
    return replace(
        state,
        failed_revision=desired.revision,
        failed_digest=desired.digest,
        failed_reason=f"{error.code}: {error.message}",
        tried=state.tried + 1,
    )


def forgiven(state: AppliedState) -> AppliedState:
    """What failed last is carried out after all, or not wanted any more."""
    return replace(state, failed_revision="", failed_digest="", failed_reason="", tried=0)
