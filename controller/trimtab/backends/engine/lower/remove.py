"""Containers that nothing wants any more. Pure."""

from __future__ import annotations

from trimtab.backends.engine.lower import containers
from trimtab.backends.engine.lower.reading import present, written_volumes
from trimtab.backends.engine.lower.site import Site
from trimtab.model.change import Change


def remove(site: Site, change: Change, settled: set[int]) -> None:
    """Stop and remove it after everything else is settled, earlier only if it holds what another wants."""
    taken = site.drafts.taken | site.wanted_claims
    for live in (present(change), *change.extras):
        # What holds a port that another wants, or writes to a volume that a new one writes to, stops first.
        held = (site.claims(live.fields) | written_volumes(live.fields)) & taken
        stopped = containers.stop(site, change, live, () if held else settled)
        site.drafts.releases(stopped, held)
        site.removed.append(containers.remove(site, change, live, {stopped, *settled}))
