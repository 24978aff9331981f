"""Requests of other processes, on a real store: performed once, answered on the row, told as events."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.clock import FakeClock
from trimtab.model.events import Event
from trimtab.model.keys import AppKey
from trimtab.model.records import FailedBuild, RequestState, RequestVerb
from trimtab.model.status import AppStatus, HealthStatus, Phase, Requeue, Retry, Stalled, SyncStatus, Wait
from trimtab.model.trigger import Trigger, TriggerKind
from trimtab.runtime.requests import PATIENCE_S, RequestDesk
from trimtab.store.sqlite import SqliteStore

SHOP = AppKey("default", "shop")


class Office:
    """A desk on the controller's store, and a command's store on the same file."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.store = SqliteStore(folder, self.clock)
        self.command = SqliteStore(folder, self.clock, strict=True)
        self.woken: list[tuple[AppKey, Trigger, float]] = []
        self.terminated: list[tuple[AppKey, str]] = []
        self.syncing = True
        self.events: list[Event] = []
        self.desk = self.new_desk()

    def new_desk(self) -> RequestDesk:
        return RequestDesk(
            self.store.requests,
            self.store.holds,
            self.store.failed_builds,
            self.store.statuses,
            notify=self._notify,
            terminate=self._terminate,
            keys=lambda: (SHOP,),
            clock=self.clock,
            sink=self,
        )

    def _notify(self, key: AppKey, trigger: Trigger, *, delay_s: float = 0.0) -> None:
        self.woken.append((key, trigger, delay_s))

    def _terminate(self, key: AppKey, reason: str) -> bool:
        self.terminated.append((key, reason))
        return self.syncing

    def emit(self, event: Event) -> None:
        self.events.append(event)

    def ask(self, verb: RequestVerb, **arguments: str) -> int:
        number = self.command.requests.submit(SHOP, verb, by="ada", arguments=arguments)
        self.desk.look()
        return number

    def answer(self, number: int) -> tuple[RequestState, str]:
        request = self.command.requests.get(number)
        assert request is not None
        return request.state, request.answer


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path)
    yield made
    made.command.close()
    made.store.close()


def test_a_sync_is_accepted_then_answered_by_the_pass_it_caused(office: Office) -> None:
    office.store.failed_builds.add(FailedBuild(build_key="k", app=SHOP, message="", at=office.clock.now()))
    number = office.ask(RequestVerb.SYNC)
    assert office.answer(number) == (RequestState.ACCEPTED, "a sync is on its way")
    assert office.store.failed_builds.get("k") is None
    ((key, trigger, delay_s),) = office.woken
    assert (key, trigger.kind, trigger.requests, delay_s) == (SHOP, TriggerKind.REQUEST, (number,), 0)
    office.desk.after_pass(SHOP, trigger, Retry("the registry is away"))
    assert office.answer(number) == (RequestState.ACCEPTED, "will be tried again: the registry is away")
    office.store.statuses.put(AppStatus(app=SHOP, sync=SyncStatus.SYNCED, health=HealthStatus.HEALTHY))
    office.desk.after_pass(SHOP, trigger, Requeue(0))
    assert office.answer(number) == (RequestState.DONE, "Synced, Healthy")


def test_a_sync_that_only_a_change_can_help_is_refused_with_the_reason(office: Office) -> None:
    number = office.ask(RequestVerb.SYNC)
    office.desk.after_pass(SHOP, office.woken[0][1], Stalled("TT4000: RUN false failed"))
    assert office.answer(number) == (RequestState.REFUSED, "TT4000: RUN false failed")


def test_a_sync_that_failed_in_a_pass_that_went_well_is_refused_with_the_reason(office: Office) -> None:
    sync, refresh = office.ask(RequestVerb.SYNC), office.ask(RequestVerb.REFRESH)
    failed = AppStatus(
        app=SHOP,
        sync=SyncStatus.OUT_OF_SYNC,
        health=HealthStatus.HEALTHY,
        phase=Phase.FAILED,
        message="RUN false failed",
    )
    office.store.statuses.put(failed)
    for _, trigger, _ in office.woken:
        office.desk.after_pass(SHOP, trigger, Requeue(0))
    assert office.answer(sync) == (RequestState.REFUSED, "RUN false failed")
    assert office.answer(refresh) == (RequestState.DONE, "OutOfSync, Healthy")


def test_a_request_is_performed_once(office: Office) -> None:
    office.ask(RequestVerb.REFRESH)
    office.desk.look()
    office.desk.look()
    assert len(office.woken) == 1


def test_suspend_with_an_end_and_resume(office: Office) -> None:
    until = office.clock.now() + timedelta(hours=2)
    number = office.ask(RequestVerb.SUSPEND, reason="migration", until=until.isoformat())
    state, answer = office.answer(number)
    assert state is RequestState.DONE
    assert answer == "suspended until 2026-01-02 05:04 UTC: migration"
    suspension = office.store.holds.suspension(SHOP)
    assert suspension is not None
    assert (suspension.reason, suspension.by, suspension.until) == ("migration", "ada", until)
    # Once now, to show it, and once when it is over.
    assert [delay_s for _, _, delay_s in office.woken] == [0, 7200]
    assert [e.reason for e in office.events] == ["Suspended"]
    assert office.events[0].message.endswith("(by ada)")
    assert office.answer(office.ask(RequestVerb.RESUME)) == (RequestState.DONE, "resumed")
    assert office.answer(office.ask(RequestVerb.RESUME)) == (RequestState.DONE, "it was not suspended")
    assert office.store.holds.suspension(SHOP) is None


def test_terminate_reaches_the_running_sync(office: Office) -> None:
    assert office.answer(office.ask(RequestVerb.TERMINATE)) == (RequestState.DONE, "told to stop")
    assert office.terminated == [(SHOP, "terminated by ada")]
    office.syncing = False
    assert office.answer(office.ask(RequestVerb.TERMINATE)) == (RequestState.DONE, "no sync is running")
    # Waking the application would begin again what was just stopped.
    assert office.woken == []


def test_a_pin_is_kept_and_wakes_the_application(office: Office) -> None:
    number = office.ask(RequestVerb.PIN, revision="9d01e77aa", branch_revision="4f2c1a9")
    pin = office.store.holds.pinned(SHOP)
    assert pin is not None
    assert (pin.revision, pin.branch_revision, pin.by) == ("9d01e77aa", "4f2c1a9", "ada")
    assert office.answer(number) == (RequestState.ACCEPTED, "9d01e77 is on its way back")


def test_an_approval_is_of_one_plan(office: Office) -> None:
    office.ask(RequestVerb.APPROVE, plan="p1")
    assert office.store.holds.approved("p1") is not None
    assert [e.reason for e in office.events] == ["Approved"]


@pytest.mark.parametrize(
    ("verb", "arguments", "says"),
    [
        (RequestVerb.PIN, {}, "needs 'revision'"),
        (RequestVerb.APPROVE, {}, "needs 'plan'"),
        (RequestVerb.SUSPEND, {"until": "tomorrow"}, "'tomorrow' is no time"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_reason(
    office: Office, verb: RequestVerb, arguments: dict[str, str], says: str
) -> None:
    state, answer = office.answer(office.ask(verb, **arguments))
    assert state is RequestState.REFUSED
    assert says in answer


def test_an_unknown_application_is_named_and_stops_no_other_request(office: Office) -> None:
    unknown = office.command.requests.submit(AppKey("default", "shpo"), RequestVerb.SYNC)
    office.ask(RequestVerb.SYNC)
    # Right after a start it may only not have been read yet.
    assert office.answer(unknown) == (RequestState.PENDING, "")
    office.clock.advance(PATIENCE_S)
    office.desk.look()
    state, answer = office.answer(unknown)
    assert state is RequestState.REFUSED
    assert answer == "there is no application 'shpo' (known are: shop)"
    assert len(office.woken) == 1


def test_what_a_dead_controller_had_accepted_is_done_by_the_next(office: Office, tmp_path: Path) -> None:
    number = office.ask(RequestVerb.SYNC)
    office.woken.clear()
    office.store.close()
    office.store = SqliteStore(tmp_path, office.clock)
    office.desk = office.new_desk()
    office.desk.look()
    assert [trigger.requests for _, trigger, _ in office.woken] == [(number,)]


@pytest.mark.parametrize(
    "followed", [Requeue(300, refused="suspended by ada"), Wait("held", 60, refused="suspended by ada")]
)
def test_a_sync_that_may_not_be_is_refused_with_the_reason(office: Office, followed: Requeue | Wait) -> None:
    number = office.ask(RequestVerb.SYNC)
    ((_, trigger, _),) = office.woken
    office.desk.after_pass(SHOP, trigger, followed)
    assert office.answer(number) == (RequestState.REFUSED, "suspended by ada")
