"""What the runtime needs of the world: time, a place for occurrences, counters."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from trimtab.model.events import Event


class Clock(Protocol):
    """Time as the runtime sees it, so that tests can own it."""

    def now(self) -> datetime:
        """Wall clock, aware, UTC."""
        ...

    def monotonic_s(self) -> float:
        """Seconds that only go forward."""
        ...


class EventSink(Protocol):
    """Where occurrences go: store, log, metrics, streams. Must not raise, must not block for long."""

    def emit(self, event: Event) -> None:
        """Take one event."""
        ...


class Meter(Protocol):
    """Counts and measures; names and labels are those of observability.metrics. Must not raise, must not block."""

    def count(self, name: str, amount: float = 1.0, /, **labels: str) -> None:
        """Add to a counter."""
        ...

    def gauge(self, name: str, value: float, /, **labels: str) -> None:
        """Set a gauge."""
        ...

    def observe(self, name: str, value: float, /, **labels: str) -> None:
        """Add one value to a histogram."""
        ...

    def forget(self, name: str, /, **current: str) -> None:
        """Drop a gauge's series of what is gone."""
        ...
