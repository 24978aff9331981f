"""Things that are done again and again: each at its own interval with jitter, never twice at once."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from itertools import count
from random import Random

from trimtab.ports import Meter
from trimtab.runtime.clock import WaitingClock
from trimtab.runtime.log import Log
from trimtab.runtime.meter import NoMeter
from trimtab.runtime.pool import DaemonPool

# How much earlier or later than its interval a turn may come, so that repositories are not all asked at once.
JITTER = 0.2

_log = Log(__name__)


class Job:
    """One of them. ``work`` may return the seconds until its next turn instead of the usual interval."""

    def __init__(
        self, scheduler: Scheduler, name: str, interval_s: float, work: Callable[[], float | None], *, jitter: float
    ) -> None:
        self.name = name
        self._scheduler = scheduler
        self._interval_s = interval_s
        self._work = work
        self._jitter = jitter
        # Guarded by the scheduler's lock.
        self.turn = -1
        self.running = False
        self.again = False

    def hurry(self) -> None:
        """Do it now; once more when it is running, since it may have looked already."""
        self._scheduler.hurry(self)

    def perform(self, random: Random, meter: Meter) -> float:
        """In a thread of the pool: do it; the seconds until the next turn."""
        asked: float | None = None
        try:
            asked = self._work()
        except Exception as error:  # noqa: BLE001 - it comes round again; the others must not suffer
            _log.error("a regular job failed in a way nobody foresaw", job=self.name, cause=error)
            meter.count("internal_errors_total")
        interval_s = self._interval_s if asked is None else asked
        return interval_s * (1.0 + self._jitter * (2.0 * random.random() - 1.0))


class Scheduler:
    """One thread that knows what is due; the work itself is done by a pool, since it may block."""

    def __init__(
        self, clock: WaitingClock, random: Random, *, pool: DaemonPool | None = None, meter: Meter | None = None
    ) -> None:
        self._clock = clock
        self._random = random
        self._pool = pool or DaemonPool("trimtab-job")
        self._meter = meter or NoMeter()
        self._condition = threading.Condition()
        self._turns = count()
        self._due: list[tuple[float, int, Job]] = []
        self._stopped = False

    def every(
        self,
        name: str,
        interval_s: float,
        work: Callable[[], float | None],
        *,
        first_s: float = 0.0,
        jitter: float = JITTER,
    ) -> Job:
        """Do ``work`` after ``first_s`` and then at every interval."""
        job = Job(self, name, interval_s, work, jitter=jitter)
        with self._condition:
            self._plan(job, first_s)
        return job

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._serve, name="trimtab-scheduler", daemon=True).start()

    def stop(self) -> None:
        """Start nothing more; what runs is not waited for."""
        with self._condition:
            self._stopped = True
            self._condition.notify_all()
        self._pool.close()

    def hurry(self, job: Job) -> None:
        """See Job.hurry."""
        with self._condition:
            if job.running:
                job.again = True
            else:
                self._plan(job, 0.0)

    def _plan(self, job: Job, delay_s: float) -> None:
        """Its next turn; an earlier plan for it is void."""
        job.turn = next(self._turns)
        heapq.heappush(self._due, (self._clock.monotonic_s() + delay_s, job.turn, job))
        self._condition.notify_all()

    def _serve(self) -> None:
        with self._condition:
            while not self._stopped:
                now_s = self._clock.monotonic_s()
                while self._due and self._due[0][0] <= now_s:
                    _, turn, job = heapq.heappop(self._due)
                    if turn == job.turn and not job.running:
                        job.running = True
                        self._pool.submit(lambda job=job: self._run(job))  # type: ignore[misc]
                self._clock.wait(self._condition, self._due[0][0] - now_s if self._due else None)

    def _run(self, job: Job) -> None:
        after_s = job.perform(self._random, self._meter)
        with self._condition:
            again, job.again, job.running = job.again, False, False
            if not self._stopped:
                self._plan(job, 0.0 if again else after_s)
