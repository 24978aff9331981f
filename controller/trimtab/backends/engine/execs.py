"""A command inside a running container: which container, its streams, its terminal's size, its exit code."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trimtab.backends.engine.errors import translating
from trimtab.backends.engine.logstream import frames
from trimtab.errors import TrimtabError, UnsupportedByBackend, UserError
from trimtab.model.keys import DEFAULT_NAMESPACE, AppKey, Kind, ResourceKey
from trimtab.model.observed import Live, ObservedState, Probe, RunState

if TYPE_CHECKING:
    from requests import Response

    from trimtab.backends.engine.client import EngineClient

_CHUNK_BYTES = 1 << 16
# A shell may be silent for as long as it likes.
_LONGEST_SILENCE_S = 24 * 3600.0
# The end of the stream comes a moment before the engine knows the exit code.
_CODE_S = 2.0
_POLL_S = 0.05
# Source: Engine API 1.42, ExecConfig and ExecStartConfig: ConsoleSize, as [height, width].
_SIZED_API = (1, 42)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What is run. ``environment`` may hold secrets, so no repr shows it; ``size`` is rows and columns."""

    argv: Sequence[str]
    user: str = ""
    workdir: str = ""
    environment: Sequence[str] = field(default=(), repr=False)
    tty: bool = False
    stdin: bool = True
    privileged: bool = False
    detach_keys: str = ""
    size: tuple[int, int] | None = None


def find_target(observed: ObservedState, text: str) -> tuple[AppKey, str]:
    """The application and service that APP, APP/SERVICE, NAMESPACE/APP or NAMESPACE/APP/SERVICE means.

    Raises UserError: nothing of that name runs here, or it means two things.
    """
    there = _services(observed)
    parts = text.split("/")
    match parts:
        case [name]:
            read = [(AppKey(DEFAULT_NAMESPACE, name), "")]
        case [first, second]:
            read = [(AppKey(DEFAULT_NAMESPACE, first), second), (AppKey(first, second), "")]
        case [namespace, name, service]:
            read = [(AppKey(namespace, name), service)]
        case _:
            raise UserError(f"'{text}' names no service", hint="write APP, APP/SERVICE or NAMESPACE/APP/SERVICE")
    fitting = [(app, service) for app, service in read if service in {"", *there.get(app, ())} and app in there]
    if len(fitting) == 2:
        raise UserError(
            f"'{text}' is service '{parts[1]}' of '{parts[0]}', and an application of namespace '{parts[0]}'",
            hint=f"write {DEFAULT_NAMESPACE}/{text}, or {text}/SERVICE",
        )
    if not fitting:
        known = next((app for app, _ in read if app in there), None)
        if known is not None:
            services = ", ".join(sorted(there[known]))
            raise UserError(f"{known} has no service '{parts[-1]}' that runs here", hint=f"there are: {services}")
        raise UserError(f"nothing of '{text}' runs here", hint="'trimtab status' lists the applications")
    app, service = fitting[0]
    if not service:
        service, *others = sorted(there[app])
        if others:
            names = ", ".join(f"{app}/{name}" for name in (service, *others))
            raise UserError(f"{app} has several services", hint=f"choose one: {names}")
    return app, service


def find_container(observed: ObservedState, app: AppKey, service: str, index: int | None = None) -> Live:
    """The first replica that is healthy, or runs; with ``index`` that one.

    Raises UserError: there is no such replica, or none of them runs.
    """
    found = [
        live
        for key, lives in observed.live.items()
        if key.app == app and key.kind is Kind.CONTAINER and key.name == service and index in {None, key.replica}
        for live in lives
    ]
    if not found:
        count = len(
            {key.replica for key in observed.live if key == ResourceKey(app, Kind.CONTAINER, service, key.replica)}
        )
        raise UserError(f"{app}/{service} has no replica {index}", hint=f"it has {count}, counted from 1")
    found.sort(key=lambda live: (_rank(live), live.key.replica, live.name))
    best = found[0]
    if best.running.status is not RunState.RUNNING:
        state = best.running.status.value or "not there"
        raise UserError(
            f"{best.name} does not run: it is {state}", hint=f"'trimtab logs {app} {service}' shows what it wrote last"
        )
    return best


def _rank(live: Live) -> int:
    if live.running.status is not RunState.RUNNING:
        return 3
    return {Probe.HEALTHY: 0, Probe.NONE: 0, Probe.STARTING: 1}.get(live.running.probe, 2)


def _services(observed: ObservedState) -> dict[AppKey, set[str]]:
    found: dict[AppKey, set[str]] = {}
    for key in observed.live:
        if key.kind is Kind.CONTAINER:
            found.setdefault(key.app, set()).add(key.name)
    return found


class Exec:
    """One command in one container. ``start`` it, then iterate over ``output``; ``close`` it at the end."""

    def __init__(self, client: EngineClient, live: Live, command: Command) -> None:
        """Make it, not yet run it. Raises a TrimtabError: the container is gone or paused, the engine refuses."""
        self.name = live.name
        self.detached = False
        self._client = client
        self._command = command
        self._what = f"run a command in {live.name}"
        self._sized = client.api_version >= _SIZED_API and command.tty and command.size is not None
        self._response: Response | None = None
        self._socket: socket.socket | None = None
        body = _body(command) | self._size()
        made = client.call("POST", f"/containers/{live.handle}/exec", what=self._what, body=body)
        self._id = str(made["Id"])

    def _size(self) -> dict[str, object]:
        return {"ConsoleSize": list(self._command.size or ())} if self._sized else {}

    def start(self, *, detached: bool = False) -> None:
        """Run it; ``detached``: without its streams. Raises a TrimtabError."""
        path, body = f"/exec/{self._id}/start", {"Detach": detached, "Tty": self._command.tty, **self._size()}
        if detached:
            self._client.call("POST", path, what=self._what, body=body)
            return
        self._response = self._client.open(
            "POST",
            path,
            what=self._what,
            body=body,
            headers={"Connection": "Upgrade", "Upgrade": "tcp"},
            timeout_s=_LONGEST_SILENCE_S,
        )
        self._socket = _socket_of(self._response, self._what)
        self._socket.settimeout(None)

    def output(self) -> Iterator[tuple[str, bytes]]:
        """Its output as it comes, each piece with its stream; a terminal has one. Raises a TrimtabError."""
        response = self._response
        if response is None:
            return
        with translating(self._what):
            # What came together with the answer's head is in the buffer of the reader, so this reads by way of it.
            reader: Any = response.raw._fp.fp  # type: ignore[union-attr]  # noqa: SLF001
            chunks = iter(lambda: reader.read1(_CHUNK_BYTES), b"")
            yield from (("stdout", chunk) for chunk in chunks) if self._command.tty else frames(chunks)

    def send(self, data: bytes) -> None:
        """Put something into its standard input. Raises OSError."""
        if self._socket is not None:
            self._socket.sendall(data)

    def end_input(self) -> None:
        """Close its standard input; its output goes on."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)

    def detach(self) -> None:
        """End its output here, from any thread; it goes on."""
        self.detached = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def resize(self, rows: int, columns: int) -> bool:
        """Tell its terminal the size of ours, and whether that was taken: before it runs there is none to tell."""
        try:
            self._client.call(
                "POST",
                f"/exec/{self._id}/resize",
                what=f"resize the terminal in {self.name}",
                params={"h": str(rows), "w": str(columns)},
            )
        except TrimtabError:
            return False
        return True

    def exit_code(self) -> int | None:
        """Its exit code; None while it still runs. Raises a TrimtabError."""
        until = time.monotonic() + _CODE_S
        while True:
            state = self._client.call("GET", f"/exec/{self._id}/json", what=self._what)
            if not state.get("Running") and state.get("ExitCode") is not None:
                return int(state["ExitCode"])
            if time.monotonic() >= until:
                return None
            time.sleep(_POLL_S)

    def close(self) -> None:
        """Let go of the connection; a command that still runs goes on."""
        if self._response is not None:
            self._response.close()


def _body(command: Command) -> dict[str, object]:
    body: dict[str, object] = {
        "Cmd": list(command.argv),
        "AttachStdin": command.stdin,
        "AttachStdout": True,
        "AttachStderr": True,
        "Tty": command.tty,
    }
    optional: dict[str, object] = {
        "User": command.user,
        "WorkingDir": command.workdir,
        "Env": list(command.environment),
        "Privileged": command.privileged,
        "DetachKeys": command.detach_keys,
    }
    return body | {name: value for name, value in optional.items() if value}


def _socket_of(response: Response, what: str) -> socket.socket:
    """The connection below an answer that has become a stream both ways."""
    found = getattr(getattr(getattr(response.raw, "_fp", None), "fp", None), "raw", None)
    found = getattr(found, "_sock", found)
    if not isinstance(found, socket.socket):
        response.close()
        raise UnsupportedByBackend(
            f"{what}: this connection to the engine carries no input",
            hint="use a local socket or tcp://, or forward the socket with ssh -L",
        )
    return found
