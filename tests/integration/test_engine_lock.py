"""One controller an installation: refused while the holder lives, free when it crashed. On the real engine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import docker
import pytest

from tests.support.engine import EngineScope
from tests.support.waiting import eventually
from trimtab.backends.engine.client import EngineClient
from trimtab.backends.engine.lock import EngineLock, lock_name
from trimtab.errors import LockHeld

pytestmark = pytest.mark.engine

_HOLDER = """
import sys, time
from trimtab.backends.engine.client import EngineClient
from trimtab.backends.engine.lock import EngineLock
lock = EngineLock(EngineClient(sys.argv[1]), sys.argv[2], on_lost=lambda why: print("lost", flush=True))
lock.acquire()
print("held", flush=True)
while True:
    time.sleep(1)
"""


def _start(engine_url: str, installation: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", _HOLDER, engine_url, installation]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


@pytest.fixture
def client(engine_url: str) -> Iterator[EngineClient]:
    made = EngineClient(engine_url)
    yield made
    made.close()


@pytest.fixture
def holder(scope: EngineScope, engine_url: str) -> Iterator[subprocess.Popen[str]]:
    process = _start(engine_url, scope.name)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _lock(client: EngineClient, scope: EngineScope, lost: list[str] | None = None) -> EngineLock:
    return EngineLock(client, scope.name, on_lost=(lost if lost is not None else []).append)


def test_a_free_lock_is_taken_at_once_and_given_back(client: EngineClient, scope: EngineScope) -> None:
    before = client.calls.writes
    with _lock(client, scope) as lock:
        assert lock.held
        assert client.calls.writes == before + 1
        assert [v["Name"] for v in scope.volumes()] == [lock_name(scope.name)]
    assert not lock.held
    assert scope.volumes() == []


def test_a_living_holder_refuses_and_says_who_it_is(
    client: EngineClient, scope: EngineScope, holder: subprocess.Popen[str]
) -> None:
    for _ in range(2):
        began = time.monotonic()
        with pytest.raises(LockHeld, match=f"process {holder.pid} on "):
            _lock(client, scope).acquire()
        assert time.monotonic() - began < 3
    assert holder.poll() is None
    assert [v["Name"] for v in scope.volumes()] == [lock_name(scope.name)]


def test_a_crash_releases_it(client: EngineClient, scope: EngineScope, holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with _lock(client, scope) as lock:
        assert lock.held
    assert scope.volumes() == []


def test_a_holder_that_was_frozen_learns_that_it_lost(
    client: EngineClient, scope: EngineScope, holder: subprocess.Popen[str]
) -> None:
    holder.send_signal(signal.SIGSTOP)
    with _lock(client, scope):
        holder.send_signal(signal.SIGCONT)
        assert holder.stdout is not None
        assert holder.stdout.readline() == "lost\n"


def test_a_pruned_lock_is_made_again(client: EngineClient, scope: EngineScope, docker_api: docker.APIClient) -> None:
    lost: list[str] = []
    lock = _lock(client, scope, lost)
    lock.acquire()
    try:
        eventually(lambda: lock._stream is not None and lock._stream.connected.is_set(), what="it listens")
        docker_api.remove_volume(lock_name(scope.name))
        eventually(scope.volumes, what="it is there again", timeout_s=10)
        assert (lock.held, lost) == (True, [])
    finally:
        lock.release()
    assert scope.volumes() == []


def test_of_two_challengers_one_wins(
    client: EngineClient, scope: EngineScope, holder: subprocess.Popen[str], engine_url: str
) -> None:
    holder.kill()
    holder.wait()
    starters = [_start(engine_url, scope.name) for _ in range(2)]
    try:
        eventually(lambda: any(p.poll() is not None for p in starters), what="one gives up", timeout_s=30)
        assert [p.poll() for p in starters].count(None) == 1
        assert [v["Name"] for v in scope.volumes()] == [lock_name(scope.name)]
    finally:
        for process in starters:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
