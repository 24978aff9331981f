"""How soon the same field is put right again, and that somebody else keeps changing it.

At once the first time, then ever later. A field that was put right ``CONTENDED`` times in ``WINDOW_S`` is contended:
from then on it is put right once in ``SLOW_S``, and told of, until it was left alone for ``WINDOW_S``. Fields are
counted one by one, so that another one of the same object is not kept waiting. A new revision starts from nothing
(argo-cd #21599), and nothing is ever given up.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from trimtab.model.keys import AppKey, ResourceKey
from trimtab.ports import Clock

# Source of the first two: Argo CD's self-heal backoff, 2 s times 3.
DELAYS_S = (2.0, 6.0)
CONTENDED = 3
WINDOW_S = 600.0
SLOW_S = 300.0

# An object and one path of it; "" is the object as a whole.
Field = tuple[ResourceKey, str]


@dataclass(frozen=True, slots=True)
class _Repairs:
    """Repairs of one field for one desired digest, oldest first; once ``contended``, it stays so until left alone."""

    digest: str
    at_s: tuple[float, ...]
    contended: bool

    @property
    def not_before_s(self) -> float:
        return self.at_s[-1] + (SLOW_S if self.contended else DELAYS_S[len(self.at_s) - 1])


class SelfHealBackoff:
    """Remembers repairs by field, in memory; ``recall`` fills it from the event log. Safe from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._repairs: dict[Field, _Repairs] = {}
        self._recalled: set[AppKey] = set()

    def resting(self, app: AppKey, digest: str) -> Mapping[Field, float]:
        """Fields of ``app`` that are not to be put right yet, and the seconds until they are."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            known = {field: self._current(field, digest) for field in sorted(self._repairs) if field[0].app == app}
            waits = {field: found.not_before_s - now_s for field, found in known.items() if found is not None}
        return {field: wait_s for field, wait_s in waits.items() if wait_s > 0}

    def repaired(self, fields: Iterable[Field], digest: str, *, ago_s: float = 0.0) -> tuple[Field, ...]:
        """They were put right just now; those of them that have become contended by it."""
        at_s = self._clock.monotonic_s() - ago_s
        contended = []
        with self._lock:
            for field in fields:
                known = self._current(field, digest)
                before = known.at_s if known is not None else ()
                times = (*(each for each in before if each > at_s - WINDOW_S), at_s)
                was = known is not None and known.contended
                self._repairs[field] = _Repairs(digest, times, was or len(times) >= CONTENDED)
                if not was and len(times) >= CONTENDED:
                    contended.append(field)
        return tuple(contended)

    def contended(self, app: AppKey, digest: str) -> tuple[Field, ...]:
        """Fields that are fought over now."""
        with self._lock:
            known = {field: self._current(field, digest) for field in sorted(self._repairs) if field[0].app == app}
        return tuple(field for field, found in known.items() if found is not None and found.contended)

    def recall(self, app: AppKey) -> bool:
        """Whether what was repaired before this process began is still to be told, by ``repaired``; true once."""
        with self._lock:
            first = app not in self._recalled
            self._recalled.add(app)
            return first

    def forget(self, app: AppKey) -> None:
        """The application is gone from Git."""
        with self._lock:
            self._recalled.discard(app)
            for field in [field for field in self._repairs if field[0].app == app]:
                del self._repairs[field]

    def _current(self, field: Field, digest: str) -> _Repairs | None:
        known = self._repairs.get(field)
        if known is None:
            return None
        if known.digest != digest or self._clock.monotonic_s() - known.at_s[-1] >= WINDOW_S:
            del self._repairs[field]
            return None
        return known
