"""How a running pass is told to stop, and how long what it is in the middle of may take over that."""

from __future__ import annotations

import threading

# A step that is told to stop may finish one engine call; 30 s is three times Docker's default stop grace.
CANCEL_GRACE_S = 30.0
# A person who terminates a sync waits for it: a call that hangs is left behind sooner, unless it stops a container.
TERMINATE_GRACE_S = 2.0


class Cancellation(threading.Event):
    """Set once; ``grace_s`` is how long a step in flight may take to come back."""

    def __init__(self) -> None:
        super().__init__()
        self.grace_s = CANCEL_GRACE_S
        self.asked = False

    def now(self) -> None:
        """A person asks: whatever does not come back is left behind."""
        self.grace_s = TERMINATE_GRACE_S
        self.asked = True
        self.set()


def terminated(cancelled: threading.Event) -> bool:
    """Whether it was a person who cancelled."""
    return isinstance(cancelled, Cancellation) and cancelled.is_set() and cancelled.asked


def grace_s(cancelled: threading.Event) -> float:
    """How long a step in flight may take, once ``cancelled`` is set."""
    return cancelled.grace_s if isinstance(cancelled, Cancellation) else CANCEL_GRACE_S
