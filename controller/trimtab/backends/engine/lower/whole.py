"""Stage 8: changes as a DAG of engine steps. Pure.

The order is made of needs only: an object's needs first, what lets go of a port before what takes it,
removals last, so that nothing is taken away before its successor has proved itself.

Each module beside this one has one idea and adds its drafts to the ``Site``. What orders drafts that are there already
(who hands over a port, images before all that disturbs, batches, phases) does so by adding needs, in ``_arrange``.
"""

from __future__ import annotations

from collections.abc import Sequence

from trimtab.backends.engine.lower import batches, conditions, moving, objects
from trimtab.backends.engine.lower.create import create
from trimtab.backends.engine.lower.handover import hand_over
from trimtab.backends.engine.lower.order import put_in_order
from trimtab.backends.engine.lower.reading import of_kind
from trimtab.backends.engine.lower.remove import remove
from trimtab.backends.engine.lower.replace import replace
from trimtab.backends.engine.lower.runs import remove_runs, run, stop_runs
from trimtab.backends.engine.lower.site import Site
from trimtab.backends.engine.lower.stage import stage
from trimtab.backends.engine.lower.update import update
from trimtab.backends.engine.steps import EngineStep
from trimtab.model.change import Change, Promotion, Verb
from trimtab.model.keys import RUNS, Kind
from trimtab.model.plan import Node
from trimtab.plan.own import hands_over

_WORK = {Verb.CREATE: create, Verb.REPLACE: replace, Verb.UPDATE: update}


def lower(site: Site, changes: Sequence[Change]) -> tuple[Node[EngineStep], ...]:
    """Nodes in an order in which every need stands before its dependents; ``site`` is used up by it."""
    acting = [change for change in changes if change.acts]
    by_key = {change.key: change for change in acting if not hands_over(change, site.observed)}
    for change in of_kind(acting, Kind.IMAGE):
        objects.image(site, change)
    for kind in (Kind.NETWORK, Kind.VOLUME, Kind.CONTENT):
        for change in of_kind(acting, kind):
            objects.make(site, change)
    for key in conditions.start_order(site, by_key):
        staged = by_key[key].promotion is Promotion.STAGE
        if (work := stage if staged else _WORK.get(by_key[key].verb)) is not None:
            work(site, by_key[key])
    runs = [change for change in acting if change.key.kind in RUNS]
    for change in runs:
        if change.verb is Verb.RUN:
            run(site, change)
    settled = {node for place in site.places.values() for node in place.last}
    for change in of_kind(acting, Kind.CONTAINER):
        if change.verb is Verb.DELETE:
            remove(site, change, settled)
    stop_runs(site, runs)
    _arrange(site, acting)
    objects.remove(site, acting, settled | set(site.removed))
    put_in_order(site, acting)
    remove_runs(site, runs)
    hand_over(site, acting)
    return site.drafts.in_order()


def _arrange(site: Site, acting: Sequence[Change]) -> None:
    """Needs between drafts of different objects."""
    moving.at_once(site, acting)
    batches.arrange(site)
    site.drafts.hand_over()
    moving.arrange(site, acting)
    objects.images_first(site)
