"""Workers over the queue: one pass at a time for an application, many applications at once, and nothing ends it.

A worker takes a key, runs one pass, and turns what comes back into the key's next turn:

* Requeue: look again then, the backoff starts from nothing; Wait: the same, it is no failure;
* Retry: the queue's backoff, or the time that the other side named;
* Stalled: nothing, until an input changes, a person asks, or the regular full look comes by;
* an exception that the taxonomy knows: as its class says; any other: logged with its traceback, counted, retried.
  One application's defect is never another's (I12).

A newer commit cancels the running pass of the old one, which then runs again on the new one. While a key backs off,
events of the engine, which our own failed steps may have caused, cannot make it run more often than every
``QUIET_S``; a commit or a request always can.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from trimtab.errors import RateLimited, TransientError, UserError, WaitingError
from trimtab.model.keys import AppKey
from trimtab.model.status import Next, Requeue, Retry, Stalled, Wait
from trimtab.model.trigger import Trigger, TriggerKind
from trimtab.ports import Meter
from trimtab.runtime.cancel import Cancellation
from trimtab.runtime.clock import WaitingClock
from trimtab.runtime.log import Log
from trimtab.runtime.meter import NoMeter
from trimtab.runtime.workqueue import Work, WorkQueue

Reconcile = Callable[[AppKey, Trigger, threading.Event], Next]
AfterPass = Callable[[AppKey, Trigger, Next], None]

# A pass mostly waits (for builds, for health): this many may wait at once before the next application has to.
WORKERS = 16
# While a key backs off, the engine's events bring it back at most this often.
QUIET_S = 30.0
# A terminated sync is not begun again by itself before this.
TERMINATED_S = 300.0
# When something else has to happen first and a raised WaitingError could not say when to look again.
WAIT_S = 30.0
# A look that is asked for this far ahead is the regular full one, and may come a little earlier than asked.
FULL_LOOK_S = 60.0
SPREAD = 0.2

_log = Log(__name__)


@dataclass(slots=True, eq=False)
class _Pass:
    """One in flight. ``reason`` says why it was cancelled; ``superseded``: a newer commit is already waiting."""

    trigger: Trigger
    cancelled: Cancellation
    reason: str = ""
    superseded: bool = False


class ControlLoop:
    """Passes over applications, by a bounded number of threads. Safe from any thread."""

    def __init__(
        self,
        queue: WorkQueue,
        reconcile: Reconcile,
        clock: WaitingClock,
        random: Random,
        *,
        workers: int = WORKERS,
        meter: Meter | None = None,
        after_pass: AfterPass = lambda _key, _trigger, _next: None,
    ) -> None:
        self._queue = queue
        self._reconcile = reconcile
        self._clock = clock
        self._random = random
        self._workers = workers
        self._meter = meter or NoMeter()
        self._after_pass = after_pass
        self._condition = threading.Condition()
        self._passes: dict[AppKey, _Pass] = {}
        self._quiet_until_s: dict[AppKey, float] = {}
        self._stopping = False

    def start(self) -> None:
        """Begin to work. The threads do not keep the process alive: ``stop`` is what ends well."""
        for number in range(self._workers):
            threading.Thread(target=self._serve, name=f"trimtab-pass-{number}", daemon=True).start()

    def notify(self, key: AppKey, trigger: Trigger, *, delay_s: float = 0.0) -> None:
        """Something may have changed for ``key``."""
        urgent = trigger.kind in {TriggerKind.REQUEST, TriggerKind.COMMIT}
        with self._condition:
            if urgent:
                self._quiet_until_s.pop(key, None)
            elif (until_s := self._quiet_until_s.get(key)) is not None:
                delay_s = max(delay_s, until_s - self._clock.monotonic_s())
            self._queue.add(key, trigger, delay_s=delay_s)
            running = self._passes.get(key)
            if running is None or trigger.kind is not TriggerKind.COMMIT:
                return
            # A plain directory has no revisions: there, every change counts as a newer one.
            if not trigger.revision or trigger.revision != running.trigger.revision:
                running.superseded = True
                self._cancel(key, running, f"commit {trigger.revision[:7]} is newer")

    def terminate(self, key: AppKey, reason: str) -> bool:
        """Stop the running sync of ``key`` between two steps; whether there was one.

        It is not begun again by itself before ``TERMINATED_S``; a commit or a request does it at once.
        """
        with self._condition:
            running = self._passes.get(key)
            if running is None:
                return False
            running.superseded = False
            self._quiet_until_s[key] = self._clock.monotonic_s() + TERMINATED_S
            running.reason = reason
            running.cancelled.now()
            _log.info("cutting a pass short", app=str(key), reason=reason)
            return True

    def expects(self, key: AppKey) -> bool:
        """Whether a pass of ``key`` runs or is to come."""
        with self._condition:
            return key in self._passes or key in self._queue.waiting()

    def running(self) -> tuple[AppKey, ...]:
        """Applications with a pass in flight, sorted."""
        with self._condition:
            return tuple(sorted(self._passes))

    def stop(self, deadline_s: float) -> tuple[AppKey, ...]:
        """Take no more work, tell running passes to stop, wait for them; those that are left after ``deadline_s``.

        What is left is abandoned with the process. The next start begins at stage 1 and converges (I2).
        """
        end_s = self._clock.monotonic_s() + deadline_s
        self._queue.close()
        with self._condition:
            self._stopping = True
            for key, running in sorted(self._passes.items()):
                running.superseded = False
                self._cancel(key, running, "Trimtab is stopping")
            while self._passes and (left_s := end_s - self._clock.monotonic_s()) > 0:
                self._clock.wait(self._condition, left_s)
            return tuple(sorted(self._passes))

    # -- one pass ------------------------------------------------------------------------------------------------

    def _serve(self) -> None:
        while (work := self._queue.get()) is not None:
            self._work(work)

    def _work(self, work: Work) -> None:
        key = work.key
        running = _Pass(work.trigger, Cancellation())
        with self._condition:
            if self._stopping:
                return
            self._passes[key] = running
        began_s = self._clock.monotonic_s()
        try:
            followed = self._outcome(key, work.trigger, running.cancelled)
            self._schedule(work, running, followed)
        finally:
            with self._condition:
                del self._passes[key]
                self._condition.notify_all()
            self._queue.done(key)
            self._meter.observe("app_reconcile_seconds", self._clock.monotonic_s() - began_s)

    def _outcome(self, key: AppKey, trigger: Trigger, cancelled: threading.Event) -> Next:
        try:
            return self._reconcile(key, trigger, cancelled)
        except RateLimited as error:
            return Retry(error.message, error.after_s)
        except TransientError as error:
            return Retry(error.message)
        except WaitingError as error:
            return Wait(error.message, WAIT_S)
        except UserError as error:
            return Stalled(error.message)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next application must not suffer from it
            _log.error("a pass failed in a way nobody foresaw", cause=error, app=str(key), trigger=trigger.kind.value)
            self._meter.count("internal_errors_total")
            return Retry(f"a defect of Trimtab ({type(error).__name__}); the log has the traceback")

    def _schedule(self, work: Work, running: _Pass, followed: Next) -> None:
        key, requests = work.key, work.trigger.requests
        self._meter.count("app_reconcile_total", result=type(followed).__name__.lower())
        if running.superseded:
            # The newer commit waits already; whoever asked for this sync gets the answer of that one.
            _log.info("pass cut short", app=str(key), reason=running.reason)
            if requests:
                self._queue.add(key, replace(work.trigger, revision=""))
            return
        if running.reason:
            _log.info("pass cut short", app=str(key), reason=running.reason)
            self._queue.postpone(key, TERMINATED_S)
            followed = Stalled(running.reason)
        now = self._clock.now()
        match followed:
            case Requeue(after_s=after_s):
                self._succeeded(key)
                full = after_s >= FULL_LOOK_S
                kind = TriggerKind.TIMER if full else TriggerKind.FOLLOW_UP
                early = 1.0 - SPREAD * self._random.random() if full else 1.0
                self._queue.add(key, Trigger(kind=kind, at=now), delay_s=after_s * early)
            case Wait(reason, after_s, refused):
                self._succeeded(key)
                again = Trigger(kind=TriggerKind.FOLLOW_UP, at=now, detail=reason, requests=() if refused else requests)
                self._queue.add(key, again, delay_s=after_s)
            case Retry(reason, after_s):
                again = Trigger(kind=TriggerKind.RETRY, at=now, detail=reason, requests=requests)
                # The engine has told of what this pass did itself: that is no reason to come back sooner.
                self._queue.postpone(key, QUIET_S)
                delay_s = self._queue.retry(key, again, after_s=after_s)
                with self._condition:
                    self._quiet_until_s[key] = self._clock.monotonic_s() + min(delay_s, QUIET_S)
                _log.warning("pass failed, will be tried again", app=str(key), reason=reason, after_s=round(delay_s, 1))
            case Stalled():
                self._queue.forget(key)
        self._tell(key, work.trigger, followed)

    def _succeeded(self, key: AppKey) -> None:
        self._queue.forget(key)
        with self._condition:
            self._quiet_until_s.pop(key, None)

    def _cancel(self, key: AppKey, running: _Pass, reason: str) -> None:
        running.reason = reason
        running.cancelled.set()
        _log.info("cutting a pass short", app=str(key), reason=reason)

    def _tell(self, key: AppKey, trigger: Trigger, followed: Next) -> None:
        try:
            self._after_pass(key, trigger, followed)
        except Exception as error:  # noqa: BLE001 - the pass is over; who listens to it must not undo its scheduling
            _log.error("what follows a pass failed", cause=error, app=str(key))
            self._meter.count("internal_errors_total")
