"""How soon the same field is put right again, and that somebody else keeps changing it.

At once the first time, then ever later, down to once in ``MAX_S``. A field that was put right ``CONTENDED`` times in
``WINDOW_S`` is contended, which is told, and waits for longer from then on, until it was left alone for ``WINDOW_S``;
what is gone or stopped waits for less, since nobody is served meanwhile. Fields are counted one by one, so that
another one of the same object is not kept waiting. A new revision starts from nothing (argo-cd #21599), and nothing is
ever given up.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from trimtab.model.keys import AppKey, ResourceKey
from trimtab.ports import Clock

# Source: Argo CD's self-heal backoff, 2 s times 3 up to 300 s.
FIRST_S = 2.0
FACTOR = 3.0
MAX_S = 300.0
CONTENDED = 3
WINDOW_S = 600.0
# The first pause of a field that is fought over.
SLOW_S = 60.0
STATE = "/State/"

# An object and one path of it; "" is the object as a whole.
Field = tuple[ResourceKey, str]


@dataclass(frozen=True, slots=True)
class _Repairs:
    """Repairs of one field for one desired digest: those of the last ``WINDOW_S``, and how many in a row."""

    digest: str
    at_s: tuple[float, ...]
    count: int
    contended: bool

    def not_before_s(self, path: str) -> float:
        """When it may be put right again."""
        down = path == "" or path.startswith(STATE)
        slow = self.contended and not down
        delay_s = SLOW_S * FACTOR ** (self.count - CONTENDED) if slow else FIRST_S * FACTOR ** (self.count - 1)
        return self.at_s[-1] + min(delay_s, MAX_S)


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
            waits = {f: found.not_before_s(f[1]) - now_s for f, found in known.items() if found is not None}
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
                count = min(known.count, 32) + 1 if known is not None else 1
                self._repairs[field] = _Repairs(digest, times, count, was or len(times) >= CONTENDED)
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
