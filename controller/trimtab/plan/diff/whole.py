"""The comparison as a whole: every key once, then what follows from what was found. Pure."""

from __future__ import annotations

from trimtab.model.change import Change
from trimtab.model.desired import DesiredState
from trimtab.model.keys import RUNS, Kind, ResourceKey
from trimtab.model.observed import ObservedState
from trimtab.plan import moves, promotion
from trimtab.plan.diff.dialect import Dialect
from trimtab.plan.diff.existing import existing
from trimtab.plan.diff.followers import follow
from trimtab.plan.diff.images import drop_unneeded, image_change
from trimtab.plan.diff.missing import missing, renamed
from trimtab.plan.diff.options import DiffOptions
from trimtab.plan.diff.pairing import NAMED, contested_claims, moved_keys
from trimtab.plan.diff.unwanted import unwanted
from trimtab.plan.drift import settle
from trimtab.plan.outlived import follow_restarts
from trimtab.plan.runs import run_changes


def diff(  # noqa: C901 - one line a case
    desired: DesiredState, observed: ObservedState, dialect: Dialect, options: DiffOptions
) -> tuple[Change, ...]:
    """Every change, in key order. ``options.known`` are keys that were applied before (a missing one is drift)."""
    changes: dict[ResourceKey, Change] = {}
    contested = contested_claims(desired, observed, dialect)
    moved = moved_keys(desired, observed)
    for key in sorted({*desired.resources, *observed.live} - set(moved.values())):
        want, lives = desired.resources.get(key), observed.live.get(moved.get(key, key), ())
        if key.kind in RUNS:
            found = None
        elif want is None:
            found = unwanted(key, lives, desired, observed, dialect, options)
        elif key.kind is Kind.IMAGE:
            found = image_change(want, observed)
        elif want.external:
            found = None
        elif not lives:
            found = missing(want, observed, options)
        elif (taking_over := moves.volume(want, lives, observed, dialect)) is not None:
            found = taking_over
        elif key.kind in NAMED and all(live.name != want.name for live in lives):
            found = renamed(want, lives, observed, dialect, options)
        else:
            found = existing(want, lives, observed, dialect, options, contested)
        if found is not None and (settled := settle(found, options.drift)) is not None:
            changes[key] = settled
    follow(changes, desired, observed, dialect, contested)
    follow_restarts(changes, desired, observed, options.now, lambda change: settle(change, options.drift))
    promotion.withhold(changes, desired, observed, dialect, options.approved)
    acting = any(change.acts and key.kind is not Kind.IMAGE for key, change in changes.items())
    runs = run_changes(desired, observed, acting=acting, prune=options.prune, options=options.hooks)
    for run in promotion.runs_meanwhile(runs, tuple(changes.values())):
        changes[run.key] = run
    moves.exclusive(changes, observed, dialect)
    moves.going_back(changes, desired, observed, dialect)
    drop_unneeded(changes, desired)
    return tuple(changes[key] for key in sorted(changes))
