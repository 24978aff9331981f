"""Time that a test moves by hand."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

# Real seconds between two looks at the fake time by someone who waits.
_TICK_S = 0.002


class FakeClock:
    """runtime.clock.WaitingClock: wall clock and monotonic time go forward together, only by ``advance``."""

    def __init__(self, start: datetime = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed_s = 0.0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed_s)

    def monotonic_s(self) -> float:
        return self._elapsed_s

    def advance(self, seconds: float) -> None:
        self._elapsed_s += seconds

    def set_wall(self, moved_s: float) -> None:
        """Somebody sets the wall clock; the monotonic one goes on as ever."""
        self._start += timedelta(seconds=moved_s)

    def wait(self, condition: threading.Condition, timeout_s: float | None) -> None:
        """Callers look again after any wake-up, so a short real wait serves for every fake one."""
        if timeout_s is None or timeout_s > 0:
            condition.wait(_TICK_S)
