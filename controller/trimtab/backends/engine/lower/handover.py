"""The container that the plan is carried out in, replaced: all that can be done here is to prepare it. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from trimtab.backends.engine import steps
from trimtab.backends.engine.labels import staging_name
from trimtab.backends.engine.lower import containers
from trimtab.backends.engine.lower.reading import deadline_s, grace_s, present, wanted
from trimtab.backends.engine.lower.site import STOP_MARGIN_S, Site
from trimtab.model.change import Change
from trimtab.model.plan import RunWhen
from trimtab.plan.own import hands_over


def hand_over(site: Site, changes: Iterable[Change]) -> None:
    """The one change, if there is one, that replaces the container in which this runs."""
    for change in changes:
        if hands_over(change, site.observed):
            _exchange(site, change)


def _exchange(site: Site, change: Change) -> None:
    """Make the new one, and after everything else of the plan let a helper exchange the two.

    There is no undo here: the helper puts the old one back, and the step removes what failed.
    """
    want, old = wanted(change), present(change)
    others = {draft.id for draft in site.drafts if draft.when is RunWhen.SUCCESS}
    needs = set(others)
    for extra in change.extras:
        needs.add(containers.discard_extra(site, change, extra, others))
    ref: steps.ContainerRef
    if change.staged is not None:
        ref = steps.Existing(change.staged.handle)
    else:
        made = containers.make(site, change, staging_name(want.name, want.digest))
        site.drafts.need(made, needs)
        ref = steps.CreatedBy(made)
        needs.add(made)
    step = steps.HandOver(
        key=want.key,
        container=steps.Existing(old.handle),
        replacement=ref,
        name=want.name,
        digest=want.digest,
        spec=want.spec,
        grace_s=grace_s(want),
        deadline_s=deadline_s(want),
    )
    timeout_s = grace_s(want) + 2 * deadline_s(want) + 2 * STOP_MARGIN_S
    site.add(step, change, needs, timeout_s=timeout_s, waits=True)
