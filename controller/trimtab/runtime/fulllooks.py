"""How often everything is asked of the engine anew, whatever its events said: for all applications together."""

from __future__ import annotations

import threading

from trimtab.ports import Clock

# Each application wants it every five minutes; one answers for all that ask for it within this time.
SHARED_S = 60.0


class FullLooks:
    """Says which of the passes that want a full look makes it. Safe from any thread."""

    def __init__(self, clock: Clock) -> None:
        """No full look was made yet."""
        self._clock = clock
        self._lock = threading.Lock()
        self._last_s: float | None = None

    def due(self) -> bool:
        """Whether the caller has to make one; the next ones within ``SHARED_S`` use what it found."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            if self._last_s is not None and now_s - self._last_s < SHARED_S:
                return False
            self._last_s = now_s
            return True
