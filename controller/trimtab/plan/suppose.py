"""An engine on which a desired state was carried out to the letter, for comparing revisions without one. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from trimtab.model.desired import DesiredState
from trimtab.model.keys import Kind, ResourceKey
from trimtab.model.observed import Live, ObservedState, Probe, Running, RunState


def suppose(state: DesiredState, target: str = "supposed") -> ObservedState:
    """What would be observed if ``state`` ran well and nothing else were there."""
    live: dict[ResourceKey, tuple[Live, ...]] = {}
    images: dict[str, str] = {}
    for key in sorted(state.resources):
        resource = state.resources[key]
        if key.kind is Kind.IMAGE:
            images[resource.name] = resource.name
            continue
        if resource.external:
            continue
        runs = Running(status=RunState.RUNNING, probe=Probe.HEALTHY) if key.kind is Kind.CONTAINER else Running()
        live[key] = (
            Live(
                key=key,
                handle=resource.name,
                name=resource.name,
                digest=resource.digest,
                revision=state.revision,
                fields=resource.spec,
                running=runs,
            ),
        )
    return ObservedState(
        target=target, taken_at=datetime.min.replace(tzinfo=UTC), live=live, digest=state.digest, images=images
    )
