"""What is sent on and on: events (server-sent) and containers' output. Bounded, and over as soon as either side is."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator

from starlette.concurrency import run_in_threadpool

from trimtab.errors import TrimtabError
from trimtab.model.keys import AppKey
from trimtab.model.output import OutputLine
from trimtab.model.records import StoredEvent
from trimtab.plan.render.records import event_document
from trimtab.web.backend import Backend, Output
from trimtab.web.problems import BusyError

# Each holds a connection and, for output, threads.
LIMIT = 64
# Below the idle limits of common proxies (nginx: 60 s), so that a quiet stream stays open.
HEARTBEAT_S = 15.0
# How long a browser waits before it connects again.
RETRY_MS = 2000
BATCH = 100
# Lines that wait for a slow reader; the containers' readers wait behind them.
BACKLOG = 256
_LOOK_S = 0.2


class Streams:
    """The open streams of one server; ``close`` ends all of them. Used on the event loop only."""

    def __init__(self, backend: Backend, *, limit: int = LIMIT, heartbeat_s: float = HEARTBEAT_S) -> None:
        self._backend = backend
        self._limit = limit
        self._heartbeat_s = heartbeat_s
        self._open: set[asyncio.Event] = set()
        self._closing = False

    def close(self) -> None:
        """Let every stream end."""
        self._closing = True
        for wake in self._open:
            wake.set()

    @contextlib.contextmanager
    def _place(self) -> Iterator[asyncio.Event]:
        wake = asyncio.Event()
        self._open.add(wake)
        try:
            yield wake
        finally:
            self._open.discard(wake)

    def check(self) -> None:
        """Raise BusyError when there are too many already."""
        if len(self._open) >= self._limit:
            raise BusyError(f"{self._limit} streams are open already")

    # -- events --------------------------------------------------------------------------------------------------

    async def events(self, app: AppKey | None, after: int | None) -> AsyncIterator[str]:
        """Events with a greater number than ``after`` (None: from now on), as they come.

        A subscription only wakes; what is sent is read from the store in batches, so that a reader that is slow or
        was away costs no memory and misses nothing that the store still has.
        """
        loop = asyncio.get_running_loop()
        with self._place() as wake:

            def on_news() -> None:
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(wake.set)

            unsubscribe = await run_in_threadpool(self._backend.subscribe, on_news)
            try:
                cursor = await run_in_threadpool(self._start, after)
                yield f"retry: {RETRY_MS}\n\n"
                while not self._closing:
                    wake.clear()
                    batch = await run_in_threadpool(self._backend.events_after, cursor, app, BATCH)
                    for stored in batch:
                        yield _frame(stored)
                        cursor = stored.id
                    if len(batch) < BATCH and not await self._woken(wake):
                        yield ": nothing new\n\n"
            finally:
                unsubscribe()

    def _start(self, after: int | None) -> int:
        newest = self._backend.newest_events(None, 1)
        last = newest[-1].id if newest else 0
        # A number that was never given out: the history was lost and begun anew since, so all of it is news.
        return last if after is None else after if after <= last else 0

    async def _woken(self, wake: asyncio.Event) -> bool:
        try:
            async with asyncio.timeout(self._heartbeat_s):
                await wake.wait()
        except TimeoutError:
            return False
        return True

    # -- output --------------------------------------------------------------------------------------------------

    async def output(self, output: Output, text: Callable[[OutputLine], str]) -> AsyncIterator[str]:
        """Lines as they come; closes ``output`` at the end, whoever ends it."""
        loop = asyncio.get_running_loop()
        with self._place() as wake:
            pump = _Pump(output, text, lambda: loop.call_soon_threadsafe(wake.set))
            try:
                pump.start()
                while not self._closing:
                    wake.clear()
                    if lines := pump.take():
                        yield "".join(lines)
                    elif pump.ended:
                        return
                    else:
                        await wake.wait()
            finally:
                pump.stop()


class _Pump:
    """A thread that reads an output, at most ``BACKLOG`` lines ahead of its reader."""

    def __init__(self, output: Output, text: Callable[[OutputLine], str], wake: Callable[[], object]) -> None:
        self._output = output
        self._text = text
        self._wake = wake
        self._lines: deque[str] = deque()
        self._room = threading.Semaphore(BACKLOG)
        self._stopped = threading.Event()
        self._done = threading.Event()

    def start(self) -> None:
        """Begin to read."""
        threading.Thread(target=self._run, name="trimtab-web-logs", daemon=True).start()

    def stop(self) -> None:
        """Read no further; does not wait."""
        self._stopped.set()
        # Closing shuts sockets down, which does not belong on the event loop.
        threading.Thread(target=self._output.close, name="trimtab-web-logs-end", daemon=True).start()

    @property
    def ended(self) -> bool:
        """Whether all was read and taken."""
        return self._done.is_set() and not self._lines

    def take(self) -> list[str]:
        """What is there."""
        taken = []
        while self._lines:
            taken.append(self._lines.popleft())
            self._room.release()
        return taken

    def _run(self) -> None:
        try:
            for line in self._output:
                if not self._put(self._text(line)):
                    break
        except TrimtabError as error:
            self._put(f"(the log ends here: {error.message})\n")
        finally:
            self._done.set()
            self._tell()

    def _put(self, line: str) -> bool:
        while not self._room.acquire(timeout=_LOOK_S):
            if self._stopped.is_set():
                return False
        self._lines.append(line)
        self._tell()
        return not self._stopped.is_set()

    def _tell(self) -> None:
        # The loop may be closed already.
        with contextlib.suppress(RuntimeError):
            self._wake()


def _frame(stored: StoredEvent) -> str:
    data = json.dumps(event_document(stored), ensure_ascii=False, separators=(",", ":"), default=str)
    return f"id: {stored.id}\ndata: {data}\n\n"
