"""Repairs of one object come ever later; a signal stops once gently and then at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from hypothesis import given
from hypothesis import strategies as st

from tests.support.clock import FakeClock
from tests.support.waiting import eventually
from trimtab.model.keys import AppKey, Kind, ResourceKey
from trimtab.runtime.selfheal import FORGIVEN_S, MAX_S, SelfHealBackoff
from trimtab.runtime.signals import stop_on_signals

WEB = ResourceKey(AppKey("default", "shop"), Kind.CONTAINER, "web", 1)
API = ResourceKey(AppKey("default", "shop"), Kind.CONTAINER, "api", 1)


def test_the_first_repair_is_at_once_and_the_next_ones_ever_later() -> None:
    clock = FakeClock()
    backoff = SelfHealBackoff(clock)
    assert backoff.wait_s(WEB, "d") == 0
    waits = []
    for count in range(1, 8):
        assert backoff.repaired(WEB, "d") == count
        waits.append(backoff.wait_s(WEB, "d"))
        clock.advance(waits[-1])
        assert backoff.wait_s(WEB, "d") == 0
    assert waits == [2, 6, 18, 54, 162, 300, 300]


def test_a_new_revision_another_object_and_a_long_peace_start_from_nothing() -> None:
    clock = FakeClock()
    backoff = SelfHealBackoff(clock)
    for _ in range(5):
        backoff.repaired(WEB, "d")
    assert backoff.wait_s(WEB, "d") > 0
    assert backoff.wait_s(API, "d") == 0
    assert backoff.wait_s(WEB, "new") == 0
    for _ in range(5):
        backoff.repaired(WEB, "d")
    clock.advance(FORGIVEN_S)
    assert backoff.repaired(WEB, "d") == 1
    backoff.forget(WEB)
    assert backoff.wait_s(WEB, "d") == 0


@given(st.lists(st.integers(0, 400), max_size=30))
def test_it_never_gives_up_and_never_waits_longer_than_the_cap(pauses: list[int]) -> None:
    clock = FakeClock()
    backoff = SelfHealBackoff(clock)
    for pause in pauses:
        clock.advance(pause)
        wait_s = backoff.wait_s(WEB, "d")
        assert 0 <= wait_s <= MAX_S
        if wait_s == 0:
            backoff.repaired(WEB, "d")


def test_a_signal_asks_to_stop_and_the_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stop_on_signals() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(10)
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_second_signal_ends_at_once() -> None:
    script = """
import time
from trimtab.runtime.signals import stop_on_signals
with stop_on_signals() as stop:
    print("ready", flush=True)
    stop.wait()
    print("stopping", flush=True)
    time.sleep(600)
"""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=env)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "stopping\n"
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    eventually(lambda: process.poll() is not None, what="the end", timeout_s=30, every_s=0.02)
    assert process.returncode == 128 + signal.SIGINT
    assert time.monotonic() - began < 30
    process.stdout.close()
