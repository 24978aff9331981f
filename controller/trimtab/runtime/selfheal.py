"""How soon the same object is put right again: at once the first time, then ever later, so that nobody is fought.

Source: Argo CD's self-heal backoff, 2 s times 3 up to 300 s; unlike there, a new revision starts from nothing
(argo-cd #21599), and nothing is ever given up.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from trimtab.model.keys import ResourceKey
from trimtab.ports import Clock

FIRST_S = 2.0
FACTOR = 3.0
MAX_S = 300.0
# An object that was left alone for this long after its last repair is not being fought over.
FORGIVEN_S = 2 * MAX_S


@dataclass(frozen=True, slots=True)
class _Repairs:
    """Repairs of one object at one desired digest; ``not_before_s`` is when the next one may come."""

    digest: str
    count: int
    last_s: float
    not_before_s: float


class SelfHealBackoff:
    """Remembers repairs by object; kept in memory, since a restart may well try once more. Safe from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._repairs: dict[ResourceKey, _Repairs] = {}

    def wait_s(self, key: ResourceKey, digest: str) -> float:
        """Seconds until this object may be repaired (0: now); ``digest`` is what it should be."""
        with self._lock:
            known = self._current(key, digest)
            return 0.0 if known is None else max(known.not_before_s - self._clock.monotonic_s(), 0.0)

    def repaired(self, key: ResourceKey, digest: str) -> int:
        """It was put right just now; how often in a row."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            known = self._current(key, digest)
            count = 1 if known is None else known.count + 1
            delay_s = min(FIRST_S * FACTOR ** min(count - 1, 32), MAX_S)
            self._repairs[key] = _Repairs(digest, count, now_s, now_s + delay_s)
            return count

    def forget(self, key: ResourceKey) -> None:
        """The object is gone from Git."""
        with self._lock:
            self._repairs.pop(key, None)

    def _current(self, key: ResourceKey, digest: str) -> _Repairs | None:
        known = self._repairs.get(key)
        if known is None:
            return None
        if known.digest != digest or self._clock.monotonic_s() - known.last_s >= FORGIVEN_S:
            del self._repairs[key]
            return None
        return known
