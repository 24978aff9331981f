"""The engine's HTTP API with nothing in between: the least that the same work can cost; and tidying up."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import urllib.parse
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tests.bench.project import COMMAND, service_name
from tests.support.engine import BASE_IMAGE

ItemT = TypeVar("ItemT")
PROJECT = "com.docker.compose.project"
API = "/v1.41"
# The knee of this engine is at 2 to 8 starts at once (docs/reference/performance.md); Trimtab keeps 8 calls in flight.
THREADS = 8


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=300)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class RawApi:
    """One kept connection a thread; ``calls`` counts requests."""

    def __init__(self, url: str) -> None:
        self._path = url.removeprefix("unix://")
        self._local = threading.local()
        self._lock = threading.Lock()
        self._connections: list[_UnixConnection] = []
        self.calls = 0

    def __call__(self, method: str, path: str, body: object = None, *, fine: Collection[int] = ()) -> Any:
        """One request; its JSON. Statuses in ``fine`` are no error."""
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = _UnixConnection(self._path)
            with self._lock:
                self._connections.append(connection)
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if data else {}
        try:
            connection.request(method, API + path, data, headers)
        except BrokenPipeError:
            # Kept for minutes, and closed by the engine meanwhile.
            connection.close()
            connection.request(method, API + path, data, headers)
        response = connection.getresponse()
        content = response.read()
        with self._lock:
            self.calls += 1
        if response.status >= 400 and response.status not in fine:
            raise AssertionError(f"{method} {path}: {response.status} {content[:300]!r}")
        return json.loads(content) if content[:1] in {b"{", b"["} else None

    def listed(self, path: str, label: str, **params: str) -> Any:
        """Objects with a label."""
        query = urllib.parse.urlencode({**params, "filters": json.dumps({"label": [label]})})
        return self("GET", f"{path}?{query}")

    def close(self) -> None:
        """End every connection."""
        for connection in self._connections:
            connection.close()


def at_once(work: Callable[[ItemT], object], items: Iterable[ItemT], threads: int = THREADS) -> None:
    """``work`` on all of them, some at once."""
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, items))


def remove_project(api: RawApi, project: str) -> None:
    """Everything that carries the project's label, quickly: nothing in it has anything to lose."""
    label = f"{PROJECT}={project}"
    containers = api.listed("/containers/json", label, all="1")
    at_once(lambda c: api("DELETE", f"/containers/{c['Id']}?force=1&v=1", fine=(404, 409)), containers, 4)
    for network in api.listed("/networks", label):
        # 20.10 may count an endpoint that is gone for ever (403); the engine's own restart mends it.
        api("DELETE", f"/networks/{network['Id']}", fine=(403, 404))
    for volume in api.listed("/volumes", label)["Volumes"] or []:
        api("DELETE", f"/volumes/{volume['Name']}", fine=(404,))


@dataclass(slots=True)
class RawProject:
    """The project by the fewest calls there are, without a comparison or a journal: what no tool can beat."""

    api: RawApi
    project: str
    services: int
    ids: dict[int, str] = field(default_factory=dict)

    def up(self) -> None:
        """All of it from nothing."""
        labels = {PROJECT: self.project}
        self.api("POST", "/networks/create", {"Name": f"{self.project}_net", "Labels": labels, "CheckDuplicate": True})
        at_once(lambda number: self._make(number, "v1"), range(self.services))

    def nothing(self) -> None:
        """What has to be asked to know that nothing is to be done."""
        label = f"{PROJECT}={self.project}"
        for path in ("/containers/json", "/networks", "/volumes"):
            self.api.listed(path, label)

    def change(self, numbers: Collection[int], version: str) -> None:
        """Other containers in the place of these."""

        def renew(number: int) -> None:
            self.api("POST", f"/containers/{self.ids[number]}/stop")
            self.api("DELETE", f"/containers/{self.ids[number]}")
            self._make(number, version)

        self.nothing()
        at_once(renew, numbers)

    def _make(self, number: int, version: str) -> None:
        labels = {PROJECT: self.project, "version": version}
        volume = f"{self.project}_v{number:03d}"
        if version == "v1":
            self.api("POST", "/volumes/create", {"Name": volume, "Labels": labels})
        body = {
            "Image": BASE_IMAGE,
            "Cmd": COMMAND,
            "Env": [f"V={version}", f"IDX={number}"],
            "Labels": labels,
            "HostConfig": {"NetworkMode": f"{self.project}_net", "Binds": [f"{volume}:/data"]},
        }
        made = self.api("POST", f"/containers/create?name={self.project}-{service_name(number)}-1", body)
        self.ids[number] = made["Id"]
        self.api("POST", f"/containers/{made['Id']}/start")


def socket_path(url: str) -> Path | None:
    """The unix socket of an engine's address, which raw calls need."""
    path = Path(url.removeprefix("unix://"))
    return path if url.startswith("unix://") and path.exists() else None
