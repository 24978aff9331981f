"""The images of a release that ran well, by what they are and not by what they are called: for putting it back. Pure.

A tag may have moved since. So a container is remembered with its image's id, and with the digests by which registries
have it, in case it is no longer on the engine. What a service asks for stays as it is written: only what is fetched
and what containers are made from is another name for the same image, so nothing that runs it already is touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from trimtab.model.desired import DesiredState
from trimtab.model.keys import Kind, ResourceKey
from trimtab.model.observed import ObservedState

# A container's trait: the image that it is made from instead of the one in its spec.
IMAGE_TRAIT = "image"


def images_of(desired: DesiredState, observed: ObservedState) -> Mapping[str, str]:
    """By service: the id and the registry digests of the image that its container runs, best first."""
    found: dict[str, str] = {}
    for want in desired.of_kind(Kind.CONTAINER):
        for live in observed.live.get(want.key, ()):
            if live.image_id and not want.traits.get("built"):
                found.setdefault(want.key.name, " ".join((live.image_id, *live.image_refs)))
    return found


def candidates(desired: DesiredState, images: Mapping[str, str]) -> tuple[str, ...]:
    """All by which the images of ``desired`` can be had, so that an engine can be asked which it has."""
    wanted = (resource for resource in desired.of_kind(Kind.IMAGE) if not resource.traits.get("built"))
    return tuple(sorted({name for resource in wanted for name in images.get(resource.key.name, "").split()}))


def pin_images(desired: DesiredState, images: Mapping[str, str], present: Mapping[str, str]) -> DesiredState:
    """``desired`` with these images; ``present`` maps references to ids ("" where the engine has none).

    An image that is neither on the engine nor known to a registry by its digest is left to its tag.
    """
    chosen: dict[str, str] = {}
    resources = dict(desired.resources)
    for resource in desired.of_kind(Kind.IMAGE):
        names = images.get(resource.key.name, "").split()
        if not names or resource.traits.get("built"):
            continue
        if present.get(resource.name) == names[0]:
            # The tag has not moved, and reads better than an id.
            name = resource.name
        else:
            name = next((n for n in names if present.get(n)), next((n for n in names if "@" in n), ""))
            if name:
                chosen[resource.key.name] = name
        if name:
            # Asking for a newer one, as pull_policy may, would be the opposite of going back.
            traits = {**resource.traits, "pull_policy": "missing"}
            resources[resource.key] = replace(resource, name=name, traits=traits)
    for key in _containers(desired):
        if key.name in chosen:
            traits = {**resources[key].traits, IMAGE_TRAIT: chosen[key.name]}
            resources[key] = replace(resources[key], traits=traits)
    return replace(desired, resources=resources) if resources != desired.resources else desired


def _containers(desired: DesiredState) -> tuple[ResourceKey, ...]:
    return tuple(resource.key for resource in desired.of_kind(Kind.CONTAINER))
