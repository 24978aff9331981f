"""How the engine is reached: one low-level client a thread, one API version for all, every request counted.

docker-py's sessions are not safe to share between threads, and its high-level objects hide extra requests,
so this is the low-level client behind one method that takes and gives JSON.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from trimtab.backends.engine.errors import translating, unreachable
from trimtab.errors import TrimtabError, UnsupportedByBackend

if TYPE_CHECKING:
    from docker import APIClient
    from requests import Response

# 20.10; below it there is no cgroup namespace mode, no platform at create.
MINIMUM_API = (1, 41)
# The newest version that the tests ran against; a newer engine is spoken to in this one as long as it allows that.
NEWEST_API = (1, 51)
CONNECT_TIMEOUT_S = 5.0
# A create on a busy machine takes seconds; a request that takes a minute hangs.
READ_TIMEOUT_S = 60.0
# What an engine says of itself is asked for by several within the first moments, and costs it 10 ms.
INFO_S = 30.0

_VERSION = re.compile(r"(\d+)\.(\d+)")
_VERBS = frozenset({"json", "create", "prune", "search", "load", "get"})
_READS = frozenset({"GET", "HEAD"})


def path_kind(path: str) -> str:
    """A request's path without the names in it: ``/containers/{}/json``."""
    parts = re.sub(r"^/v\d+\.\d+", "", path.partition("?")[0]).strip("/").split("/")
    if len(parts) == 1 or parts[1] in _VERBS:
        return "/" + "/".join(parts[:2])
    # Image names have slashes of their own, so only the ends count, and of an image not even the end of a name.
    last = f"/{parts[-1]}" if len(parts) > 2 and (parts[0] != "images" or parts[-1] == "json") else ""
    return f"/{parts[0]}/{{}}{last}"


class CallCounter:
    """Counts requests by method and kind of path, for tests, benchmarks and metrics."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def add(self, method: str, kind: str) -> None:
        """Count one request."""
        with self._lock:
            self._counts[f"{method} {kind}"] += 1

    def snapshot(self) -> Counter[str]:
        """All counts so far; subtract an earlier one to see what happened in between."""
        with self._lock:
            return Counter(self._counts)

    @property
    def total(self) -> int:
        """Requests so far."""
        with self._lock:
            return self._counts.total()

    @property
    def writes(self) -> int:
        """Requests so far that may have changed something."""
        with self._lock:
            return sum(count for call, count in self._counts.items() if call.partition(" ")[0] not in _READS)


class EngineClient:
    """One engine. ``host``: DOCKER_HOST's syntax; empty: ``environment``'s DOCKER_HOST, else the local socket.

    ``on_call(method, kind, seconds, status)`` is told of each answer.
    """

    def __init__(
        self,
        host: str = "",
        *,
        environment: Mapping[str, str] | None = None,
        timeout_s: float = READ_TIMEOUT_S,
        on_call: Callable[[str, str, float, int], None] | None = None,
    ) -> None:
        self._environment = dict(os.environ if environment is None else environment)
        if host:
            self._environment["DOCKER_HOST"] = host
        self._timeout_s = timeout_s
        self._on_call = on_call
        self._local = threading.local()
        self._lock = threading.Lock()
        # Of the list alone: the other lock is held while a version is agreed on, which connects.
        self._listing = threading.Lock()
        self._clients: list[tuple[threading.Thread, APIClient]] = []
        self._version: tuple[int, int] | None = None
        self._generation = 0
        self._told: tuple[float, Mapping[str, Any]] | None = None
        self.calls = CallCounter()

    @property
    def host(self) -> str:
        """Where the engine is, for people."""
        return self._environment.get("DOCKER_HOST") or "unix:///var/run/docker.sock"

    @property
    def api_version(self) -> tuple[int, int]:
        """The version that is spoken, agreed upon at the first use.

        Raises:
            UnsupportedByBackend: the engine is older than 20.10.
            BackendUnavailable: it does not answer.
        """
        with self._lock:
            if self._version is None:
                self._version = self._negotiate()
            return self._version

    def info(self, *, fresh: bool = False) -> Mapping[str, Any]:
        """What the engine says of itself; asked once in a short while, unless it has to be ``fresh``."""
        return self._info(fresh=fresh)[1]

    def engine_time(self, *, fresh: bool = False) -> datetime:
        """The engine's clock, rather a moment early than late."""
        at_s, info = self._info(fresh=fresh)
        return datetime.fromisoformat(str(info["SystemTime"])) + timedelta(seconds=time.monotonic() - at_s)

    def _info(self, *, fresh: bool) -> tuple[float, Mapping[str, Any]]:
        told = self._told
        if fresh or told is None or time.monotonic() - told[0] > INFO_S:
            info: Mapping[str, Any] = self.call("GET", "/info", what="ask the engine what it is")
            # The time after the answer: what is counted from it is a little less than what went by on the engine.
            told = self._told = (time.monotonic(), info)
        return told

    def forget(self) -> None:
        """Agree on the version anew, with fresh connections: the engine was away, and may be another one now."""
        self._told = None
        with self._lock:
            self._version = None
            self._generation += 1

    def close(self) -> None:
        """Close every thread's connections."""
        with self._lock:
            self._generation += 1
        with self._listing:
            clients, self._clients = self._clients, []
        for _, client in clients:
            client.close()

    def raw(self) -> APIClient:
        """This thread's docker-py client; its requests are counted too."""
        version = self.api_version
        if getattr(self._local, "generation", None) != self._generation:
            self._discard(getattr(self._local, "client", None))
            self._sweep()
            self._local.client = self._connect(f"{version[0]}.{version[1]}")
            self._local.generation = self._generation
        client: APIClient = self._local.client
        return client

    def call(
        self,
        method: str,
        path: str,
        *,
        what: str,
        key: object = None,
        params: Mapping[str, str] | None = None,
        body: object = None,
        data: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Any:
        """One request; its JSON, or None when there is no body. ``what`` and ``key`` go into errors.

        Raises: a TrimtabError; Missing for 404, Taken for 409, Refused for 403.
        """
        response = self._send(
            method, path, what=what, key=key, params=params, body=body, data=data, headers=headers, timeout_s=timeout_s
        )
        with translating(what, str(key) if key else None):
            if _cut_off(response):
                raise unreachable(f"{what} {key}" if key else what, "its answer was cut off")
            if not response.content:
                return None
            # Some answers (ping, progress of an import) are text, or one JSON document a line.
            if "json" not in response.headers.get("Content-Type", ""):
                return response.text
            try:
                return response.json()
            except ValueError:
                return response.text

    def open(
        self,
        method: str,
        path: str,
        *,
        what: str,
        key: object = None,
        params: Mapping[str, str] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Response:
        """One request whose body is read as it comes; the caller closes the response."""
        return self._send(
            method,
            path,
            what=what,
            key=key,
            params=params,
            body=body,
            headers=headers,
            timeout_s=timeout_s,
            stream=True,
        )

    def ping(self, timeout_s: float = CONNECT_TIMEOUT_S) -> None:
        """Return if the engine answers. Raises BackendUnavailable."""
        self.call("GET", "/_ping", what="ping the engine", timeout_s=timeout_s)

    def _send(
        self,
        method: str,
        path: str,
        *,
        what: str,
        key: object,
        params: Mapping[str, str] | None = None,
        body: object = None,
        data: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        stream: bool = False,
    ) -> Response:
        import requests
        from docker.errors import create_api_error_from_http_exception

        with translating(what, str(key) if key else None):
            for attempt in (1, 2):
                version = self.api_version
                client = self.raw()
                url = f"{client.base_url}/v{version[0]}.{version[1]}{quote(path, safe='/:@')}"
                try:
                    response = client.request(
                        method,
                        url,
                        params=params,
                        json=body,
                        data=data,
                        headers=headers,
                        timeout=(CONNECT_TIMEOUT_S, timeout_s or self._timeout_s),
                        stream=stream,
                    )
                    response.raise_for_status()
                except requests.exceptions.HTTPError as error:
                    create_api_error_from_http_exception(error)
                except requests.exceptions.ConnectionError as error:
                    # A kept connection that an engine's restart has cut; only reads are safe to repeat blindly.
                    if attempt == 1 and method in _READS and not _timed_out(error):
                        continue
                    raise
                else:
                    return response
        raise unreachable(what, "connection lost twice")

    def _negotiate(self) -> tuple[int, int]:
        client = self._connect("1.41")
        try:
            with translating("connect to the engine", self.host):
                timeout = (CONNECT_TIMEOUT_S, self._timeout_s)
                # A ping tells the newest version at once; for all it says, /version asks other programs first.
                hello = client.get(f"{client.base_url}/_ping", timeout=timeout).headers.get("Api-Version", "")
                if _VERSION.match(hello) and MINIMUM_API <= _version(hello) <= NEWEST_API:
                    return _version(hello)
                answer = client.get(f"{client.base_url}/version", timeout=timeout)
                answer.raise_for_status()
                facts = answer.json()
        finally:
            self._discard(client)
        newest, oldest = _version(facts.get("ApiVersion")), _version(facts.get("MinAPIVersion") or "1.0")
        if newest < MINIMUM_API:
            message = f"the engine at {self.host} speaks API {newest[0]}.{newest[1]} (version {facts.get('Version')})"
            raise UnsupportedByBackend(message, hint="Trimtab needs API 1.41, which is Docker 20.10 or newer")
        return max(min(newest, NEWEST_API), oldest)

    def _connect(self, version: str) -> APIClient:
        from docker import APIClient
        from docker.utils import kwargs_from_env

        with translating("connect to the engine", self.host):
            arguments = kwargs_from_env(environment=self._environment)
            client = APIClient(version=version, timeout=int(self._timeout_s), **arguments)
        client.hooks["response"].append(self._count)
        if client.base_url.startswith("http+docker://"):
            _one_pool(client)
        with self._listing:
            self._clients.append((threading.current_thread(), client))
        return client

    def _discard(self, client: APIClient | None) -> None:
        if client is not None:
            client.close()
            with self._listing:
                self._clients = [(thread, known) for thread, known in self._clients if known is not client]

    def _sweep(self) -> None:
        """Close the connections of threads that ended: one that follows a log lives as long as its container."""
        with self._listing:
            ended = [client for thread, client in self._clients if not thread.is_alive()]
            self._clients = [(thread, client) for thread, client in self._clients if thread.is_alive()]
        for client in ended:
            client.close()

    def _count(self, response: Response, *_args: object, **_kwargs: object) -> None:
        method, kind = str(response.request.method), path_kind(str(response.request.path_url))
        self.calls.add(method, kind)
        if self._on_call is not None:
            self._on_call(method, kind, response.elapsed.total_seconds(), response.status_code)


def _one_pool(client: APIClient) -> None:
    """Keep connections of a socket between requests: docker-py pools them by whole URL, so each inspect opened one.

    Proxies and netrc of the environment are for addresses; looking them up costs as much as the request.
    """
    adapter: Any = client.get_adapter(client.base_url)
    pooled = adapter.get_connection
    adapter.get_connection = lambda _url, proxies=None: pooled(client.base_url, proxies)
    client.trust_env = False


def _cut_off(response: Response) -> bool:
    """Whether the connection ended within the answer's head: then nobody noticed, as the length is in the head.

    What ends with the connection is all there when it is a document (some proxies leave the length out).
    """
    if response.status_code in {204, 304} or response.request.method == "HEAD":
        return False
    headers = response.headers
    if headers.get("Content-Length", "").isdigit() or "chunked" in headers.get("Transfer-Encoding", ""):
        return False
    try:
        response.json()
    except ValueError:
        return True
    return False


def _timed_out(error: Exception) -> bool:
    return "timed out" in str(error).lower()


def _version(text: object) -> tuple[int, int]:
    match = _VERSION.match(str(text))
    if match is None:
        message = f"the engine's API version {text!r} cannot be read"
        raise TrimtabError(message)
    return int(match[1]), int(match[2])
