"""Several applications and a loop in fake time: what ``ControlLoop`` does with each pass's Next, one pass at a time.

Time goes forward only to the next thing that is planned, so a test can say when, to the second, something happened.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import datetime
from itertools import count

from tests.support.clock import FakeClock
from tests.support.process import Process
from trimtab.model.keys import AppKey
from trimtab.model.status import Requeue, Retry, Wait
from trimtab.model.trigger import TriggerKind
from trimtab.runtime.reconciler import RESYNC_S

RETRY_S = 5.0


class Fleet:
    """``resync`` off: nothing is looked at merely because time went by, so what happens was woken by an event."""

    def __init__(self, process: Process, clock: FakeClock, *, resync: bool = True) -> None:
        self.process, self.clock, self.resync = process, clock, resync
        self.passes: list[tuple[datetime, AppKey, TriggerKind]] = []
        self._planned: list[tuple[float, int, AppKey, TriggerKind]] = []
        self._turns = count()

    def wake(self, key: AppKey, kind: TriggerKind, after_s: float = 0.0) -> None:
        heapq.heappush(self._planned, (self.clock.monotonic_s() + after_s, next(self._turns), key, kind))

    def commit(self) -> None:
        """The repository is read, and everyone it concerns is woken."""
        self.process.read()
        for view in self.process.catalog.views():
            self.wake(view.key, TriggerKind.COMMIT)

    def run(self, until: Callable[[], bool] = lambda: False, *, at_most_s: float = 3600.0, passes: int = 2000) -> None:
        """Passes until ``until`` holds, nothing is planned any more, or ``at_most_s`` are over."""
        end_s = self.clock.monotonic_s() + at_most_s
        while self._planned and not until():
            due_s, _, key, kind = heapq.heappop(self._planned)
            if due_s > end_s:
                self.wake(key, kind, due_s - self.clock.monotonic_s())
                break
            self.clock.advance(max(due_s - self.clock.monotonic_s(), 0.0))
            self._pass(key, kind)
            assert len(self.passes) < passes, "it does not come to rest"
        if not until():
            self.clock.advance(max(end_s - self.clock.monotonic_s(), 0.0))

    def _pass(self, key: AppKey, kind: TriggerKind) -> None:
        self.passes.append((self.clock.now(), key, kind))
        followed = self.process.reconcile(key, kind)
        if isinstance(followed, Requeue | Wait) and (self.resync or followed.after_s < RESYNC_S):
            self.wake(key, TriggerKind.FOLLOW_UP, followed.after_s)
        if isinstance(followed, Retry):
            self.wake(key, TriggerKind.RETRY, RETRY_S)
        for other in self.process.woken:
            self.wake(other, TriggerKind.DEPENDENCY)
        self.process.woken.clear()
