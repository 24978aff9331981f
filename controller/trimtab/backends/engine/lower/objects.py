"""Images, networks, volumes and contents: made before what uses them, removed after. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from trimtab.backends.engine import steps
from trimtab.backends.engine.lower import moving
from trimtab.backends.engine.lower.reading import of_kind, present, wanted
from trimtab.backends.engine.lower.site import ARCHIVE_S, IMAGE_S, Site
from trimtab.model.change import Change, Verb
from trimtab.model.keys import Kind

# Steps that take nothing from what runs.
_HARMLESS = (steps.PullImage, steps.BuildImage, steps.CreateNetwork, steps.CreateVolume, steps.CreateContent)


def image(site: Site, change: Change) -> None:
    """Pull or build it, once for all that use it."""
    want = wanted(change)
    same = [
        d.id for d in site.drafts if isinstance(d.step, steps.PullImage | steps.BuildImage) and d.step.ref == want.name
    ]
    if same:
        site.made[change.key] = same[0]
        return
    step: steps.EngineStep
    if change.verb is Verb.BUILD:
        step = steps.BuildImage(ref=want.name)
    else:
        step = steps.PullImage(ref=want.name, platform=str(want.traits.get("platform") or ""))
    site.made[change.key] = site.add(step, change, timeout_s=IMAGE_S)


def make(site: Site, change: Change) -> None:
    """Create a network, volume or content; a network that is replaced is emptied and removed before."""
    if change.source is not None:
        moving.make(site, change)
        return
    if change.verb not in {Verb.CREATE, Verb.REPLACE}:
        return
    want = wanted(change)
    labels = site.labels(want)
    match change.key.kind:
        case Kind.NETWORK:
            needs = _empty_network(site, change) if change.verb is Verb.REPLACE else set()
            node = site.add(steps.CreateNetwork(name=want.name, spec=want.spec, labels=labels), change, needs)
        case Kind.VOLUME:
            node = site.add(steps.CreateVolume(name=want.name, spec=want.spec, labels=labels), change)
        case _:
            node = site.add(steps.CreateContent(name=want.name, labels=labels), change)
    site.made[change.key] = node


def _empty_network(site: Site, change: Change) -> set[int]:
    """Detach every container of ours and remove the old network."""
    live = present(change)
    left = set()
    for key in sorted(site.observed.live):
        for container in site.observed.live[key] if key.kind is Kind.CONTAINER else ():
            networks = container.fields.get("Networks")
            if isinstance(networks, Mapping) and live.name in networks:
                step = steps.DisconnectNetwork(
                    container=steps.Existing(container.handle), name=container.name, network=live.name
                )
                left.add(site.add(step, change))
    gone = site.add(steps.RemoveNetwork(handle=live.handle, name=live.name), change, left)
    return {gone}


def images_first(site: Site) -> None:
    """A release whose image cannot be had changes nothing that runs."""
    images = {d.id for d in site.drafts if isinstance(d.step, steps.PullImage | steps.BuildImage)}
    for draft in site.drafts:
        if not draft.needs and not isinstance(draft.step, _HARMLESS):
            draft.needs |= images


def remove(site: Site, acting: Iterable[Change], everything: set[int]) -> None:
    """Last of all, what no container is attached to any more."""
    acting = tuple(acting)
    for change in of_kind(acting, Kind.NETWORK):
        gone = (change.before,) if change.verb is Verb.DELETE and change.before else ()
        for live in (*gone, *change.extras):
            if not live.endpoints:
                site.add(steps.RemoveNetwork(handle=live.handle, name=live.name), change, everything)
    for change in of_kind(acting, Kind.CONTENT):
        if change.verb is Verb.DELETE and change.before:
            site.add(steps.RemoveContent(name=change.before.name), change, everything)
    for change in of_kind(acting, Kind.VOLUME):
        if change.verb is Verb.DELETE and change.before:
            # The engine would not let it go before, and reading it may take long.
            archive = steps.ArchiveVolume(name=change.before.name, app=str(change.key.app), approval=change.approval)
            written = site.add(archive, change, everything, timeout_s=ARCHIVE_S)
            last = steps.RemoveVolume(name=change.before.name, archive=written)
            site.add(last, change, {written}, timeout_s=ARCHIVE_S)
