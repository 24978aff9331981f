"""The output of an application's containers, those of ours only: what is there, or on and on as it comes.

Without ``follow`` the lines of all containers come in the order of their times. With it each container is read by a
thread of its own into one bounded queue; a container that is restarted is read on where it ended, one that takes
another's place is read from its start.
"""

from __future__ import annotations

import contextlib
import heapq
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from trimtab.backends.engine.errors import Missing, translating
from trimtab.backends.engine.logstream import lines
from trimtab.errors import TrimtabError, UnsupportedByBackend, UserError
from trimtab.model.events import EngineEvent
from trimtab.model.keys import AppKey, Kind
from trimtab.model.observed import Live
from trimtab.model.output import OutputLine

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import Response

    from trimtab.backends.engine.client import EngineClient
    from trimtab.backends.engine.driver import EngineDriver

# A reader that is this far behind makes the containers' readers wait; nothing is dropped.
BACKLOG = 1000
# Silence for this long only means that the connection is made anew.
IDLE_S = 600.0
RETRY_S = 1.0
_PUT_S = 0.2


@dataclass(slots=True, eq=False)
class _Reader:
    live: Live
    tail: str
    tty: bool | None = None
    again: threading.Event = field(default_factory=threading.Event)
    gone: bool = False
    response: Response | None = None
    last: str = ""


class ApplicationOutput:
    """Iterate over it once; ``close``, from any thread, ends the iteration."""

    def __init__(
        self, driver: EngineDriver, app: AppKey, service: str = "", *, tail: int | None = None, follow: bool = False
    ) -> None:
        """Find the containers. ``tail``: only so many of the last lines of each.

        Raises:
            UserError: there is no such service, or no container at all.
            BackendUnavailable: the engine does not answer.
        """
        self._driver = driver
        self._client: EngineClient = driver.client
        self._app = app
        self._service = service
        self._tail = "all" if tail is None else str(tail)
        self._follow = follow
        self._lines: queue.Queue[OutputLine | None] = queue.Queue(BACKLOG)
        self._readers: dict[str, _Reader] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._unwatch: Callable[[], None] = lambda: None
        self._found = self._containers()
        if not self._found and not follow:
            raise self._nothing()

    def _nothing(self) -> UserError:
        services = sorted({key.name for key in self._driver.observe(self._app).live if key.kind is Kind.CONTAINER})
        if services:
            return UserError(f"{self._app} has no service '{self._service}'", hint=f"there are: {', '.join(services)}")
        return UserError(f"nothing of '{self._app}' runs here", hint="'trimtab status' lists the applications")

    def _containers(self) -> tuple[Live, ...]:
        observed = self._driver.observe(self._app)
        return tuple(
            live
            for key, lives in observed.live.items()
            if key.kind is Kind.CONTAINER and self._service in {"", key.name}
            for live in lives
        )

    def __iter__(self) -> Iterator[OutputLine]:
        """The lines. Raises BackendUnavailable."""
        return self._going_on() if self._follow else self._once()

    def close(self) -> None:
        """End it."""
        self._closed.set()
        self._unwatch()
        with self._lock:
            readers = tuple(self._readers.values())
        for reader in readers:
            reader.again.set()
            _cut(reader.response)
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(None)

    # -- once ----------------------------------------------------------------------------------------------------

    def _once(self) -> Iterator[OutputLine]:
        streams = [self._told(_Reader(live, self._tail), follow=False) for live in self._found]
        for line in heapq.merge(*streams, key=lambda line: line.at):
            if self._closed.is_set():
                return
            yield line

    def _told(self, reader: _Reader, *, follow: bool) -> Iterator[OutputLine]:
        """As ``_read``; a log driver that keeps nothing says so in a line, since the others' lines are still wanted."""
        try:
            yield from self._read(reader, follow=follow)
        except UnsupportedByBackend as error:
            key = reader.live.key
            yield OutputLine(
                container=reader.live.name, service=key.name, replica=key.replica, stream="stderr", at="",
                text=f"(no log to show: {error.message})",
            )  # fmt: skip

    def _read(self, reader: _Reader, *, follow: bool) -> Iterator[OutputLine]:
        """One connection's lines; ends when the log does. Raises a TrimtabError, or what an idle socket raises."""
        live, what = reader.live, f"read the log of {reader.live.name}"
        if reader.tty is None:
            reader.tty = self._has_terminal(live)
        params = {"stdout": "1", "stderr": "1", "timestamps": "1", "tail": reader.tail, "follow": str(int(follow))}
        if reader.last:
            params |= {"since": _just_after(reader.last), "tail": "all"}
        path = f"/containers/{live.handle}/logs"
        response = self._client.open("GET", path, what=what, params=params, timeout_s=IDLE_S)
        reader.response = response
        try:
            with translating(what):
                for stream, at, text in lines(response.iter_content(chunk_size=None), tty=reader.tty):
                    reader.last = at or reader.last
                    key = live.key
                    yield OutputLine(
                        container=live.name, service=key.name, replica=key.replica, stream=stream, at=at, text=text
                    )
        finally:
            reader.response = None
            response.close()

    def _has_terminal(self, live: Live) -> bool:
        what = "look at the container"
        try:
            inspect = self._client.call("GET", f"/containers/{live.handle}/json", what=what, key=live.name)
        except Missing:
            return False
        return bool((inspect.get("Config") or {}).get("Tty"))

    # -- following -----------------------------------------------------------------------------------------------

    def _going_on(self) -> Iterator[OutputLine]:
        self._unwatch = self._driver.watch(self._hear)
        for live in self._containers():
            self._attend(live, self._tail)
        try:
            while not self._closed.is_set():
                line = self._lines.get()
                if line is None:
                    return
                yield line
        finally:
            self.close()

    def _hear(self, event: EngineEvent) -> None:
        """A listener of the event stream: quick, since that waits for it."""
        if event.kind == "engine" and event.action == "reconnected":
            threading.Thread(target=self._look_again, name="trimtab-logs", daemon=True).start()
        if event.kind != "container" or event.app != self._app:
            return
        with self._lock:
            reader = self._readers.get(event.handle)
        if event.action == "destroy" and reader is not None:
            reader.gone = True
            reader.again.set()
        elif event.action == "start":
            if reader is not None:
                reader.again.set()
            else:
                threading.Thread(target=self._look_again, name="trimtab-logs", daemon=True).start()

    def _look_again(self) -> None:
        with contextlib.suppress(TrimtabError):
            for live in self._containers():
                self._attend(live, "all")

    def _attend(self, live: Live, tail: str) -> None:
        with self._lock:
            known = self._readers.get(live.handle)
            if known is not None or self._closed.is_set():
                if known is not None:
                    known.again.set()
                return
            reader = self._readers[live.handle] = _Reader(live, tail)
        threading.Thread(target=self._serve, args=(reader,), name=f"trimtab-log-{live.name}", daemon=True).start()

    def _serve(self, reader: _Reader) -> None:
        while not self._closed.is_set() and not reader.gone:
            reader.again.clear()
            pause_s: float | None = None
            try:
                for line in self._told(reader, follow=True):
                    self._put(line)
            except Missing:
                break
            except (TrimtabError, AttributeError, ValueError):
                # Silence for too long, the engine went away, or our own close cut the stream.
                pause_s = RETRY_S
            # At its end the container has stopped: its next start wakes us.
            if not self._closed.is_set() and not reader.gone:
                reader.again.wait(pause_s)
        with self._lock:
            self._readers.pop(reader.live.handle, None)

    def _put(self, line: OutputLine) -> None:
        while not self._closed.is_set():
            try:
                self._lines.put(line, timeout=_PUT_S)
            except queue.Full:
                continue
            return


def _just_after(at: str) -> str:
    """A nanosecond later, as ``since`` takes it."""
    whole, _, fraction = at.partition(".")
    digits = fraction[:9]
    zone = fraction[9:].replace("Z", "+00:00")
    nanos = int(datetime.fromisoformat(whole + zone).timestamp()) * 10**9 + int(digits) + 1
    return f"{nanos // 10**9}.{nanos % 10**9:09d}"


def _cut(response: Response | None) -> None:
    """Wake a reader that waits in a read of the socket."""
    from docker.errors import DockerException
    from docker.types import CancellableStream

    if response is not None:
        with contextlib.suppress(DockerException, AttributeError, OSError):
            CancellableStream(iter(()), response).close()
