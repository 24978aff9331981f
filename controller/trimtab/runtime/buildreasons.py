"""Why an image is built, in file names: its sources now, compared with the commit that runs.

It is for the reader alone: a plan's id and digests are made before, and a build is planned without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from trimtab.model.change import Change, Verb
from trimtab.model.desired import DesiredState
from trimtab.model.keys import AppKey, Kind, ResourceKey
from trimtab.model.observed import ObservedState
from trimtab.model.snapshot import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildReasons:
    """``tree_at`` gives an application's repository at a commit; ``changed`` a sentence for a build and two trees."""

    tree_at: Callable[[AppKey, str], Tree | None]
    changed: Callable[[object, Tree, Tree], str]

    def told(
        self, changes: tuple[Change, ...], desired: DesiredState, observed: ObservedState, tree: Tree, applied: str
    ) -> tuple[Change, ...]:
        """The changes, with the files that each build is for; ``applied`` is the commit that was applied last."""
        builds = [change for change in changes if change.verb is Verb.BUILD]
        if not builds:
            return changes
        trees: dict[str, Tree | None] = {}
        running = _running(observed)
        details: dict[ResourceKey, str] = {}
        for change in builds:
            revision = running.get(change.key.name) or applied
            if not revision or revision == desired.revision:
                continue
            if revision not in trees:
                trees[revision] = self.tree_at(desired.app, revision)
            before = trees[revision]
            if before is not None and (detail := self.changed(desired.builds.get(change.name), tree, before)):
                details[change.key] = detail
        return tuple(
            replace(change, detail=details[change.key]) if change.key in details and change in builds else change
            for change in changes
        )


def _running(observed: ObservedState) -> Mapping[str, str]:
    """By service, the commit that its first container was made from."""
    found: dict[str, str] = {}
    for key in sorted(observed.live):
        if key.kind is Kind.CONTAINER:
            for live in observed.live[key]:
                if live.revision:
                    found.setdefault(key.name, live.revision)
    return found
