"""Starting while the engine is away, or fails now and then: asked again until it answers, or one is told to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from trimtab.errors import TransientError, TrimtabError

T = TypeVar("T")
FIRST_S = 0.5
LONGEST_S = 15.0


def patiently(make: Callable[[], T], *, stop: threading.Event, tell: Callable[[TrimtabError, float], None]) -> T | None:
    """What ``make`` makes, however long an outage takes; None when ``stop`` is set before.

    Args:
        make: leaves nothing behind when it fails.
        stop: ends the waiting at once.
        tell: hears each reason once in a row, and in how many seconds it is tried again.

    Raises:
        TrimtabError: anything that waiting does not help against.
    """
    delay_s, told = FIRST_S, ""
    while not stop.is_set():
        try:
            return make()
        except TransientError as error:
            if str(error) != told:
                tell(error, delay_s)
            told = str(error)
        stop.wait(delay_s)
        delay_s = min(delay_s * 2, LONGEST_S)
    return None
