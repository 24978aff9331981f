"""A controller's exchange of itself: whatever dies at whichever call, in the end exactly one controller runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.exchanging import DEADLINE_S, HELPER, NAME, Engine, Nature
from tests.support.world import Killed

Event = Callable[[Engine], None]
DEATHS: dict[str, Event] = {
    "the helper is killed": Engine.kill_helper,
    "the engine restarts": Engine.restart_engine,
    "the old one is killed": Engine.kill_old,
    "the new one is killed": Engine.kill_new,
}
POLICIES = ("unless-stopped", "always", "no")


def exactly_one_runs(engine: Engine, said: list[str]) -> None:
    """The old one or the new one, under its name, and nothing of the other; the helper says which by its end."""
    told = (engine.asked[-12:], said)
    assert len(engine.controllers) == 1, told
    survivor = engine.controllers[0]
    assert survivor.name == NAME, told
    assert [box for box in engine.boxes.values() if box.id not in {survivor.id, HELPER}] == [], told
    if survivor is engine.new:
        assert survivor.nature is Nature.WELL, told
        assert engine.helper is None, told
    else:
        assert engine.helper is not None, told
        assert (engine.helper.running, engine.helper.policy) == (False, "no"), told
        assert said, "it says why"


@pytest.mark.parametrize("nature", Nature)
def test_undisturbed(nature: Nature) -> None:
    engine = Engine(nature)
    said = engine.live()
    exactly_one_runs(engine, said)
    assert (engine.old is None) == (nature is Nature.WELL)
    # One that never becomes ready takes its time, and so does a port that somebody may let go; nothing else does.
    assert (engine.clock_s > DEADLINE_S) == (nature in {Nature.HANGS, Nature.PORT_TAKEN})


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("death", DEATHS)
@pytest.mark.parametrize("nature", Nature)
def test_something_dies_at_every_call(nature: Nature, death: str, policy: str) -> None:
    calls = 0
    for effect_first in (False, True):
        at = 1
        while True:
            engine = Engine(nature, policy=policy)
            engine.at[at] = (DEATHS[death], effect_first)
            said = engine.live()
            if engine.calls < at:
                break
            if policy == "no" and death != "the helper is killed":
                # What nobody starts again is gone on with by the helper as long as there is one, and no longer.
                assert len(engine.controllers) <= 1
            else:
                exactly_one_runs(engine, said)
                unhurt = death in {"the helper is killed", "the engine restarts", "the old one is killed"}
                if unhurt and nature is Nature.WELL:
                    assert engine.old is None, (death, at, effect_first, engine.asked, said)
            # Polling goes on and on with the same calls; the first rounds have them all.
            calls, at = max(calls, at), at + 1
            if at > 30:
                break
    assert calls > 5


@settings(max_examples=40)
@given(st.data())
def test_several_things_die(data: st.DataObject) -> None:
    nature = data.draw(st.sampled_from(Nature))
    engine = Engine(nature, policy=data.draw(st.sampled_from(POLICIES[:2])))
    numbers = data.draw(st.lists(st.integers(1, 40), max_size=4, unique=True))
    for number in numbers:
        engine.at[number] = (data.draw(st.sampled_from(list(DEATHS.values()))), data.draw(st.booleans()))
    exactly_one_runs(engine, engine.live())


@pytest.mark.parametrize("gone", ["old", "new"])
def test_a_person_removes_one_of_them(gone: str) -> None:
    """At any call before the last look at it: what is left runs."""
    undisturbed = Engine(Nature.WELL)
    undisturbed.live()
    removal = next(n for n, call in enumerate(undisturbed.asked, 1) if call.startswith("DELETE"))
    looks = [n for n, call in enumerate(undisturbed.asked, 1) if call.endswith("json") and n < removal]
    for at in range(1, looks[-1] + 1):
        engine = Engine(Nature.WELL)
        box = engine.old if gone == "old" else engine.new
        assert box is not None
        engine.at[at] = (lambda engine, ref=box.id: engine.boxes.pop(ref, None) and None, False)  # type: ignore[misc]
        engine.live()
        assert len(engine.controllers) == 1, (at, engine.asked)


def test_a_mistake_of_the_helper_does_not_leave_nobody_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the new version's code, which nobody has tried yet."""

    def mistaken(*_: object) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr("trimtab.backends.engine.exchange.Exchange._leads", mistaken)
    engine = Engine(Nature.WELL)
    said = engine.live()
    exactly_one_runs(engine, said)
    assert engine.old is not None
    assert any("ZeroDivisionError" in line for line in said)


def test_a_kill_is_no_exception() -> None:
    """What the helper catches does not catch the test's kills."""
    assert not issubclass(Killed, Exception)
