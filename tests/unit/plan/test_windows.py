"""Sync windows: who may change something when, and when next, as Argo CD decides it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.model.keys import AppKey
from trimtab.model.schedule import parse_schedule
from trimtab.model.windows import SyncWindow, WindowKind
from trimtab.plan.windows import closed, seconds_left

MONDAY = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
HOUR_S = 3600.0


def window(kind: str, schedule: str, hours: float = 1.0, zone: str = "UTC", **more: object) -> SyncWindow:
    return SyncWindow(
        kind=WindowKind(kind),
        schedule=parse_schedule(schedule, zone),
        duration_s=hours * HOUR_S,
        **more,  # type: ignore[arg-type]
    )


def test_without_windows_everything_may_go_on() -> None:
    assert closed((), MONDAY) is None


def test_an_allow_window_that_is_closed_says_when_it_opens() -> None:
    held = closed([window("allow", "0 22 * * MON", zone="Europe/Berlin")], MONDAY)
    assert held is not None
    assert held.reason == "waits for the window that opens Mon 22:00 Europe/Berlin"
    assert held.opens_at == datetime(2026, 1, 5, 21, 0, tzinfo=UTC)
    assert closed([window("allow", "0 22 * * MON", zone="Europe/Berlin")], held.opens_at) is None


def test_far_openings_are_said_with_their_date() -> None:
    held = closed([window("allow", "0 4 1 2 *", description="winter works")], MONDAY)
    assert held is not None
    assert held.reason == 'waits for the window that opens Sun 2026-02-01 04:00 UTC ("winter works")'


def test_one_open_allow_window_of_several_is_enough() -> None:
    assert closed([window("allow", "0 22 * * *"), window("allow", "30 11 * * *")], MONDAY) is None


def test_an_open_deny_window_wins_over_an_open_allow_window() -> None:
    held = closed([window("allow", "0 0 * * *", 24), window("deny", "0 11 * * *", 2)], MONDAY)
    assert held is not None
    assert held.reason == "waits for the deny window that ends Mon 13:00 UTC"


def test_the_next_opening_takes_all_windows_into_account() -> None:
    """The allow window at 22:00 is denied until 23:00, when it is over: the next day's is the first that works."""
    windows = [window("allow", "0 22 * * *"), window("deny", "30 21 * * MON", 1.5)]
    held = closed(windows, MONDAY)
    assert held is not None
    assert held.opens_at == MONDAY + timedelta(hours=34)


def test_turns_that_run_into_each_other_are_one_window() -> None:
    held = closed([window("deny", "0 9-17 * * *", 1)], MONDAY)
    assert held is not None
    assert held.opens_at == datetime(2026, 1, 5, 18, 0, tzinfo=UTC)


def test_a_deny_window_without_end_is_said_to_have_none() -> None:
    held = closed([window("deny", "* * * * *", 1, description="frozen")], MONDAY)
    assert held is not None
    assert held.opens_at is None
    assert "no end in sight" in held.reason


@pytest.mark.parametrize(
    ("windows", "passes"),
    [
        ([("deny", True)], True),
        ([("deny", False)], False),
        ([("deny", True), ("deny", False)], False),
        ([("allow", True)], True),
        ([("allow", False)], False),
        ([("allow", True), ("allow", False)], True),
        ([("deny", False), ("allow", True)], False),
    ],
)
def test_a_persons_sync_goes_on_where_manual_sync_says_so(windows: list[tuple[str, bool]], passes: bool) -> None:  # noqa: FBT001
    made = [
        window(kind, "0 11 * * *" if kind == "deny" else "0 22 * * *", 2, manual_sync=manual)
        for kind, manual in windows
    ]
    assert closed(made, MONDAY) is not None
    assert (closed(made, MONDAY, manual=True) is None) == passes


def test_a_sync_that_began_goes_on_unless_a_window_forbids_to_overrun() -> None:
    ends = "30 11 * * *"
    assert seconds_left([window("allow", ends)], MONDAY, at_most_s=HOUR_S) is None
    strict = window("allow", ends, sync_overrun=False)
    assert seconds_left([strict], MONDAY, at_most_s=HOUR_S) == HOUR_S / 2
    assert seconds_left([strict], MONDAY, at_most_s=HOUR_S / 4) is None
    assert seconds_left([strict, window("allow", "15 12 * * *")], MONDAY, at_most_s=HOUR_S) is None
    assert seconds_left([window("deny", "15 12 * * *", sync_overrun=False)], MONDAY, at_most_s=HOUR_S) == HOUR_S / 4


def test_globs_name_applications_with_and_without_their_namespace() -> None:
    made = window("deny", "0 0 * * *", applications=("prod-*", "team/*"))
    assert made.matches(AppKey("default", "prod-shop"))
    assert made.matches(AppKey("team", "shop"))
    assert not made.matches(AppKey("default", "shop"))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["allow", "deny"]),
            st.sampled_from(["0 22 * * *", "30 */6 * * *", "0 2 * * SUN", "15 1 * * MON-FRI", "*/10 3 * * *"]),
            st.sampled_from([0.1, 1.0, 5.0, 30.0]),
            st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]),
        ),
        max_size=4,
    ),
    st.timedeltas(timedelta(0), timedelta(days=365)),
)
def test_what_opens_is_open_then_and_not_before(described: list[tuple[str, str, float, str]], since: timedelta) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC) + since
    windows = [window(kind, schedule, hours, zone) for kind, schedule, hours, zone in described]
    held = closed(windows, now)
    if held is None or held.opens_at is None:
        return
    assert held.opens_at > now
    assert closed(windows, held.opens_at) is None
    assert closed(windows, held.opens_at - timedelta(microseconds=1)) is not None
    between = now + (held.opens_at - now) / 2
    assert closed(windows, between) is not None
