"""What the comparison asks of a backend: which object counts, whether it differs, how it could be replaced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from trimtab.model.change import FieldChange, Order
from trimtab.model.desired import Resource
from trimtab.model.keys import Kind
from trimtab.model.observed import Live, ObservedState


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Of several live objects for one key: the one in service, a replacement under way, and the rest."""

    current: Live
    staged: Live | None = None
    extras: tuple[Live, ...] = ()


class Dialect(Protocol):
    """What a backend knows about its own objects; all pure."""

    def select(self, want: Resource | None, lives: tuple[Live, ...], observed: ObservedState) -> Selection:
        """Choose among live objects of one key, deterministically."""
        ...

    def compare(self, want: Resource, live: Live, observed: ObservedState) -> tuple[FieldChange, ...]:
        """Fields that differ."""
        ...

    def state_change(self, want: Resource, live: Live) -> FieldChange | None:
        """What is wrong with how it runs (stopped, paused), if it should run."""
        ...

    def order(self, want: Resource, live: Live, contested: frozenset[str]) -> tuple[Order, str]:
        """How it would be replaced, and why so; ``contested`` are exclusive claims that others in this plan make."""
        ...

    def claims(self, fields: Mapping[str, object]) -> frozenset[str]:
        """What only one object can hold at a time: published ports, fixed addresses."""
        ...

    def volumes(self, live: Live) -> frozenset[str]:
        """Engine names of the volumes that a container mounts."""
        ...

    def anonymous_volumes(self, live: Live) -> tuple[str, ...]:
        """Volumes without a name of their own that nothing would name any more without this container."""
        ...

    def recreatable(self, kind: Kind) -> bool:
        """Whether a differing object may be made anew: not a volume."""
        ...
