"""The queue between triggers and workers; its contract is controller-runtime's.

* One entry a key: what is added while it waits is merged into it (earliest time, highest priority, all requests).
* One worker a key: what is added while a key is being worked on waits until ``done``, and then runs again.
* Of the entries that are due, the highest priority goes first, then the one that has been due for longest.
* ``retry`` delays a key longer each time, up to a limit and with jitter, until ``forget``.

Source: sigs.k8s.io/controller-runtime pkg/controller/priorityqueue and pkg/reconcile, as a contract.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from random import Random

from trimtab.model.application import Backoff
from trimtab.model.keys import AppKey
from trimtab.model.trigger import PRIORITIES, Trigger, TriggerKind
from trimtab.ports import Meter
from trimtab.runtime.clock import WaitingClock
from trimtab.runtime.meter import NoMeter

# Keys that failed together shall not come back together: each delay is shortened by up to this share.
JITTER = 0.2
URGENT = PRIORITIES[TriggerKind.COMMIT]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One key to look at now. ``failures`` is how often in a row it was retried."""

    key: AppKey
    trigger: Trigger
    failures: int = 0


@dataclass(frozen=True, slots=True)
class _Entry:
    """What waits for a key; ``turn`` is unique, so that a heap item tells whether it is still the current one."""

    trigger: Trigger
    due_s: float
    turn: int


class WorkQueue:
    """Keys that want to be looked at, each at its time, each by one worker at once. Safe from any thread."""

    def __init__(
        self,
        clock: WaitingClock,
        random: Random,
        *,
        backoff: Callable[[AppKey], Backoff] = lambda _key: Backoff(),
        meter: Meter | None = None,
    ) -> None:
        self._clock = clock
        self._random = random
        self._backoff = backoff
        self._meter = meter or NoMeter()
        self._condition = threading.Condition()
        self._turns = count()
        self._entries: dict[AppKey, _Entry] = {}
        self._in_flight: set[AppKey] = set()
        self._failures: dict[AppKey, int] = {}
        # Both are cleaned lazily: an item whose turn is not its entry's any more is skipped.
        self._later: list[tuple[float, int, AppKey]] = []
        self._due: list[tuple[int, float, int, AppKey]] = []
        self._due_keys: set[AppKey] = set()
        self._closed = False

    def add(self, key: AppKey, trigger: Trigger, *, delay_s: float = 0.0) -> None:
        """Look at ``key``, now or later; merged with what waits for it already. Ignored once closed."""
        with self._condition:
            self._add(key, trigger, delay_s)
            self._condition.notify()

    def retry(self, key: AppKey, trigger: Trigger, *, after_s: float | None = None) -> float:
        """It failed: look again after its backoff, or after ``after_s`` when the other side named a time; the delay."""
        # Asked outside of the lock: it may have to wait for one of its own.
        policy = self._backoff(key)
        with self._condition:
            failures = self._failures.get(key, 0)
            self._failures[key] = failures + 1
            # The exponent is bounded first: a float cannot hold 2.0 ** 2000.
            delay_s = min(policy.duration_s * policy.factor ** min(failures, 64), policy.max_duration_s)
            delay_s *= 1.0 - JITTER * self._random.random()
            if after_s is not None:
                delay_s = after_s
            self._add(key, trigger, delay_s)
            self._condition.notify()
        self._meter.count("workqueue_retries_total")
        return delay_s

    def forget(self, key: AppKey) -> None:
        """It went well, or waits for something else: the next failure is the first."""
        with self._condition:
            self._failures.pop(key, None)

    def remove(self, key: AppKey) -> None:
        """The application is gone: nothing waits for it any more."""
        with self._condition:
            self._failures.pop(key, None)
            self._entries.pop(key, None)
            self._due_keys.discard(key)

    def postpone(self, key: AppKey, delay_s: float) -> None:
        """What waits for ``key`` waits at least that long, unless a commit or a request is among it."""
        with self._condition:
            entry = self._entries.get(key)
            if entry is None or entry.trigger.priority >= URGENT:
                return
            due_s = max(entry.due_s, self._clock.monotonic_s() + delay_s)
            self._entries[key] = later = _Entry(entry.trigger, due_s, next(self._turns))
            self._due_keys.discard(key)
            if key not in self._in_flight:
                self._schedule(key, later)

    def get(self, timeout_s: float | None = None) -> Work | None:
        """The next key that is due, which is the caller's until ``done``; None when closed or after ``timeout_s``."""
        deadline_s = None if timeout_s is None else self._clock.monotonic_s() + timeout_s
        with self._condition:
            while not self._closed:
                now_s = self._clock.monotonic_s()
                self._promote(now_s)
                if (work := self._take(now_s)) is not None:
                    return work
                if deadline_s is not None and now_s >= deadline_s:
                    return None
                self._clock.wait(self._condition, self._until_next(now_s, deadline_s))
        return None

    def done(self, key: AppKey) -> None:
        """The caller of ``get`` has finished with ``key``."""
        with self._condition:
            self._in_flight.discard(key)
            if (entry := self._entries.get(key)) is not None:
                self._schedule(key, entry)
                self._condition.notify()

    def close(self) -> None:
        """Hand out nothing more; everyone in ``get`` returns."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    @property
    def depth(self) -> int:
        """Keys that are due and wait for a worker."""
        with self._condition:
            self._promote(self._clock.monotonic_s())
            return len(self._due_keys)

    def waiting(self) -> tuple[AppKey, ...]:
        """Keys with an entry, due or not, sorted."""
        with self._condition:
            return tuple(sorted(self._entries))

    # -- under the lock ------------------------------------------------------------------------------------------

    def _add(self, key: AppKey, trigger: Trigger, delay_s: float) -> None:
        if self._closed:
            return
        due_s = self._clock.monotonic_s() + max(delay_s, 0.0)
        if (known := self._entries.get(key)) is not None:
            trigger, due_s = known.trigger.merged(trigger), min(known.due_s, due_s)
        entry = _Entry(trigger, due_s, next(self._turns))
        self._entries[key] = entry
        self._meter.count("workqueue_adds_total", trigger=trigger.kind.value)
        if key not in self._in_flight:
            self._schedule(key, entry)

    def _schedule(self, key: AppKey, entry: _Entry) -> None:
        heapq.heappush(self._later, (entry.due_s, entry.turn, key))
        self._promote(self._clock.monotonic_s())

    def _promote(self, now_s: float) -> None:
        """Move what has become due to where priority counts."""
        while self._later and self._later[0][0] <= now_s:
            due_s, turn, key = heapq.heappop(self._later)
            entry = self._entries.get(key)
            if entry is not None and entry.turn == turn and key not in self._in_flight:
                heapq.heappush(self._due, (-entry.trigger.priority, due_s, turn, key))
                self._due_keys.add(key)
        self._meter.gauge("workqueue_depth", len(self._due_keys))

    def _take(self, now_s: float) -> Work | None:
        while self._due:
            _, due_s, turn, key = heapq.heappop(self._due)
            entry = self._entries.get(key)
            if entry is None or entry.turn != turn:
                continue
            del self._entries[key]
            self._due_keys.discard(key)
            self._in_flight.add(key)
            self._meter.observe("workqueue_wait_seconds", now_s - due_s)
            self._meter.gauge("workqueue_depth", len(self._due_keys))
            return Work(key=key, trigger=entry.trigger, failures=self._failures.get(key, 0))
        return None

    def _until_next(self, now_s: float, deadline_s: float | None) -> float | None:
        times = [at for at in (self._later[0][0] if self._later else None, deadline_s) if at is not None]
        return max(min(times) - now_s, 0.0) if times else None
