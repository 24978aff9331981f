"""Sync windows: who may change something when, and when next, as Argo CD decides it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.rig import shop
from trimtab.model.diagnostics import Origin, Severity
from trimtab.model.keys import AppKey
from trimtab.model.plan import Decision, Verdict
from trimtab.model.schedule import parse_schedule
from trimtab.model.windows import SyncWindow, WindowKind
from trimtab.plan.windows import closed, seconds_left, verdict_now, windows_of

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


# The 29th of February is never on a 1st, 11th, 21st or 31st.
NEVER = "0 0 */10 2 MON#5"


def test_a_window_that_never_opens_holds_for_good_or_never() -> None:
    held = closed([window("allow", NEVER)], MONDAY)
    assert held is not None
    assert held.opens_at is None
    assert held.reason == f"waits for the allow window '{NEVER}', with no end in sight"
    assert closed([window("deny", NEVER)], MONDAY) is None
    assert seconds_left([window("deny", NEVER, sync_overrun=False)], MONDAY, at_most_s=HOUR_S) is None


def test_the_windows_of_the_controller_come_after_those_of_the_application() -> None:
    own, ours = window("allow", "0 1 * * *"), window("deny", "0 2 * * *", applications=("shop",))
    others = window("deny", "0 3 * * *", applications=("blog",))
    app = replace(shop({"web": {"image": "web:1"}}), windows=(own,))
    assert windows_of(app.key, app, (ours, others)) == (own, ours)
    assert windows_of(app.key, None, (ours, others)) == (ours,), "an application that is gone from Git"


@pytest.mark.parametrize("manual", [False, True])
def test_a_plan_that_has_to_wait_says_for_what_and_how_a_person_goes_on(manual: bool) -> None:  # noqa: FBT001
    held = window("deny", "0 11 * * *", 2, manual_sync=manual)
    verdict = verdict_now(Verdict(decision=Decision.GO), (held,), MONDAY, Origin("app.yaml", 7))
    (told,) = verdict.diagnostics
    assert (verdict.decision, verdict.waits_for) == (Decision.HOLD, "the deny window that ends Mon 13:00 UTC")
    assert (told.severity, str(told.origin)) == (Severity.WARNING, "app.yaml:7")
    assert told.message == "waits for the deny window that ends Mon 13:00 UTC"
    assert told.hint == ("'trimtab sync' goes on all the same (manualSync)" if manual else "")


def test_a_window_says_nothing_where_nothing_may_be_done_anyway() -> None:
    refused = Verdict(decision=Decision.DENY)
    held = window("deny", "0 11 * * *", 2)
    assert verdict_now(refused, (held,), MONDAY) is refused
    go = Verdict(decision=Decision.GO)
    assert verdict_now(go, (), MONDAY) is go


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


@pytest.mark.slow
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
