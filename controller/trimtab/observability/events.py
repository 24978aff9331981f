"""Where events go: log, metrics, store, and whoever follows the stream. One that fails or is slow stops no other."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace

import structlog

from trimtab.model.events import Event, EventType
from trimtab.observability.derive import count_event
from trimtab.observability.redaction import Redactor
from trimtab.ports import EventLog, Meter

# A reader of the stream that is this far behind loses the oldest, and is told so.
BACKLOG = 256

_log = structlog.get_logger(__name__)


class Subscription:
    """One reader's events, bounded. ``on_ready`` is called from the emitter's thread and must not block."""

    def __init__(self, on_ready: Callable[[], None] | None = None, *, backlog: int = BACKLOG) -> None:
        self._on_ready = on_ready
        self._condition = threading.Condition()
        self._events: deque[tuple[int, Event]] = deque()
        self._backlog = backlog
        self._dropped = 0
        self._closed = False

    def take(self, timeout_s: float | None = None) -> tuple[tuple[int, Event], ...]:
        """All that came since the last time, with their numbers (0: not stored); waits for the first of them."""
        with self._condition:
            if not self._events and not self._closed and timeout_s != 0:
                self._condition.wait(timeout_s)
            taken = tuple(self._events)
            self._events.clear()
            return taken

    def missed(self) -> int:
        """How many were dropped since this was last asked; the store still has them."""
        with self._condition:
            dropped, self._dropped = self._dropped, 0
            return dropped

    @property
    def closed(self) -> bool:
        """Whether no more will come."""
        return self._closed

    def close(self) -> None:
        """Wake the reader and take nothing more."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    def put(self, number: int, event: Event) -> bool:
        """Add one; False when that cost the oldest."""
        with self._condition:
            if self._closed:
                return True
            fits = len(self._events) < self._backlog
            if not fits:
                self._events.popleft()
                self._dropped += 1
            self._events.append((number, event))
            self._condition.notify_all()
        if self._on_ready is not None:
            self._on_ready()
        return fits


class EventFanOut:
    """ports.EventSink: redacts, then log, store, metrics and subscribers, in this order. Never raises."""

    def __init__(self, store: EventLog, meter: Meter, redactor: Redactor | None = None) -> None:
        self._store = store
        self._meter = meter
        self._redactor = redactor or Redactor()
        self._lock = threading.Lock()
        self._subscriptions: tuple[Subscription, ...] = ()

    def emit(self, event: Event) -> None:
        """Take one event."""
        safe = self._redacted(event)
        self._write(safe)
        try:
            number = self._store.append(safe)
        except Exception as error:  # noqa: BLE001 - that news cannot be stored must not undo what they tell of
            _log.error("an event could not be stored", reason=event.reason, exc_info=error)
            self._meter.count("internal_errors_total")
            number = 0
        count_event(self._meter, safe)
        for subscription in self._subscriptions:
            self._pass_on(subscription, number, safe)

    def subscribe(self, on_ready: Callable[[], None] | None = None, *, backlog: int = BACKLOG) -> Subscription:
        """Follow what comes from now on; end it with ``unsubscribe``."""
        subscription = Subscription(on_ready, backlog=backlog)
        with self._lock:
            self._subscriptions = (*self._subscriptions, subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Follow no longer."""
        subscription.close()
        with self._lock:
            self._subscriptions = tuple(s for s in self._subscriptions if s is not subscription)

    def close(self) -> None:
        """Let every reader end."""
        for subscription in self._subscriptions:
            self.unsubscribe(subscription)

    def _pass_on(self, subscription: Subscription, number: int, event: Event) -> None:
        try:
            if not subscription.put(number, event):
                self._meter.count("events_dropped_total")
        except Exception as error:  # noqa: BLE001 - one reader's fault is not another's
            _log.error("a reader of events failed and is dropped", exc_info=error)
            self.unsubscribe(subscription)

    def _redacted(self, event: Event) -> Event:
        fields = self._redactor.value(event.fields)
        return replace(
            event, message=self._redactor.text(event.message), fields=fields if isinstance(fields, dict) else {}
        )

    @staticmethod
    def _write(event: Event) -> None:
        facts = {"app": str(event.app)} if event.app is not None else {}
        if event.revision:
            facts["revision"] = event.revision[:12]
        write = _log.warning if event.type is EventType.WARNING else _log.info
        write(event.message, reason=event.reason, **facts)
