"""Waiting ends as soon as the condition holds, and says what was missing when it never does."""

from __future__ import annotations

import pytest

from tests.support.waiting import eventually


def test_it_returns_the_first_true_answer() -> None:
    answers = iter([0, "", 7, 8])
    assert eventually(lambda: next(answers), what="a number", every_s=0) == 7


def test_it_names_what_never_came() -> None:
    with pytest.raises(AssertionError, match="still not: the page; last seen: None"):
        eventually(lambda: None, what="the page", timeout_s=0, every_s=0)


def test_a_failed_assertion_means_not_yet() -> None:
    def probe() -> bool:
        raise AssertionError("503")

    with pytest.raises(AssertionError, match="last seen: 503"):
        eventually(probe, what="the page", timeout_s=0, every_s=0)
