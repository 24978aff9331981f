"""A full look for one application is one for all."""

from __future__ import annotations

from tests.support.clock import FakeClock
from trimtab.runtime.fulllooks import SHARED_S, FullLooks


def test_of_many_that_want_a_full_look_at_once_one_makes_it() -> None:
    clock = FakeClock()
    looks = FullLooks(clock)
    assert [looks.due() for _ in range(1_000)].count(True) == 1
    clock.advance(SHARED_S - 1)
    assert not looks.due()
    clock.advance(1)
    assert looks.due()
