"""One listener in a thread of its own, with an event loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from trimtab.errors import ConfigError, InternalError
from trimtab.web.streams import HEARTBEAT_S, Streams

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

    from trimtab.web.backend import Backend

# Requests mostly read SQLite for microseconds; plans and the engine's ping take longer.
THREADS = 8
# Connections and requests at once, beyond which a request is answered with 503.
CONCURRENCY = 256
# What a client that does not read may take of a stop.
STOP_S = 3.0
_BACKLOG = 128
_START_S = 10.0
_TICK_S = 1.0


def _now() -> datetime:
    return datetime.now(UTC)


def serve(
    listen: str,
    backend: Backend,
    *,
    now: Callable[[], datetime] = _now,
    heartbeat_s: float = HEARTBEAT_S,
    hosts: Iterable[str] = (),
    token: str = "",
) -> Server:
    """Listen, and return when requests are answered. ``listen`` is host:port, [address]:port, :port or port (0: any).

    ``hosts`` are names under which it is asked, beside localhost and addresses; who asks for a change needs ``token``.

    Raises:
        ConfigError: the address cannot be used.
    """
    listener = _bind(listen)
    try:
        return Server(listener, backend, now, heartbeat_s=heartbeat_s, hosts=hosts, token=token)
    except BaseException:
        listener.close()
        raise


class Server:
    """A running server."""

    def __init__(
        self,
        listener: socket.socket,
        backend: Backend,
        now: Callable[[], datetime],
        *,
        heartbeat_s: float,
        hosts: Iterable[str],
        token: str,
    ) -> None:
        from trimtab.web.app import create_app
        from trimtab.web.authority import Authority
        from trimtab.web.callers import Callers

        host, port = listener.getsockname()[:2]
        self.host, self.port = str(host), int(port)
        self._streams = Streams(backend, heartbeat_s=heartbeat_s)
        self._leaving = asyncio.Event()
        callers, authority = Callers.of(self.host, hosts), Authority.of(self.host, token)
        self._server = _uvicorn(create_app(backend, self._streams, now, callers, authority), self._leaving)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._serving = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(listener,), name="trimtab-web", daemon=True)
        self._thread.start()
        answers = self._serving.wait(_START_S)
        if (failure := self._failed()) or not answers:
            raise InternalError(f"the HTTP listener on {self.address} does not start: {failure or 'no answer'}")

    @property
    def address(self) -> str:
        """Where a browser on this machine finds it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - shown, not bound
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def stop(self) -> None:
        """End: no new request, streams are closed, the others may finish."""
        self._server.should_exit = True
        loop = self._loop
        if loop is not None and self._thread.is_alive():
            loop.call_soon_threadsafe(self._streams.close)
            loop.call_soon_threadsafe(self._leaving.set)
        self._thread.join(STOP_S * 2)

    def _failed(self) -> str:
        return "" if self._failure is None else f"{type(self._failure).__name__}: {self._failure}"

    def _run(self, listener: socket.socket) -> None:
        try:
            asyncio.run(self._serve(listener))
        except BaseException as error:  # noqa: BLE001 - whoever started it hears of it
            self._failure = error
        finally:
            self._serving.set()
            listener.close()

    async def _serve(self, listener: socket.socket) -> None:
        from anyio.to_thread import current_default_thread_limiter

        current_default_thread_limiter().total_tokens = THREADS
        self._loop = asyncio.get_running_loop()
        serving = asyncio.create_task(self._server.serve(sockets=[listener]))
        # uvicorn has a flag, not an event.
        while not self._server.started and not serving.done():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        self._serving.set()
        await serving


def _uvicorn(app: FastAPI, leaving: asyncio.Event) -> uvicorn.Server:
    import uvicorn

    from trimtab.web.patience import PatientProtocol

    class Quiet(uvicorn.Server):
        """Looks once a second whether to end, not ten times: a controller that has nothing to do should do nothing."""

        async def main_loop(self) -> None:
            counter = 0
            while not self.should_exit:
                # Each tenth tick writes the date into the headers of the next answers.
                counter += 10
                if await self.on_tick(counter):
                    return
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(leaving.wait(), _TICK_S)

    return Quiet(
        uvicorn.Config(
            app,
            loop="asyncio",
            http=PatientProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=CONCURRENCY,
            timeout_graceful_shutdown=int(STOP_S),
        )
    )


def _bind(listen: str) -> socket.socket:
    host, port = _parsed(listen)
    hint = "give another --listen (host:port, such as 127.0.0.1:8410), or 'off'"
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ConfigError(f"'{listen}' cannot be listened on: {error.strerror or error}", hint=hint) from None
    family, _, _, _, address = found[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            what = f"{listen} is already in use, perhaps by another Trimtab"
            hint = f"'ss -ltnp sport = :{port}' tells by what; {hint}"
        elif error.errno == errno.EACCES:
            what, hint = f"{listen} may not be listened on: ports below 1024 need more rights", f"{hint}"
        else:
            what = f"{listen} cannot be listened on: {error.strerror}"
        raise ConfigError(what, hint=hint) from None
    return listener


def _parsed(listen: str) -> tuple[str, int]:
    host, colon, port = listen.strip().rpartition(":")
    if not colon:
        host = "127.0.0.1"
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    if not port.isdecimal() or int(port) > 65535 or (":" in host and not listen.strip().startswith("[")):
        raise ConfigError(f"'{listen}' is no address to listen on", hint="write host:port, such as 127.0.0.1:8410")
    return host, int(port)
