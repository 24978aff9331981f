"""What the engine told of our objects last: which event changed a field, and when. Who caused it, no engine tells."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from trimtab.model.events import EngineEvent

# Objects with events of late; older ones are forgotten first.
KEPT = 2000
# How a container ends, the most telling first: a stop has a kill and a die before it.
ENDS = ("pause", "stop", "kill", "oom", "die")
BEGINS = frozenset({"start", "restart", "unpause", "create"})
NETWORKS = "/Networks/"
STATE = "/State/"
NAME = "/Name"


@dataclass(frozen=True, slots=True)
class Seen:
    """One event: ``action`` in the engine's word, with what it says beyond that."""

    action: str
    at: datetime


class Witness:
    """Listens to the engine. ``explain`` is asked when a difference was found. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, dict[str, Seen]] = OrderedDict()

    def take(self, event: EngineEvent) -> None:
        """Listener of Driver.watch."""
        if event.kind == "engine":
            return
        subject, action = event.handle, event.action
        if event.kind == "network" and action in {"connect", "disconnect"}:
            subject = event.attributes.get("container", "")
        with self._lock:
            for name in (subject, event.name if action == "destroy" else ""):
                if not name:
                    continue
                seen = self._seen.setdefault(name, {})
                self._seen.move_to_end(name)
                if action in BEGINS:
                    for ended in ENDS:
                        seen.pop(ended, None)
                seen[action] = Seen(_worded(event), event.at)
            while len(self._seen) > KEPT:
                self._seen.popitem(last=False)

    def explain(self, handle: str, name: str, path: str) -> Seen | None:
        """The event after which ``path`` of that object was as it is; "" asks why the object is gone."""
        with self._lock:
            seen = self._seen.get(handle, {})
            gone = self._seen.get(name, {})
            if path == "":
                return gone.get("destroy") or seen.get("destroy")
            if path.startswith(STATE):
                return next((seen[end] for end in ENDS if end in seen), None)
            return _newest(seen.get(action) for action in _actions(path))


def _actions(path: str) -> tuple[str, ...]:
    if path.startswith(NETWORKS):
        return ("connect", "disconnect")
    return ("rename",) if path == NAME else ("update",)


def _newest(found: Iterable[Seen | None]) -> Seen | None:
    return max((one for one in found if one is not None), key=lambda one: one.at, default=None)


def _worded(event: EngineEvent) -> str:
    if event.action == "kill" and (number := event.attributes.get("signal")):
        return f"kill (signal {number})"
    if event.action == "die" and (code := event.attributes.get("exitCode")):
        return f"die (exit {code})"
    return event.action
