"""What the helper does that replaces a controller's own container: stop one, start the other, and see that it is well.

It has no memory: which containers are there, and whether they run, tells how far an earlier try came. Whatever ends it
(a kill, the engine's restart) ends in another try, because the engine starts the helper again until it has removed
itself or has said that it stays stopped.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from trimtab.backends.engine.errors import Missing
from trimtab.backends.engine.lock import lock_holder
from trimtab.backends.engine.logs import tail
from trimtab.errors import TransientError, TrimtabError

if TYPE_CHECKING:
    from trimtab.backends.engine.client import EngineClient

# How long it has to run: a program that fails while it starts takes a moment.
SETTLE_S = 3.0
# A port may be let go a moment after its container stopped; one that somebody else has is not waited for much longer.
_STARTING_S = 10.0
_POLL_S = 0.25
_CALL_S = 120.0


class Exchange:
    """One exchange of two containers, from wherever an earlier try left it. ``now`` and ``wait`` are in seconds."""

    def __init__(
        self, client: EngineClient, *, installation: str, old: str, new: str, name: str, grace_s: int,
        deadline_s: float, say: Callable[[str], None], settle_s: float = SETTLE_S,
        now: Callable[[], float] = time.monotonic, wait: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        self._client = client
        self._installation = installation
        self._old = old
        self._new = new
        self._name = name
        self._grace_s = grace_s
        self._deadline_s = deadline_s
        self._settle_s = settle_s
        self._say = say
        self._now = now
        self._wait = wait

    def run(self) -> bool:
        """Whether the new one is in place; else the old one runs again, and the new one is gone.

        Raises:
            TrimtabError: the engine does not answer, or does not start what it has to; to be tried again.
        """
        if self._inspect(self._new) is None:
            self._say("the new controller is gone; the old one goes on")
            self._start(self._old)
            return False
        if (old := self._inspect(self._old)) is None:
            # Proved before it was removed, unless somebody else did that.
            self._start(self._new)
        elif why := self._why_not(old):
            self._put_back(why)
            return False
        else:
            self._say("the new controller is well; the old one is removed")
            remove(self._client, self._old)
        self._rename()
        return True

    def _why_not(self, old: Mapping[str, Any]) -> str:
        """Stop the old one, start the new one; why it is not well, or nothing."""
        if _state(old).get("Running") or _state(old).get("Restarting"):
            # Both run after a restart of the engine, where one kept the other from the lock: that is no proof of it.
            self._stop(self._new)
        self._say("stopping the old controller")
        self._stop(self._old)
        try:
            return self._prove()
        except TrimtabError as error:
            return error.message
        except Exception as error:  # noqa: BLE001 - no controller runs now: not even a mistake in here may end it
            return f"the helper failed: {error!r}"

    def _prove(self) -> str:
        self._say("starting the new controller")
        since = self._now()
        trouble = self._patiently(lambda: self._start(self._new), since + min(_STARTING_S, self._deadline_s))
        if trouble:
            return trouble
        since = self._now()
        while self._now() < since + self._deadline_s:
            try:
                verdict = self._verdict(settled=self._now() - since >= self._settle_s)
            except TransientError as error:
                verdict, trouble = None, error.message
            else:
                trouble = ""
            if verdict is not None:
                return verdict
            self._wait(_POLL_S)
        return trouble or f"it was not at work within {self._deadline_s:.0f} s"

    def _patiently(self, work: Callable[[], None], until: float) -> str:
        while True:
            try:
                work()
            except TransientError as error:
                if self._now() >= until:
                    return error.message
            else:
                return ""
            self._wait(_POLL_S)

    def _verdict(self, *, settled: bool) -> str | None:
        """Why the new one is not well; nothing when it is; None when that cannot be said yet."""
        inspect = self._inspect(self._new)
        if inspect is None:
            return "it is gone"
        state = _state(inspect)
        if state.get("Status") != "running" or int(inspect.get("RestartCount") or 0):
            return f"it ended with exit code {state.get('ExitCode')}"
        health = str((state.get("Health") or {}).get("Status") or "none")
        if health == "unhealthy":
            return "it is unhealthy"
        well = health in {"healthy", "none"} and settled and self._leads(str(state.get("StartedAt") or ""))
        return "" if well else None

    def _leads(self, started_at: str) -> bool:
        """Whether a controller that began after ``started_at`` has the lock: it has read its settings and begun."""
        held_since = lock_holder(self._client, self._installation).get("started-at", "")
        if not held_since or not started_at:
            return False
        # The lock tells whole seconds.
        return datetime.fromisoformat(held_since) >= datetime.fromisoformat(started_at).replace(microsecond=0)

    def _put_back(self, why: str) -> None:
        """The new one goes first: who comes after a kill finds it gone, and has only the old one to start."""
        self._say(f"the new controller failed: {why}")
        for line in tail(self._client, self._new):
            self._say(f"  | {line}")
        with contextlib.suppress(TrimtabError):
            # Politely, for its lock; what does not stop is removed all the same.
            self._stop(self._new)
        remove(self._client, self._new)
        self._start(self._old)

    def _inspect(self, ref: str) -> Mapping[str, Any] | None:
        try:
            found: Mapping[str, Any] = self._client.call("GET", f"/containers/{ref}/json", what="inspect", key=ref)
        except Missing:
            return None
        return found

    def _stop(self, ref: str) -> None:
        params, timeout_s = {"t": str(self._grace_s)}, self._grace_s + 60.0
        with contextlib.suppress(Missing):
            self._client.call(
                "POST", f"/containers/{ref}/stop", what="stop", key=ref, params=params, timeout_s=timeout_s
            )

    def _start(self, ref: str) -> None:
        self._client.call("POST", f"/containers/{ref}/start", what="start", key=ref, timeout_s=_CALL_S)

    def _rename(self) -> None:
        inspect = self._inspect(self._new)
        if inspect is not None and str(inspect["Name"]).lstrip("/") != self._name:
            params = {"name": self._name}
            self._client.call("POST", f"/containers/{self._new}/rename", what="rename", key=self._name, params=params)


def leave(client: EngineClient, helper: str) -> None:
    """The helper's last act: it removes itself."""
    remove(client, helper, scratch=True)


def stay_stopped(client: EngineClient, helper: str) -> None:
    """Before the helper ends without success: the engine must not start it again, which also says that it has ended."""
    body = {"RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}}
    client.call("POST", f"/containers/{helper}/update", what="end the helper", key=helper, body=body)


def remove(client: EngineClient, ref: str, *, scratch: bool = False) -> None:
    """A container, whatever it does. ``scratch``: with the volumes that its image made for it; a helper has no data."""
    params = {"v": "1" if scratch else "0", "force": "1"}
    with contextlib.suppress(Missing):
        client.call("DELETE", f"/containers/{ref}", what="remove container", key=ref, params=params)


def _state(inspect: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = inspect.get("State") or {}
    return found
