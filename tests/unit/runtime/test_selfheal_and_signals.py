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
from trimtab.runtime.selfheal import MAX_S, SLOW_S, WINDOW_S, SelfHealBackoff
from trimtab.runtime.signals import stop_on_signals

SHOP = AppKey("default", "shop")
WEB = ResourceKey(SHOP, Kind.CONTAINER, "web", 1)
MEMORY, CPUS = (WEB, "/HostConfig/Memory"), (WEB, "/HostConfig/NanoCpus")


def test_the_first_repair_is_at_once_the_next_ones_are_later_and_the_third_is_contended() -> None:
    clock = FakeClock()
    backoff = SelfHealBackoff(clock)
    assert backoff.resting(SHOP, "d") == {}
    waits, contended = [], []
    for _ in range(5):
        contended.append(backoff.repaired([MEMORY], "d"))
        waits.append(backoff.resting(SHOP, "d")[MEMORY])
        clock.advance(waits[-1])
        assert backoff.resting(SHOP, "d") == {}
    assert waits == [2, 6, SLOW_S, 180, MAX_S]
    assert contended == [(), (), (MEMORY,), (), ()], "it is told of once"


def test_what_is_gone_or_stopped_is_put_right_sooner_than_a_field_that_is_fought_over() -> None:
    clock = FakeClock()
    backoff = SelfHealBackoff(clock)
    gone, waits = (WEB, ""), []
    for _ in range(6):
        backoff.repaired([gone], "d")
        waits.append(backoff.resting(SHOP, "d")[gone])
        clock.advance(waits[-1])
    assert waits == [2, 6, 18, 54, 162, MAX_S]


def test_another_field_a_new_revision_and_a_long_peace_start_from_nothing() -> None:
    clock = FakeClock()
    backoff = SelfHealBackoff(clock)
    for _ in range(3):
        backoff.repaired([MEMORY], "d")
    assert backoff.contended(SHOP, "d") == (MEMORY,)
    assert set(backoff.resting(SHOP, "d")) == {MEMORY}, "another field of it is put right at once"
    assert backoff.contended(AppKey("default", "blog"), "d") == ()
    backoff.repaired([CPUS], "d")
    assert backoff.resting(SHOP, "d")[CPUS] == 2
    assert backoff.contended(SHOP, "new") == ()
    for _ in range(3):
        backoff.repaired([MEMORY], "d")
    clock.advance(WINDOW_S)
    assert backoff.contended(SHOP, "d") == ()
    assert backoff.repaired([MEMORY], "d") == ()
    assert backoff.resting(SHOP, "d")[MEMORY] == 2
    backoff.forget(SHOP)
    assert backoff.resting(SHOP, "d") == {}


@given(st.lists(st.integers(0, 400), max_size=30))
def test_it_never_gives_up_and_never_waits_longer_than_the_cap(pauses: list[int]) -> None:
    clock = FakeClock()
    backoff = SelfHealBackoff(clock)
    for pause in pauses:
        clock.advance(pause)
        wait_s = backoff.resting(SHOP, "d").get(MEMORY, 0.0)
        assert 0 <= wait_s <= MAX_S
        if wait_s == 0:
            backoff.repaired([MEMORY], "d")


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
    # In small pieces: a signal that comes right before a sleep does not cut it short.
    while True:
        time.sleep(0.01)
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
