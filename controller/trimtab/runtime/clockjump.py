"""Notices that the wall clock was set, or that the machine slept: whoever waits for a time of day looks again.

The queue counts monotonic seconds, which neither of the two moves. Both move the distance between the clocks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from trimtab.model.keys import AppKey
from trimtab.model.trigger import Trigger, TriggerKind
from trimtab.ports import Clock
from trimtab.runtime.log import Log
from trimtab.runtime.triggers import Notify

# Two clock readings; nothing is asked of anybody.
LOOK_S = 1.0
# NTP slews a clock by at most 0.5 ms a second; whatever moves it further between two looks has set it.
JUMP_S = 1.0

_log = Log(__name__)


class ClockWatch:
    """Wakes every application when the wall clock was moved against the monotonic one."""

    def __init__(self, notify: Notify, keys: Callable[[], Collection[AppKey]], clock: Clock) -> None:
        self._notify = notify
        self._keys = keys
        self._clock = clock
        self._distance_s = self._distance()

    def look(self) -> None:
        """Compare with the last look."""
        distance_s = self._distance()
        moved_s, self._distance_s = distance_s - self._distance_s, distance_s
        if abs(moved_s) < JUMP_S:
            return
        _log.warning("the wall clock was moved", seconds=round(moved_s, 1))
        detail = f"the clock was moved by {moved_s:+.0f} s"
        for key in sorted(self._keys()):
            self._notify(key, Trigger(kind=TriggerKind.FOLLOW_UP, at=self._clock.now(), detail=detail))

    def _distance(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic_s()
