"""How containers ended, from their events: a stop that was asked for has a kill event first. Pure, without locks."""

from __future__ import annotations

from collections.abc import Collection

from trimtab.backends.engine.events import RawEvent

# Signals that end a program that does not say otherwise: INT, QUIT, KILL, TERM.
_ENDING = frozenset({"2", "3", "9", "15"})


class Endings:
    """What events told of each container's last end; nothing of those that ended before events came."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._killed: set[str] = set()
        self._stopped: dict[str, bool] = {}

    def asked_for(self, handle: str) -> bool | None:
        """Whether an API call ended the container's last run; None when no event told."""
        return self._stopped.get(handle)

    def learn(self, event: RawEvent) -> None:
        """Take one event of a container."""
        match event.action:
            case "kill" if event.attributes.get("signal") in _ENDING:
                self._killed.add(event.handle)
            case "die":
                self._stopped[event.handle] = event.handle in self._killed
                self._killed.discard(event.handle)
            case "stop":
                self._stopped[event.handle] = True
            case "start" | "destroy":
                self._stopped.pop(event.handle, False)
                self._killed.discard(event.handle)
            case _:
                pass

    def keep_only(self, handles: Collection[str]) -> None:
        """Forget containers that are no more."""
        self._stopped = {handle: asked for handle, asked in self._stopped.items() if handle in handles}

    def forget(self) -> None:
        """Events were missed: nothing that was concluded counts."""
        self._killed.clear()
        self._stopped.clear()
