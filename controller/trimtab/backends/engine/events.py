"""The engine's event stream, kept open: it resumes where it was, notices a hanging connection, survives restarts."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from trimtab.backends.engine.errors import translating, unreachable
from trimtab.errors import BackendUnavailable, TrimtabError

if TYPE_CHECKING:
    from requests import Response

    from trimtab.backends.engine.client import EngineClient

KINDS = ("container", "network", "volume", "image")
# Without exec_* and top: each run of a health check would wake us. With health_status in it, a filter matches prefixes.
# Source: moby daemon/events/filter.go.
ACTIONS = (
    "create", "start", "restart", "die", "kill", "stop", "oom", "pause", "unpause", "rename", "update", "destroy",
    "health_status", "connect", "disconnect", "tag", "untag", "delete", "pull", "load", "import",
)  # fmt: skip
# Silence for this long is checked with a ping: an engine that hangs keeps its connections open.
IDLE_S = 30.0
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RawEvent:
    """One event as the engine tells it; ``health_status: healthy`` is split, its outcome is the attribute "health"."""

    kind: str
    action: str
    handle: str
    at: datetime
    attributes: Mapping[str, str] = field(default_factory=dict)


class EventStream:
    """Reads events in a thread of its own until ``stop``.

    ``on_connected`` is called after each (re)connection, before its first event: what happened in between may be
    lost, so whoever keeps state has to look again. ``on_disconnected`` tells why the engine is out of reach.
    The callbacks must not block for long.
    """

    def __init__(  # the parts of one subscription
        self,
        client: EngineClient,
        *,
        on_event: Callable[[RawEvent], None],
        on_connected: Callable[[], None],
        on_disconnected: Callable[[TrimtabError], None],
        kinds: Sequence[str] = KINDS,
        idle_s: float = IDLE_S,
        since: datetime | None = None,
    ) -> None:
        """Nothing is read yet.

        ``since``: tell what happened from then on, by the engine's clock; without it, from the first connection on.
        ``lost`` is True once a connection failed: what happened in between may never be told.
        """
        self._client = client
        self._on_event = on_event
        self._on_connected = on_connected
        self._on_disconnected = on_disconnected
        self._filters = json.dumps({"type": list(kinds), "event": list(ACTIONS)})
        self._idle_s = idle_s
        self._stop = threading.Event()
        self._response: Response | None = None
        self._since = _stamp(since) if since is not None else ""
        self.lost = False
        self._thread = threading.Thread(target=self._run, name="engine-events", daemon=True)
        self.connected = threading.Event()

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Stop reading; no callback is made after it returned."""
        self._stop.set()
        self._cut()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout=self._idle_s)

    def _run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._stop.is_set():
            try:
                self._read()
                pause_s = _FIRST_PAUSE_S
            except TrimtabError as error:
                if self._stop.is_set():
                    return
                self.lost = True
                if self.connected.is_set():
                    self.connected.clear()
                    pause_s = _FIRST_PAUSE_S
                    self._client.forget()
                    self._on_disconnected(error)
                self._stop.wait(pause_s)
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    def _read(self) -> None:
        """One connection; returns when it was silent and the engine is well, raises when it is lost."""
        if not self.connected.is_set():
            # The engine's clock, not ours; and before the subscription, so that nothing falls in between.
            if not self._since:
                self._since = _stamp(self._client.engine_time())
            elif self.lost:
                self._since = min(self._since, _stamp(self._client.engine_time(fresh=True)))
        response = self._client.open(
            "GET",
            "/events",
            what="listen to the engine's events",
            params={"since": self._since, "filters": self._filters},
            timeout_s=self._idle_s,
        )
        self._response = response
        try:
            # stop() cuts the connection that it sees; it may have been too early to see this one.
            if self._stop.is_set():
                return
            if not self.connected.is_set():
                self.connected.set()
                self._on_connected()
            for line in self._lines(response):
                event = _parsed(line)
                self._since = _after(event)
                if not self._stop.is_set():
                    self._on_event(_event(event))
        finally:
            self._response = None
            response.close()
        self._client.ping()

    def _lines(self, response: Response) -> Iterator[bytes]:
        """Complete lines; ends when nothing came for ``idle_s``, raises BackendUnavailable when the stream ends."""
        import requests
        import urllib3.exceptions

        rest = b""
        with translating("listen to the engine's events"):
            try:
                for chunk in response.iter_content(chunk_size=None):
                    *lines, rest = (rest + chunk).split(b"\n")
                    yield from (line for line in lines if line.strip())
            except requests.exceptions.ConnectionError as error:
                if error.args and isinstance(error.args[0], urllib3.exceptions.ReadTimeoutError):
                    return
                raise
            except (AttributeError, ValueError) as error:
                # The client's stream after it was closed from another thread.
                raise unreachable("listen to the engine's events", "closed") from error
        raise BackendUnavailable("the engine ended its event stream", hint="it is being stopped or restarted")

    def _cut(self) -> None:
        """Wake the reader, which waits in a read of the socket."""
        from docker.errors import DockerException
        from docker.types import CancellableStream

        if (response := self._response) is not None:
            # Over ssh there is no socket to shut down; then the reader wakes after idle_s.
            with contextlib.suppress(DockerException, AttributeError, OSError):
                CancellableStream(iter(()), response).close()


def _parsed(line: bytes) -> Mapping[str, Any]:
    """One event. Raises BackendUnavailable for what is none: then nothing that follows can be relied on either."""
    try:
        event = json.loads(line)
    except ValueError:
        event = None
    if not isinstance(event, dict):
        raise unreachable("listen to the engine's events", f"no event: {line[:80]!r}")
    return event


def _stamp(moment: datetime) -> str:
    """A time as ``since`` takes it: seconds and nanoseconds."""
    return f"{int(moment.timestamp())}.{moment.microsecond:06d}000"


def _after(event: Mapping[str, Any]) -> str:
    nanos = int(event.get("timeNano") or 0) + 1
    return f"{nanos // 1_000_000_000}.{nanos % 1_000_000_000:09d}"


def _event(event: Mapping[str, Any]) -> RawEvent:
    actor = event.get("Actor") or {}
    attributes = {str(k): str(v) for k, v in sorted((actor.get("Attributes") or {}).items())}
    action, colon, outcome = str(event.get("Action") or "").partition(":")
    if colon:
        attributes["health"] = outcome.strip()
    return RawEvent(
        kind=str(event.get("Type") or ""),
        action=action,
        handle=str(actor.get("ID") or ""),
        at=datetime.fromtimestamp(int(event.get("timeNano") or 0) / 1e9, tz=UTC),
        attributes=attributes,
    )
