"""Real time for the runtime, and waiting as something that a test can own."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import Protocol

from trimtab.ports import Clock


class WaitingClock(Clock, Protocol):
    """A clock that can also be waited on: the queue and the timers sleep through it and nowhere else."""

    def wait(self, condition: threading.Condition, timeout_s: float | None) -> None:
        """Wait on a held condition until it is notified, ``timeout_s`` has passed, or for no reason at all."""
        ...


class SystemClock:
    """The machine's own."""

    def now(self) -> datetime:
        """Wall clock, aware, UTC."""
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        """Seconds that only go forward."""
        return time.monotonic()

    def wait(self, condition: threading.Condition, timeout_s: float | None) -> None:
        """Wait on a held condition."""
        condition.wait(timeout_s)
