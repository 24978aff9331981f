"""Whom a service's address sends connections to: what of a plan is about that alone. Pure.

It follows the health of what runs, so it is neither a release nor drift.
"""

from __future__ import annotations

from collections.abc import Iterable

from trimtab.model.change import Change, FieldChange, Reason

LISTED = "/Listed"


def reason(fields: Iterable[FieldChange], otherwise: Reason) -> Reason:
    """Why these fields differ."""
    found = {field.path for field in fields}
    return Reason.REPLICAS if found == {LISTED} else otherwise


def only_lists(changes: Iterable[Change]) -> bool:
    """Whether nothing is done but that an address follows its replicas: that waits for no window and no person."""
    acting = [change for change in changes if change.acts]
    return bool(acting) and all(change.reason is Reason.REPLICAS for change in acting)
