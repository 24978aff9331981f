"""A service's containers in groups, one group after the other, as its ``update_config`` says; or all as one. Pure.

Within a group they go at once. The next group has its turn when all of the groups before are over, whatever became of
them, unless more of them failed than may; what is then left over is not touched.
"""

from __future__ import annotations

from collections.abc import Sequence

from trimtab.backends.engine import steps
from trimtab.backends.engine.lower import address
from trimtab.backends.engine.lower.reading import update_rule, wanted
from trimtab.backends.engine.lower.site import Replacement, Site
from trimtab.backends.engine.lower.traffic import rules


def arrange(site: Site) -> None:
    """Let each group of replacements wait for those before it."""
    services: dict[str, list[Replacement]] = {}
    for key in sorted(site.replacements):
        services.setdefault(key.name, []).append(site.replacements[key])
    for name in sorted(services):
        if rules(services[name][0].change.after).together:
            _together(site, services[name])
        else:
            _in_turn(site, name, services[name])


def _together(site: Site, all_of_it: Sequence[Replacement]) -> None:
    """Whatever follows the proof of one of them, the way back included, waits for the proofs of all."""
    proofs = {one.proof for one in all_of_it}
    for draft in site.drafts:
        if draft.needs & proofs:
            draft.needs |= proofs
    address.together(site, all_of_it)


def _in_turn(site: Site, service: str, all_of_it: Sequence[Replacement]) -> None:
    rule = update_rule(wanted(all_of_it[0].change))
    size = rule.parallelism or len(all_of_it)
    for begin in range(size, len(all_of_it), size):
        earlier, group = all_of_it[:begin], all_of_it[begin : begin + size]
        turn = site.turn(
            steps.AwaitTurn(service=service, delay_s=rule.delay_s),
            group[0].change,
            # The way back, too: two that are down at once are what the groups are there to prevent.
            {node for one in earlier for node in (one.last, one.undone)},
            tolerance=rule.tolerance(len(all_of_it)),
            pause_s=rule.delay_s,
        )
        for one in group:
            for node in sorted(one.begins):
                site.drafts.need(node, {turn})
