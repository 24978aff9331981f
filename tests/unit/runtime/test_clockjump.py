"""A wall clock that was set wakes everyone who waits for a time of day."""

from __future__ import annotations

from tests.support.clock import FakeClock
from trimtab.model.keys import AppKey
from trimtab.model.trigger import Trigger, TriggerKind
from trimtab.runtime.clockjump import ClockWatch

KEYS = (AppKey("default", "blog"), AppKey("default", "shop"))


def test_only_a_clock_that_was_moved_wakes_anybody() -> None:
    clock, woken = FakeClock(), list[tuple[AppKey, Trigger]]()

    def notify(key: AppKey, trigger: Trigger, *, delay_s: float = 0.0) -> None:
        woken.append((key, trigger))

    watch = ClockWatch(notify, lambda: KEYS, clock)
    clock.advance(3600)
    watch.look()
    assert woken == []
    for moved_s in (7200.0, -600.0):
        clock.set_wall(moved_s)
        watch.look()
        assert [key for key, _ in woken] == list(KEYS)
        assert {trigger.kind for _, trigger in woken} == {TriggerKind.FOLLOW_UP}
        woken.clear()
        watch.look()
        assert woken == []
