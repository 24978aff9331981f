"""How many builds run at once; more would take the machine from the containers that serve."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from trimtab.errors import Conflict

DEFAULT_MAX_BUILDS = 2

_TICK_S = 0.1


class BuildGate:
    """Lets ``max_builds`` builds through at a time; the others wait, and can be cancelled while they do."""

    def __init__(self, max_builds: int = DEFAULT_MAX_BUILDS) -> None:
        self._places = threading.Semaphore(max_builds)

    @contextlib.contextmanager
    def slot(self, cancelled: threading.Event) -> Iterator[None]:
        """Hold one place. Raises Conflict when cancelled before there was one."""
        while not self._places.acquire(timeout=_TICK_S):
            if cancelled.is_set():
                raise Conflict("the build was cancelled while it waited for its turn")
        try:
            yield
        finally:
            self._places.release()
