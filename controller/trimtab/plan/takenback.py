"""Whether a newer state has what was undone: what a held release waits for. Pure."""

from __future__ import annotations

from trimtab.model.desired import DesiredState
from trimtab.model.keys import Kind, ResourceKey


def still_there(held: DesiredState, undone: DesiredState, newer: DesiredState) -> tuple[ResourceKey, ...]:
    """Of what holding ``held`` undid of ``undone``: the objects that are not in ``newer`` as they are held.

    Empty when ``newer`` contains the revert, whatever else it changes. Images follow from containers, and are left
    out: a build from elsewhere can give another reference without anything else.
    """
    return tuple(
        key
        for key in sorted({*held.resources, *undone.resources})
        if key.kind is not Kind.IMAGE
        and _print(held, key) != _print(undone, key)
        and _print(newer, key) != _print(held, key)
    )


def _print(state: DesiredState, key: ResourceKey) -> tuple[str, str]:
    resource = state.resources.get(key)
    return (resource.name, resource.digest) if resource is not None else ("", "")
