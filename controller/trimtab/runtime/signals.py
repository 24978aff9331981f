"""SIGTERM and Ctrl-C: the first asks to stop, the second ends at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# Source: the convention of shells, 128 plus the signal's number.
EXIT_BASE = 128


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """An event that is set by the first SIGTERM or SIGINT; handlers are put back at the end. Main thread only."""
    stop = threading.Event()

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            # Asked twice: no more waiting. A kill at any line is survived (I2), so this is too.
            os._exit(EXIT_BASE + number)
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
