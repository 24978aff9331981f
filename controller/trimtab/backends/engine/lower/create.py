"""A container that is not there yet. Pure."""

from __future__ import annotations

from trimtab.backends.engine import steps
from trimtab.backends.engine.labels import staging_name
from trimtab.backends.engine.lower import address, conditions, containers, traffic
from trimtab.backends.engine.lower.reading import wanted, written_volumes
from trimtab.backends.engine.lower.site import Places, Site
from trimtab.model.change import Change
from trimtab.model.keys import Kind


def create(site: Site, change: Change) -> None:
    """Make and start it; where its name is still held, under another name that it changes when it is proved."""
    want = wanted(change)
    # A service that was renamed may keep its container_name, which another container of ours has until it goes.
    existing = [one for key, lives in site.observed.live.items() if key.kind is Kind.CONTAINER for one in lives]
    held = any(live.name == want.name for live in existing)
    made = containers.make(site, change, staging_name(want.name, want.digest) if held else want.name)
    ref = steps.CreatedBy(made)
    start, started = containers.start(site, change, ref, {made, *conditions.met(site, change, want)})
    last = set(started)
    if held or traffic.rules(want).address:
        proof = containers.prove(site, change, ref, started)
        last = address.listed(site, change, ref, {proof})
    if held:
        renamed = site.add(steps.RenameContainer(container=ref, name=want.name), change, last)
        site.drafts.renames(renamed, want.name)
    site.drafts.takes(start, site.claims(want.spec) | written_volumes(want.spec))
    site.places[change.key] = Places(ref=ref, name=want.name, started=started, last=last)
