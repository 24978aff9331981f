"""Cron schedules: turns in both directions agree, also where a clock is changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.model.schedule import BadSchedule, parse_schedule


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_the_next_and_the_last_turn_are_told_in_utc() -> None:
    nightly = parse_schedule("0 22 * * MON", "Europe/Berlin")
    assert nightly.next_after(at("2026-01-01T00:00")) == at("2026-01-05T21:00")
    assert nightly.next_after(at("2026-01-05T21:00")) == at("2026-01-12T21:00")
    assert nightly.last_until(at("2026-01-05T21:00")) == at("2026-01-05T21:00")
    assert nightly.last_until(at("2026-01-05T20:59")) == at("2025-12-29T21:00")


def test_a_time_that_the_clock_leaves_out_is_the_first_after_the_gap() -> None:
    """On 2026-03-29 in Berlin 02:00 becomes 03:00, which is 01:00 UTC."""
    schedule = parse_schedule("30 2 * * *", "Europe/Berlin")
    assert schedule.next_after(at("2026-03-28T12:00")) == at("2026-03-29T01:00")
    assert schedule.last_until(at("2026-03-29T05:00")) == at("2026-03-29T01:00")
    assert schedule.next_after(at("2026-03-29T01:00")) == at("2026-03-30T00:30")


@pytest.mark.parametrize("moment", ["2026-10-25T00:31", "2026-10-25T01:00", "2026-10-25T01:29", "2026-10-25T01:45"])
def test_a_time_that_comes_twice_counts_once_the_first_time(moment: str) -> None:
    """On 2026-10-25 in Berlin 03:00 becomes 02:00: 02:30 is 00:30 UTC and again 01:30 UTC."""
    schedule = parse_schedule("30 2 * * *", "Europe/Berlin")
    assert schedule.last_until(at(moment)) == at("2026-10-25T00:30")
    assert schedule.next_after(at(moment)) == at("2026-10-26T01:30")


def test_every_hour_is_every_hour_whatever_the_clock_does() -> None:
    schedule, turn = parse_schedule("0 * * * *", "Europe/Berlin"), at("2026-10-24T22:00")
    for _ in range(6):
        following = schedule.next_after(turn)
        assert following is not None
        assert following - turn == timedelta(hours=1)
        turn = following


@given(
    st.sampled_from(["30 2 * * *", "*/5 * * * *", "0 0,3 * * *", "15 1-4 * * SUN", "0 * * * *", "59 23 L * *"]),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Antarctica/Troll"]),
    st.timedeltas(timedelta(0), timedelta(days=366)),
)
def test_both_directions_agree(expression: str, zone: str, since: timedelta) -> None:
    schedule, moment = parse_schedule(expression, zone), at("2026-01-01T00:00") + since
    last, following = schedule.last_until(moment), schedule.next_after(moment)
    assert last is not None
    assert following is not None
    assert last <= moment < following
    # Nothing lies between the two, seen from either side.
    assert schedule.next_after(last) == following
    assert schedule.last_until(following - timedelta(microseconds=1)) == last


@pytest.mark.parametrize(
    ("expression", "zone", "says"),
    [
        ("* * * *", "UTC", "4 fields"),
        ("0 * * * * *", "UTC", "6 fields"),
        ("61 * * * *", "UTC", "bad minute"),
        ("0 0 31 2 *", "UTC", "bad day-of-month"),
        ("0 0 * * *", "Mars/Olympus", "no time zone"),
        ("0 0 * * *", "../etc", "no time zone"),
        ("0 0 * * *", "Europe", "no time zone"),
        ("0 0 * * *", "", "no time zone"),
    ],
)
def test_what_is_no_schedule_is_said(expression: str, zone: str, says: str) -> None:
    with pytest.raises(BadSchedule, match=says):
        parse_schedule(expression, zone)
