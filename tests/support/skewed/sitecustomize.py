"""Python reads this at its start when this folder is on PYTHONPATH: the controller's wall clock then goes wrong.

The seconds are read from the file that TEST_CLOCK_SKEW names, at each look at the clock, so that a test may move the
clock of a process that runs. The machine's own clock, and the engine's, go on as ever.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path


def _skew() -> None:
    from trimtab.runtime.clock import SystemClock

    file = Path(os.environ["TEST_CLOCK_SKEW"])

    def now(_clock: SystemClock) -> datetime:
        try:
            seconds = float(file.read_text(encoding="ascii") or 0)
        except FileNotFoundError:
            seconds = 0.0
        return datetime.now(UTC) + timedelta(seconds=seconds)

    SystemClock.now = now  # type: ignore[method-assign]  # the one place where the runtime asks for the time


if os.environ.get("TEST_CLOCK_SKEW"):
    _skew()
