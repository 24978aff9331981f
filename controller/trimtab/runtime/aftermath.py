"""A release that was carried out, turned out bad, and that nothing goes in the place of: it is what runs.

It is not tried again. But what a person or the engine stops or removes of it is put right like any drift, and when all
of it has run well for a while after all (a database that needed longer than its health check allows), it is a healthy
release like any other.
"""

from __future__ import annotations

import threading
from typing import TypeVar

from trimtab.model.keys import AppKey
from trimtab.model.records import AppliedState
from trimtab.model.status import HealthStatus
from trimtab.plan.drift import is_repair
from trimtab.ports import Clock
from trimtab.runtime.planner import Look

StepT = TypeVar("StepT")

# How long all of it has to be well in a row: as long as a healthy release may be unwell before it is given up.
RECOVERED_S = 30.0


class Aftermath:
    """Remembers since when such a release is well; in memory, so that a restart begins anew."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._well: dict[AppKey, tuple[str, float]] = {}
        self._lock = threading.Lock()

    @staticmethod
    def runs(look: Look[StepT], state: AppliedState) -> bool:
        """Whether what failed is what runs: all of its steps had succeeded."""
        digest = look.desired.digest
        return bool(digest) and state.failed_digest == digest == state.applied_digest

    def repairs(self, look: Look[StepT], state: AppliedState) -> bool:
        """Whether the plan puts right what somebody did to it, and nothing else."""
        return self.runs(look, state) and not look.plan.empty and is_repair(look.plan.changes)

    def missing_s(self, look: Look[StepT], state: AppliedState, health: HealthStatus) -> float | None:
        """For how many more seconds it has to be well; None when it is not, or is no such release."""
        key, digest = look.plan.app, look.desired.digest
        with self._lock:
            if not self.runs(look, state) or not look.plan.empty or health is not HealthStatus.HEALTHY:
                self._well.pop(key, None)
                return None
            now_s = self._clock.monotonic_s()
            known, since_s = self._well.get(key, ("", now_s))
            if known != digest:
                since_s = now_s
            self._well[key] = (digest, since_s)
            return max(since_s + RECOVERED_S - now_s, 0.0)
