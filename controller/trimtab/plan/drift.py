"""Which changes put back what was there: repairs, as opposed to what a commit brings. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from trimtab.model.change import Change, Reason
from trimtab.model.keys import Kind

REPAIRS = frozenset({Reason.DRIFT, Reason.MISSING, Reason.STOPPED, Reason.DUPLICATE})


def is_repair(changes: Iterable[Change]) -> bool:
    """Whether everything that is done only repairs; an image that is fetched for a repair is part of it."""
    return all(c.reason in REPAIRS for c in changes if c.acts and c.key.kind is not Kind.IMAGE)
