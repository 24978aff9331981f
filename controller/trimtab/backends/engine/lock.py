"""One controller an engine and installation: a lock on the engine itself, which a crash releases.

A volume of a fixed name is the lock; the engine creates it or answers with the one there is, atomically. A crash
cannot remove it, so a challenger asks whether its holder lives: it creates a challenge volume, and a living
holder, who listens to events, removes that within moments. A challenge that stays means that the holder is gone.
Volumes survive an engine's restart, and so does the lock.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from trimtab.backends.engine.client import EngineClient
from trimtab.backends.engine.errors import Missing
from trimtab.backends.engine.events import EventStream, RawEvent
from trimtab.backends.engine.labels import INSTALLATION, KIND, PREFIX, label_filter
from trimtab.backends.engine.volume_calls import make_volume
from trimtab.errors import Conflict, LockHeld, TransientError, TrimtabError

HOLDER = PREFIX + "holder"
HOST = PREFIX + "host"
PID = PREFIX + "pid"
STARTED_AT = PREFIX + "started-at"
# An event takes milliseconds, its answer as well; a busy machine takes a second.
ANSWER_S = 3.0
# How long two challengers who found the same dead holder may differ by.
SETTLE_S = 0.3
_POLL_S = 0.1


def lock_name(installation: str) -> str:
    """The lock's volume."""
    return f"trimtab_{installation}_lock"


def lock_holder(client: EngineClient, installation: str) -> Mapping[str, str]:
    """What the lock says of its holder (host, pid, started-at), who may be dead; empty when nobody has it."""
    try:
        volume = client.call("GET", f"/volumes/{lock_name(installation)}", what="read the lock", key=installation)
    except Missing:
        return {}
    labels: Mapping[str, str] = volume.get("Labels") or {}
    return {name.removeprefix(PREFIX): labels[name] for name in (HOST, PID, STARTED_AT) if name in labels}


class EngineLock:
    """The lock of one installation. ``on_lost`` is called, once, if another controller took it over."""

    def __init__(
        self, client: EngineClient, installation: str, *, on_lost: Callable[[str], None], answer_s: float = ANSWER_S
    ) -> None:
        self._client = client
        self._installation = installation
        self._on_lost = on_lost
        self._answer_s = answer_s
        self._name = lock_name(installation)
        self._challenges = f"trimtab_{installation}_challenge_"
        self._nonce = secrets.token_hex(8)
        self._started_at = datetime.now(UTC).isoformat(timespec="seconds")
        self._mutex = threading.RLock()
        self._held = False
        self._stream: EventStream | None = None

    @property
    def held(self) -> bool:
        """Whether we hold it."""
        with self._mutex:
            return self._held

    def acquire(self) -> None:
        """Take the lock; at once when nobody has it.

        Raises:
            LockHeld: a living controller has it.
            BackendUnavailable: the engine does not answer.
        """
        # From before there is a lock that somebody could challenge: the stream then tells of every challenge.
        before = self._client.engine_time()
        labels = self._create()
        if labels.get(HOLDER) != self._nonce:
            self._challenge(labels)
            labels = self._take_over(labels)
        with self._mutex:
            self._held = True
        self._stream = EventStream(
            self._client,
            on_event=self._hear,
            on_connected=self._reconnected,
            on_disconnected=lambda _error: None,
            kinds=("volume",),
            since=before,
        )
        self._stream.start()

    def release(self) -> None:
        """Give it back; when the engine is out of reach, the next one finds out that we are gone."""
        with self._mutex:
            held, self._held = self._held, False
        if self._stream is not None:
            self._stream.stop()
        with contextlib.suppress(TransientError):
            if held and self._holder().get(HOLDER) == self._nonce:
                self._remove(self._name)

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    # --- taking ------------------------------------------------------------------------------------------------------

    def _create(self) -> Mapping[str, str]:
        labels = {
            INSTALLATION: self._installation,
            KIND: "lock",
            HOLDER: self._nonce,
            HOST: socket.gethostname(),
            PID: str(os.getpid()),
            STARTED_AT: self._started_at,
        }
        there = make_volume(self._client, {"Name": self._name, "Labels": labels}, what="take the lock")
        if there.get(KIND) != "lock":
            raise Conflict(
                f"volume {self._name} is not a lock of ours", hint="remove it, or choose another installation id"
            )
        return there

    def _challenge(self, holder: Mapping[str, str]) -> None:
        """Return when the holder does not answer."""
        name = self._challenges + self._nonce
        labels = {INSTALLATION: self._installation, KIND: "challenge", HOLDER: self._nonce}
        self._client.call(
            "POST", "/volumes/create", what="ask the lock's holder", key=name, body={"Name": name, "Labels": labels}
        )
        until = time.monotonic() + self._answer_s
        try:
            while time.monotonic() < until:
                if not self._exists(name):
                    raise _held_by(self._installation, holder)
                if self._holder().get(HOLDER) != holder.get(HOLDER):
                    # Given back, or taken over by someone quicker; _take_over tells which.
                    return
                time.sleep(_POLL_S)
        finally:
            self._remove(name)

    def _take_over(self, dead: Mapping[str, str]) -> Mapping[str, str]:
        if self._holder().get(HOLDER) == dead.get(HOLDER):
            self._remove(self._name)
        labels = self._create()
        # Another challenger may have removed the lock that we just made for that of the dead.
        time.sleep(SETTLE_S)
        labels = self._holder()
        if labels.get(HOLDER) != self._nonce:
            raise _held_by(self._installation, labels)
        return labels

    # --- holding -----------------------------------------------------------------------------------------------------

    def _hear(self, event: RawEvent) -> None:
        if not self.held:
            return
        try:
            if event.action == "create" and event.handle.startswith(self._challenges):
                self._remove(event.handle)
            elif event.action == "destroy" and event.handle == self._name:
                self._check()
        except TrimtabError:
            # The stream reconnects, and then all of it is looked at again.
            return

    def _reconnected(self) -> None:
        """Answer what was asked, and see what was taken, while we could not listen; at first there was no such time."""
        if not self.held or (self._stream is not None and not self._stream.lost):
            return
        try:
            self._check()
            params = {"filters": label_filter(self._installation, kind="challenge")}
            for volume in (
                self._client.call("GET", "/volumes", what="list challenges", params=params).get("Volumes") or ()
            ):
                self._remove(str(volume["Name"]))
        except TrimtabError:
            return

    def _check(self) -> None:
        """Still ours? A lock that somebody merely pruned is made again."""
        with self._mutex:
            if not self._held:
                return
            labels = self._create()
            lost = labels.get(HOLDER) != self._nonce
            if lost:
                self._held = False
        if lost:
            self._on_lost(_held_by(self._installation, labels).message)

    # --- the engine --------------------------------------------------------------------------------------------------

    def _holder(self) -> Mapping[str, str]:
        try:
            inspect = self._client.call("GET", f"/volumes/{self._name}", what="read the lock", key=self._name)
        except Missing:
            return {}
        labels: Mapping[str, str] = inspect.get("Labels") or {}
        return labels

    def _exists(self, name: str) -> bool:
        try:
            self._client.call("GET", f"/volumes/{name}", what="read the challenge", key=name)
        except Missing:
            return False
        return True

    def _remove(self, name: str) -> None:
        try:
            self._client.call("DELETE", f"/volumes/{name}", what="remove", key=name)
        except Missing:
            return


def _held_by(installation: str, labels: Mapping[str, str]) -> LockHeld:
    who = f"process {labels.get(PID, '?')} on {labels.get(HOST, '?')}, started {labels.get(STARTED_AT, '?')}"
    return LockHeld(
        f"another controller with the installation id {installation!r} works on this engine: {who}",
        hint="stop it, or give this one another installation id",
    )
