"""Images: when one is pulled or built, and for whom. Pure."""

from __future__ import annotations

from trimtab.model.change import Change, Reason, Verb
from trimtab.model.desired import DesiredState, Resource
from trimtab.model.keys import Kind, ResourceKey
from trimtab.model.observed import ObservedState

# pull_policy values that ask for a newer image than the one that is there.
REFRESHING = ("always", "refresh", "daily", "weekly", "every_")


def image_change(want: Resource, observed: ObservedState) -> Change | None:
    """What has to be done so that an image is on the engine; None when it is."""
    built, policy = bool(want.traits.get("built")), str(want.traits.get("pull_policy") or "")
    present = bool(observed.images.get(want.name))
    if present and not built and policy.startswith(REFRESHING):
        # Only for a container that is about to be created: a sync that has nothing to do asks no registry.
        return Change(
            verb=Verb.PULL,
            key=want.key,
            name=want.name,
            reason=Reason.IMAGE_CHANGED,
            detail=f"pull_policy is {policy}",
            after=want,
            origin=want.origin(""),
        )
    if present:
        return None
    if policy == "never" and not built:
        return Change(
            verb=Verb.KEEP,
            key=want.key,
            name=want.name,
            reason=Reason.IMAGE_ABSENT,
            detail="not on the engine, and pull_policy is never",
            after=want,
            origin=want.origin(""),
        )
    return Change(
        verb=Verb.BUILD if built else Verb.PULL,
        key=want.key,
        name=want.name,
        reason=Reason.SOURCES_CHANGED if built else Reason.IMAGE_ABSENT,
        detail=str(want.traits.get("sources") or "") if built else "not on the engine",
        after=want,
        origin=want.origin(""),
    )


def drop_unneeded(changes: dict[ResourceKey, Change], desired: DesiredState) -> None:
    """An image is fetched or built only for a container that is about to be created from it."""
    using = {
        need.key
        for key, change in changes.items()
        if key.kind is Kind.CONTAINER and change.verb in {Verb.CREATE, Verb.REPLACE}
        for need in (desired.resources[key].needs if key in desired.resources else ())
    }
    using |= {n.key for c in changes.values() if c.verb is Verb.RUN and c.after is not None for n in c.after.needs}
    # A job finds its image ready at its hour; that one is not fetched anew before.
    scheduled = {need.key for job in desired.jobs for need in job.resource.needs}
    using |= {key for key in scheduled if key in changes and changes[key].reason is not Reason.IMAGE_CHANGED}
    for key in [key for key in changes if key.kind is Kind.IMAGE and key not in using]:
        del changes[key]
