"""Whether a release that was carried out proves well: what there is to wait for, and when it is given up.

At first it has until its deadline, and is given up earlier only when waiting cannot help. Once it ran well it is
*healthy*; until its deadline it can still turn out bad, and then a shorter patience counts, since what served before
is known. After its deadline nothing is given up: what ran well that long is repaired, not replaced by something older.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from trimtab.model.keys import AppKey
from trimtab.model.status import HealthStatus
from trimtab.ports import Clock

# A healthy release may be unwell for this long before its deadline: a restart, a neighbour that is away for a moment.
PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a release stands: ``left_s`` to its deadline, ``hopeless`` says why waiting cannot help ("" if it can)."""

    health: HealthStatus
    message: str
    hopeless: str
    left_s: float
    timeout_s: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The release failed, and why."""

    reason: str


class Probation:
    """Remembers since when a healthy release is unwell; in memory, so that a restart begins anew."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._unwell: dict[AppKey, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def at_first(self, standing: Standing) -> GiveUp | float:
        """A release that has not run well yet: given up, or the seconds until its deadline."""
        if standing.hopeless or standing.left_s <= 0:
            return GiveUp(standing.hopeless or f"not healthy within {standing.timeout_s:.0f} s: {standing.message}")
        return standing.left_s

    def later(self, key: AppKey, digest: str, standing: Standing) -> GiveUp | float | None:
        """A healthy release: given up, the seconds until it has to be looked at again, or None when all is well."""
        with self._lock:
            if standing.health is not HealthStatus.DEGRADED or standing.left_s <= 0:
                self._unwell.pop(key, None)
                return None
            now_s = self._clock.monotonic_s()
            known, since_s = self._unwell.get(key, ("", now_s))
            if known != digest:
                since_s = now_s
            self._unwell[key] = (digest, since_s)
            patient_s = min(since_s + PATIENCE_S - now_s, standing.left_s)
            if standing.hopeless or patient_s <= 0:
                del self._unwell[key]
                what = standing.hopeless or standing.message
                return GiveUp(f"it ran well at first and then did not, within {standing.timeout_s:.0f} s: {what}")
            return patient_s
