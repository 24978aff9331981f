"""A volume that takes over another's data, and the containers that change over to it: all of them, or none. Pure.

Who uses the old volume stops; then it is copied and verified; then the new containers are made and prove themselves;
then the new volume is settled, and only then an old container is removed. Whatever fails before puts every old
container back on the old volume, after every new one was discarded: never do both volumes have a writer.
"""

from __future__ import annotations

from collections.abc import Iterable

from trimtab.backends.engine import steps
from trimtab.backends.engine.drafts import Draft
from trimtab.backends.engine.labels import COPIED_FROM
from trimtab.backends.engine.lower.reading import mounted_volumes, wanted
from trimtab.backends.engine.lower.site import ARCHIVE_S, Site
from trimtab.model.change import Change, Verb
from trimtab.model.keys import Kind
from trimtab.model.observed import Live
from trimtab.model.plan import RunWhen


def make(site: Site, change: Change) -> None:
    """The copy (unless an interrupted sync has made it) and the end of the move, for ``arrange`` to put in order."""
    want, source = wanted(change), change.source
    if source is None:
        message = f"{change.key} takes over data, and nothing says whose"
        raise ValueError(message)
    settled = steps.SettleVolume(name=want.name)
    if change.verb is Verb.CREATE:
        labels = {**site.labels(want), COPIED_FROM: source.name}
        copy = steps.CopyVolume(name=want.name, spec=want.spec, labels=labels, source=source.name)
        made = site.add(copy, change, timeout_s=ARCHIVE_S)
        site.made[change.key] = made
        site.settled[want.name] = site.add(settled, change, {made})
    else:
        site.settled[want.name] = site.add(settled, change)


def at_once(site: Site, acting: Iterable[Change]) -> None:
    """Who changes over to another volume does so with all others, not in groups one after the other."""
    acting = tuple(acting)
    sources = {change.source.name for change in acting if change.source is not None}
    for change in acting:
        if _on(change.before, sources):
            site.replacements.pop(change.key, None)


def arrange(site: Site, acting: Iterable[Change]) -> None:
    """Needs between the copies and everything that is done to containers on either volume."""
    acting = tuple(acting)
    moves = [change for change in acting if change.key.kind is Kind.VOLUME and change.source is not None]
    if not moves:
        return
    sources = {change.source.name for change in moves if change.source is not None}
    targets = {change.name for change in moves}
    again = {change.name for change in moves if change.verb is Verb.CREATE}
    copies = {site.made[change.key] for change in moves if change.key in site.made}
    settled = {site.settled[change.name] for change in moves}
    touched = [change for change in acting if change.key.kind is Kind.CONTAINER and change.before is not None]
    replaced = [change for change in touched if change.verb is Verb.REPLACE and _on(change.before, sources)]
    for change in touched:
        for live in (change.before, *change.extras):
            if live is not None and (_on(live, sources) or _on(live, again)):
                _out_of_the_way(site, change, live, copies, gone=_on(live, again))
    for node in settled:
        site.drafts.need(node, {site.proofs[change.key] for change in replaced})
    for change in replaced:
        for draft in _of(site, change, steps.RemoveContainer, change.before):
            draft.needs |= settled
    _all_or_none(site, replaced, copies)
    _newcomers(site, acting, replaced, targets, settled)


def _on(live: Live | None, volumes: set[str]) -> bool:
    return live is not None and bool(mounted_volumes(live.fields) & volumes)


def _of(site: Site, change: Change, kind: type[steps.EngineStep], live: Live | None = None) -> list[Draft]:
    """Drafts of ``change`` with such a step, on the container ``live`` if one is given."""
    return [
        draft
        for draft in site.drafts
        if draft.key == change.key
        and isinstance(draft.step, kind)
        and (live is None or getattr(draft.step, "container", None) == steps.Existing(live.handle))
    ]


def _out_of_the_way(site: Site, change: Change, live: Live, copies: set[int], *, gone: bool) -> None:
    """``live`` is stopped before a copy is made, and ``gone`` when it is on what will be copied again."""
    stops = _of(site, change, steps.StopContainer, live)
    for draft in stops:
        # It cannot wait for its successor, which waits for the copy.
        draft.needs.clear()
    first = {draft.id for draft in stops}
    if gone:
        for draft in _of(site, change, steps.RemoveContainer, live):
            draft.needs = set(first)
            first = first | {draft.id}
    for copy in copies:
        site.drafts.need(copy, first)


def _all_or_none(site: Site, replaced: list[Change], copies: set[int]) -> None:
    """One way back for all: first every new container goes, then every old one comes."""
    undos = [
        draft
        for change in replaced
        for draft in (*_of(site, change, steps.RestoreContainer), *_of(site, change, steps.DiscardContainer))
        if draft.when is RunWhen.FAILURE
    ]
    if not undos:
        return
    first = undos[0]
    for other in undos[1:]:
        first.needs |= other.needs
        first.timeout_s += other.timeout_s
        site.drafts.drop(other.id, first.id)
    ways = tuple(
        draft.step for draft in undos if isinstance(draft.step, steps.RestoreContainer | steps.DiscardContainer)
    )
    first.step = steps.RestoreContainers(ways=ways)
    first.needs |= copies


def _newcomers(
    site: Site, acting: tuple[Change, ...], replaced: list[Change], targets: set[str], settled: set[int]
) -> None:
    """A container that was not on the old volume has to wait until the new one is settled."""
    known = {change.key for change in replaced}
    for change in acting:
        new = change.after is not None and change.key.kind is Kind.CONTAINER and change.key not in known
        if new and change.after is not None and mounted_volumes(change.after.spec) & targets:
            for draft in (*_of(site, change, steps.CreateContainer), *_of(site, change, steps.StartContainer)):
                draft.needs |= settled
