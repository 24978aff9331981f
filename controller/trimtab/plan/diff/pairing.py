"""Which live object is meant by which desired one, and which of them stand in each other's way. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from trimtab.model.desired import DesiredState
from trimtab.model.keys import Kind, ResourceKey
from trimtab.model.observed import ObservedState
from trimtab.plan.diff.dialect import Dialect

# Objects that only their engine name tells apart: another name is another object.
NAMED = frozenset({Kind.NETWORK, Kind.VOLUME})


def moved_keys(desired: DesiredState, observed: ObservedState) -> Mapping[ResourceKey, ResourceKey]:
    """Networks and volumes that the manifest calls otherwise now, and what it called them: their ``name:`` stayed."""
    left = {
        (key.kind, live.name): key
        for key, lives in observed.live.items()
        if key.kind in NAMED and key not in desired.resources
        for live in lives
    }
    return {
        key: left[key.kind, want.name]
        for key, want in desired.resources.items()
        if key not in observed.live and (key.kind, want.name) in left and not want.external
    }


def contested_claims(
    desired: DesiredState, observed: ObservedState, dialect: Dialect
) -> Mapping[ResourceKey, frozenset[str]]:
    """For each container: the claims it holds now that another wants, so that it has to let go first."""
    wanted: dict[str, set[ResourceKey]] = {}
    for resource in desired.of_kind(Kind.CONTAINER):
        for claim in dialect.claims(resource.spec):
            wanted.setdefault(claim, set()).add(resource.key)
    result: dict[ResourceKey, frozenset[str]] = {}
    for key, lives in observed.live.items():
        if key.kind is Kind.CONTAINER:
            held = {claim for live in lives for claim in dialect.claims(live.fields)}
            result[key] = frozenset(claim for claim in held if wanted.get(claim, set()) - {key})
    return result
