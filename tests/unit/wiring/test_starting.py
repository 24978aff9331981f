"""A controller that starts while its engine is away waits for it (I11), and can be told to stop meanwhile."""

from __future__ import annotations

import threading

import pytest

from trimtab.errors import BackendUnavailable, ConfigError, TrimtabError
from trimtab.wiring import starting


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "FIRST_S", 0.001)


def test_I11_an_outage_at_the_start_is_waited_out_and_told_once() -> None:
    """I11: an outage of the engine holds until it is over, also at the very start."""
    told: list[str] = []
    answers = iter([BackendUnavailable("the engine does not answer")] * 2 + [BackendUnavailable("it failed (500)")])

    def make() -> str:
        if (error := next(answers, None)) is not None:
            raise error
        return "a controller"

    made = starting.patiently(make, stop=threading.Event(), tell=lambda error, _: told.append(error.message))
    assert made == "a controller"
    assert told == ["the engine does not answer", "it failed (500)"]


def test_what_waiting_does_not_help_against_is_raised() -> None:
    def make() -> str:
        raise ConfigError("there is no such builder")

    with pytest.raises(ConfigError):
        starting.patiently(make, stop=threading.Event(), tell=lambda *_: None)


def test_it_can_be_told_to_stop_while_it_waits() -> None:
    stop = threading.Event()

    def tell(_error: TrimtabError, _delay_s: float) -> None:
        stop.set()

    def make() -> str:
        raise BackendUnavailable("the engine does not answer")

    assert starting.patiently(make, stop=stop, tell=tell) is None
