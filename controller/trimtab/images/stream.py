"""A long call to the engine that answers with lines of JSON: with a deadline, and given up as soon as it is cancelled.

The client library can neither send a body that is made while it is sent nor be interrupted, so builds and pulls go
through its HTTP session here. Closing the connection is how the engine is told to stop.
Source: Engine API, ImageBuild: "The build is canceled if the client drops the connection".
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from functools import partial
from typing import Any

import requests
from docker import APIClient

from trimtab.errors import BackendUnavailable, Conflict, DeadlineExceeded

# How soon a cancellation is noticed.
_TICK_S = 0.1
# Longer lines than this are not JSON that an engine sends.
_MAX_LINE_BYTES = 8 << 20


class RefusedError(Exception):
    """The engine answered with an error status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Watch:
    """Says when to stop, and cuts the connection then; also from a thread that is blocked in reading."""

    def __init__(self, what: str, cancelled: threading.Event, timeout_s: float) -> None:
        self._what = what
        self._cancelled = cancelled
        self._timeout_s = timeout_s
        self._until = time.monotonic() + timeout_s
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def left_s(self) -> float:
        """Seconds until the deadline; not below zero."""
        return max(self._until - time.monotonic(), 0.0)

    def check(self) -> None:
        """Raises Conflict when cancelled, DeadlineExceeded when late."""
        if self._cancelled.is_set():
            raise Conflict(f"{self._what} was cancelled", hint="a newer revision or a stop took its place")
        if self.left_s == 0:
            raise DeadlineExceeded(
                f"{self._what} took longer than {self._timeout_s:g} s",
                hint="it was given up; raise the deadline if it needs more",
            )

    def answer(self, send: Callable[[], requests.Response]) -> requests.Response:
        """What ``send`` returns. An engine that waits for others before its first word is not waited for.

        Raises: what ``send`` raises, and as ``check``; the call that was given up ends by its own time limit.
        """
        outcome: Future[requests.Response] = Future()
        threading.Thread(target=_settle, args=(outcome, send), name="stream-send", daemon=True).start()
        try:
            while True:
                self.check()
                with contextlib.suppress(FutureTimeout):
                    return outcome.result(_TICK_S)
        except (Conflict, DeadlineExceeded):
            outcome.add_done_callback(_close)
            raise

    def cut(self, response: requests.Response) -> None:
        """From now on, shut ``response``'s connection down as soon as it is time to stop."""
        connection = _socket_of(response)
        self._thread = threading.Thread(target=self._wait_and_cut, args=(connection,), name="stream-watch", daemon=True)
        self._thread.start()

    def _wait_and_cut(self, connection: socket.socket | None) -> None:
        while not self._done.wait(_TICK_S):
            if self._cancelled.is_set() or self.left_s == 0:
                if connection is not None:
                    # Unlike close, this also wakes a reader. The other side may have gone first.
                    with contextlib.suppress(OSError):
                        connection.shutdown(socket.SHUT_RDWR)
                return

    def close(self) -> None:
        """End the watch."""
        self._done.set()
        if self._thread is not None:
            self._thread.join()


def _settle(outcome: Future[requests.Response], send: Callable[[], requests.Response]) -> None:
    try:
        outcome.set_result(send())
    except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
        outcome.set_exception(error)


def _close(outcome: Future[requests.Response]) -> None:
    if outcome.exception() is None:
        outcome.result().close()


def _socket_of(response: requests.Response) -> socket.socket | None:
    """The connection below a streamed response."""
    raw: Any = response.raw
    connection = getattr(raw, "connection", None) or getattr(raw, "_connection", None)
    found = getattr(connection, "sock", None)
    if found is None:
        # A response that ends with the connection has taken the socket over.
        found = getattr(getattr(getattr(getattr(raw, "_fp", None), "fp", None), "raw", None), "_sock", None)
    return found if hasattr(found, "shutdown") else None


def post(
    api: APIClient,
    path: str,
    *,
    what: str,
    params: Mapping[str, str | Sequence[str]],
    headers: Mapping[str, str],
    body: Iterable[bytes] | None = None,
    cancelled: threading.Event,
    timeout_s: float,
) -> Iterator[dict[str, Any]]:
    """The messages of the engine's answer, as they come.

    Raises:
        RefusedError: an error status.
        BackendUnavailable, DeadlineExceeded, Conflict (cancelled).
    """
    url = f"{api.base_url}/v{api.api_version}{path}"
    watch = Watch(what, cancelled, timeout_s)
    try:
        send = partial(_send, url, api, params, headers, body=body, watch=watch)
        with contextlib.closing(watch.answer(send)) as response:
            watch.cut(response)
            if response.status_code >= 400:
                raise RefusedError(response.status_code, _error_of(response))
            yield from _messages(response)
        # A stream that was cut ends like one that is complete.
        watch.check()
    except (requests.RequestException, OSError) as error:
        watch.check()
        raise BackendUnavailable(f"{what}: the engine's answer broke off ({error})") from error
    finally:
        watch.close()


def _send(
    url: str,
    api: APIClient,
    params: Mapping[str, str | Sequence[str]],
    headers: Mapping[str, str],
    *,
    body: Iterable[bytes] | None,
    watch: Watch,
) -> requests.Response:
    data = None if body is None else _checked(body, watch)
    return api.post(
        url, params=dict(params), headers=dict(headers), data=data, stream=True, timeout=(60, watch.left_s + _TICK_S)
    )


def _checked(body: Iterable[bytes], watch: Watch) -> Iterator[bytes]:
    for chunk in body:
        watch.check()
        yield chunk


def _messages(response: requests.Response) -> Iterator[dict[str, Any]]:
    pending = b""
    for chunk in response.iter_content(chunk_size=None):
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            yield from _message(line)
        if len(pending) > _MAX_LINE_BYTES:
            raise BackendUnavailable("the engine sent a line without an end")
    yield from _message(pending)


def _message(line: bytes) -> Iterator[dict[str, Any]]:
    if not line.strip():
        return
    try:
        message = json.loads(line)
    except ValueError as error:
        raise BackendUnavailable(f"the engine sent something that is not JSON: {line[:80]!r}") from error
    if isinstance(message, dict):
        yield message


def _error_of(response: requests.Response) -> str:
    try:
        body = response.json()
    except ValueError:
        return response.text.strip()[:1000]
    return str(body.get("message", body)) if isinstance(body, dict) else str(body)
