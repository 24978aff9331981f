"""Changing whom a service's address sends connections to, and seeing that it does.

First the link says ``pending``, then a worker shows, by opening a socket whose name only this configuration has, that
it works by the new list, then the link says ``listed``. Whoever dies in between leaves ``pending``, and the next pass
writes again.
"""

from __future__ import annotations

import io
import secrets
import tarfile
import threading
import time

from trimtab.backends.engine.addresses import CONFIG, ROOT, configuration, short
from trimtab.backends.engine.bench import NOTHING, Bench, Outputs, id_of, known_id
from trimtab.backends.engine.client import EngineClient
from trimtab.backends.engine.errors import Taken
from trimtab.backends.engine.listed import LINK, LISTED, PENDING, listing_of, stat_of
from trimtab.backends.engine.logs import tail
from trimtab.backends.engine.steps import ListReplicas
from trimtab.errors import Conflict, TransientError, UnhealthyRelease
from trimtab.model.keys import Kind
from trimtab.ports import StepContext

_SOCKETS = f"{ROOT}/loaded"
# A worker reads a configuration within a tenth of a second; a machine may be busy.
_LOADING_S = 30.0
_POLL_S, _AGAIN_S = 0.03, 2.0
# Go's bits of a socket in the engine's answers. Source: Go io/fs, ModeSocket.
_GO_SOCKET = 1 << 24


def list_replicas(bench: Bench, step: ListReplicas, context: StepContext) -> Outputs:
    """Put ``on`` on the list and take ``off`` from it."""
    container_id = id_of(step, context)
    on = [known_id(ref, context) for ref in step.on]
    if None in on:
        raise Conflict(
            f"{step.name}: a replica that it should send to was not created", hint="the next pass looks again"
        )
    arriving, leaving = {short(one) for one in on if one}, {short(one) for one in step.off}
    with bench.turns.setdefault(container_id, threading.Lock()):
        there = listing_of(bench.client, container_id)
        before = set(there.ids) if there is not None else set()
        after = arriving if step.whole else (before - leaving) | arriving
        if there is None or not there.confirmed or after != before:
            try:
                _write(bench.client, container_id, step, tuple(sorted(after)), context)
            finally:
                bench.cache.touch(Kind.CONTAINER, container_id)
    if before & leaving and context.cancelled.wait(step.drain_s):
        raise TransientError(f"{step.name}: what it no longer sends to was being drained when the sync was cancelled")
    return NOTHING


def _write(
    client: EngineClient, container_id: str, step: ListReplicas, ids: tuple[str, ...], context: StepContext
) -> None:
    # Never one that was there: a worker hands on what it has open under the same name, and nothing new would be seen.
    socket = f"/{_SOCKETS}/{secrets.token_hex(8)}.sock"
    with io.BytesIO() as packed:
        with tarfile.open(fileobj=packed, mode="w") as tar:
            _folder(tar, ROOT, 0o755)
            # A file in the folder's place, and the folder again: so sockets of earlier lists go.
            _file(tar, _SOCKETS, b"")
            _folder(tar, _SOCKETS, 0o777)
            _file(tar, CONFIG.lstrip("/"), configuration(step.ports, ids, socket).encode())
            _link(tar, PENDING, ids)
        _put(client, container_id, step.name, packed.getvalue())
    _load(client, container_id, step, socket, context)
    with io.BytesIO() as packed:
        with tarfile.open(fileobj=packed, mode="w") as tar:
            _link(tar, LISTED, ids)
        _put(client, container_id, step.name, packed.getvalue())


def _load(client: EngineClient, container_id: str, step: ListReplicas, socket: str, context: StepContext) -> None:
    """Tell it to read its configuration, until it has; one that does not run reads it when it starts."""
    until, pause_s, told = time.monotonic() + _LOADING_S, _POLL_S, 0.0
    while time.monotonic() < until:
        if time.monotonic() >= told:
            # Once more now and then: it does not hear it in the first moments of its life.
            try:
                client.call(
                    "POST", f"/containers/{container_id}/kill", what="tell address", key=step.name,
                    params={"signal": "HUP"},
                )  # fmt: skip
            except Taken:
                return
            told = time.monotonic() + _AGAIN_S
        if context.cancelled.wait(pause_s):
            raise TransientError(f"{step.name} was given a new list when the sync was cancelled")
        mode = (stat_of(client, container_id, socket) or {}).get("mode")
        if isinstance(mode, int) and mode & _GO_SOCKET:
            return
        pause_s = min(2 * pause_s, 0.5)
    raise UnhealthyRelease(
        f"{step.name} did not take its new list of replicas within {_LOADING_S:.0f} s",
        log_tail=tail(client, container_id),
        hint="it has to be HAProxy, 2.6 or newer; the last lines of its log follow",
    )


def _put(client: EngineClient, container_id: str, name: str, archive: bytes) -> None:
    client.call(
        "PUT", f"/containers/{container_id}/archive", what="write list of address", key=name, params={"path": "/"},
        data=archive, headers={"Content-Type": "application/x-tar"},
    )  # fmt: skip


def _folder(tar: tarfile.TarFile, path: str, mode: int) -> None:
    info = tarfile.TarInfo(path)
    info.type, info.mode = tarfile.DIRTYPE, mode
    tar.addfile(info)


def _file(tar: tarfile.TarFile, path: str, data: bytes) -> None:
    info = tarfile.TarInfo(path)
    info.size, info.mode = len(data), 0o644
    tar.addfile(info, io.BytesIO(data))


def _link(tar: tarfile.TarFile, said: str, ids: tuple[str, ...]) -> None:
    """A link that leads nowhere: the engine tells where to, and that is the list."""
    info = tarfile.TarInfo(LINK.lstrip("/"))
    info.type, info.linkname = tarfile.SYMTYPE, "/".join((said, *ids))
    tar.addfile(info)
