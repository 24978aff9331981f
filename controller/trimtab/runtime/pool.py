"""Threads that never keep the process alive: idle ones are used again, one that hangs is only left behind."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

# Long enough to go from one plan to the next, so that a thread's connection to the engine is used again.
IDLE_S = 30.0


class DaemonPool:
    """As many daemon threads as there is work at once; the caller bounds how much that is.

    ``concurrent.futures`` joins its threads at exit, so that a single call that never returns would keep a stopped
    controller alive for ever.
    """

    def __init__(self, name: str = "trimtab-step", *, idle_s: float = IDLE_S) -> None:
        self._name = name
        self._idle_s = idle_s
        self._lock = threading.Lock()
        self._idle: list[SimpleQueue[Callable[[], None] | None]] = []
        self._started = 0
        self._closed = False

    def submit(self, work: Callable[[], None]) -> None:
        """Run ``work``, which must not raise, in a thread of its own, now."""
        with self._lock:
            # The one that was used last: its connection is the warmest, and the others can end.
            inbox = self._idle.pop() if self._idle else None
            self._started += inbox is None
            name = f"{self._name}-{self._started}"
        if inbox is None:
            inbox = SimpleQueue()
            threading.Thread(target=self._serve, args=(inbox,), name=name, daemon=True).start()
        inbox.put(work)

    def close(self) -> None:
        """Let idle threads end; those at work end when they are done."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for inbox in idle:
            inbox.put(None)

    def _serve(self, inbox: SimpleQueue[Callable[[], None] | None]) -> None:
        while (work := self._next(inbox)) is not None:
            work()
            # Until the next one comes, nothing of the last (its plan, its files) is kept alive.
            del work
            with self._lock:
                if self._closed:
                    return
                self._idle.append(inbox)

    def _next(self, inbox: SimpleQueue[Callable[[], None] | None]) -> Callable[[], None] | None:
        try:
            return inbox.get(timeout=self._idle_s)
        except Empty:
            with self._lock:
                if inbox in self._idle:
                    self._idle.remove(inbox)
                    return None
            # Someone has just taken it from the idle ones: their work is on its way.
            return inbox.get()
