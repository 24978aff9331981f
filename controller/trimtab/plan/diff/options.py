"""What the comparison is told besides desired and live: what the application allows, and what is remembered."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from trimtab.model.application import IgnoreDifference
from trimtab.model.keys import ResourceKey
from trimtab.plan.drift import DriftOptions
from trimtab.plan.runs import HookOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffOptions:
    """What the application allows; ``known`` are objects that were applied before.

    ``approved`` are ids of single changes that a person approved. ``drift`` says what is put right by itself; without
    it, as when a person asks, everything is. ``now`` tells times that can be believed from those of a wrong clock.
    """

    prune: bool = True
    ignore: tuple[IgnoreDifference, ...] = ()
    known: frozenset[ResourceKey] = frozenset()
    approved: frozenset[str] = frozenset()
    drift: DriftOptions | None = None
    now: datetime | None = None
    hooks: HookOptions = field(default_factory=HookOptions)
