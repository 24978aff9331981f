"""What goes in comes out, bounded and in order."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.clock import FakeClock
from trimtab.model.events import Event, EventType
from trimtab.model.keys import AppKey, Kind, ResourceKey
from trimtab.model.plan import StepStatus
from trimtab.model.records import (
    AppliedObject,
    AppliedState,
    Approval,
    FailedBuild,
    Pin,
    RequestState,
    RequestVerb,
    Suspension,
)
from trimtab.model.status import (
    AppCondition,
    AppStatus,
    HealthStatus,
    Phase,
    ResourceStatus,
    SyncStatus,
)
from trimtab.ports import Store
from trimtab.store import builds, requests
from trimtab.store.codec import parse_time, time_text
from trimtab.store.sqlite import FILE_NAME, SqliteStore

SHOP, BLOG = AppKey("default", "shop"), AppKey("team", "blog")


def test_it_is_the_store_that_the_runtime_asks_for(store: SqliteStore) -> None:
    needed: Store = store
    assert needed.degraded == ""


# -- releases --------------------------------------------------------------------------------------------------------


def test_a_release_is_opened_and_closed(store: SqliteStore, clock: FakeClock) -> None:
    number = store.releases.begin(
        SHOP, revision="4f2c", subject="bigger banner", author="Ada", plan_id="p1", initiated_by="ada", trigger="commit"
    )
    began = clock.now()
    running = store.releases.get(SHOP, number)
    assert running is not None
    assert (running.phase, running.finished_at) == (Phase.RUNNING, None)
    clock.advance(3)
    store.releases.finish(SHOP, number, Phase.SUCCEEDED, "all well", {"web": "sha256:1"})
    (release,) = store.releases.list(SHOP)
    assert (release.id, release.phase, release.message, dict(release.images)) == (
        1,
        Phase.SUCCEEDED,
        "all well",
        {"web": "sha256:1"},
    )
    assert (release.started_at, release.finished_at) == (began, clock.now())
    assert (release.subject, release.author, release.plan_id) == ("bigger banner", "Ada", "p1")
    assert (release.initiated_by, release.trigger) == ("ada", "commit")


def test_ids_count_in_each_application_and_only_the_last_are_kept(tmp_path: Path, clock: FakeClock) -> None:
    store = SqliteStore(tmp_path, clock, history=5)
    ids = [store.releases.begin(SHOP, revision=str(n)) for n in range(8)]
    assert ids == list(range(1, 9))
    assert store.releases.begin(BLOG, revision="x") == 1
    assert [r.id for r in store.releases.list(SHOP)] == [8, 7, 6, 5, 4]
    assert [r.id for r in store.releases.list(SHOP, limit=2)] == [8, 7]
    assert store.releases.get(SHOP, 1) is None
    store.close()


def test_retention_asks_for_the_images_of_releases_that_succeeded(store: SqliteStore) -> None:
    for number, phase in enumerate([Phase.SUCCEEDED, Phase.FAILED, Phase.SUCCEEDED, Phase.SUCCEEDED]):
        release = store.releases.begin(SHOP, revision=str(number))
        store.releases.finish(SHOP, release, phase, images={"web": f"i{number}", "api": "same"})
    assert store.releases.recent_images(SHOP, 2) == {"i3", "i2", "same"}
    assert store.releases.recent_images(BLOG, 2) == frozenset()


def test_a_release_that_a_dead_process_left_is_closed_and_named_once(store: SqliteStore) -> None:
    store.releases.begin(SHOP, revision="a")
    (closed,) = store.releases.interrupted("the controller died")
    assert (closed.revision, closed.phase, closed.message) == ("a", Phase.ERROR, "the controller died")
    assert closed == store.releases.get(closed.app, closed.id)
    assert store.releases.interrupted("again") == ()
    (release,) = store.releases.list(SHOP)
    assert (release.phase, release.message) == (Phase.ERROR, "the controller died")


# -- applied ---------------------------------------------------------------------------------------------------------


def test_the_three_facts_are_kept_apart(store: SqliteStore, clock: FakeClock) -> None:
    assert store.applied.get(SHOP) == AppliedState(app=SHOP)
    state = AppliedState(
        app=SHOP,
        desired_revision="d",
        desired_digest="dd",
        applied_revision="a",
        applied_digest="ad",
        healthy_revision="h",
        healthy_digest="hd",
        healthy_images={"web": "sha256:1"},
        failed_revision="f",
        failed_digest="fd",
        failed_reason="unhealthy",
        tried=3,
    )
    store.applied.put(state)
    found = store.applied.get(SHOP)
    assert found.updated_at == clock.now()
    assert AppliedState(**{n: getattr(found, n) for n in found.__slots__} | {"updated_at": None}) == state


def test_the_inventory_is_kept_by_key(store: SqliteStore) -> None:
    key = ResourceKey(SHOP, Kind.CONTAINER, "web", 1)
    item = AppliedObject(key=key, name="shop-web-1", digest="d1", handle="id1")
    volume = AppliedObject(key=ResourceKey(SHOP, Kind.VOLUME, "data"), name="shop_data", digest="d2")
    store.applied.record([volume, item])
    store.applied.record([AppliedObject(key=volume.key, name="shop_data", digest="d3")])
    found = store.applied.objects(SHOP)
    assert list(found) == sorted([key, volume.key])
    assert found[volume.key].digest == "d3"
    assert found[key].handle == "id1"
    store.applied.forget([key])
    assert list(store.applied.objects(SHOP)) == [volume.key]
    assert store.applied.apps() == (SHOP,)
    store.applied.drop(SHOP)
    assert store.applied.apps() == ()
    store.close()


# -- events ----------------------------------------------------------------------------------------------------------


def an_event(clock: FakeClock, app: AppKey | None, message: str) -> Event:
    return Event(
        at=clock.now(), reason="Synced", message=message, app=app, type=EventType.WARNING, revision="r", fields={"n": 1}
    )


def test_events_are_read_from_a_cursor_on(store: SqliteStore, clock: FakeClock) -> None:
    numbers = [store.events.append(an_event(clock, app, str(app))) for app in (SHOP, None, BLOG, SHOP)]
    after = store.events.after(numbers[0])
    assert [e.id for e in after] == numbers[1:]
    assert after[0].event == an_event(clock, None, "None")
    assert [e.id for e in store.events.after(0, app=SHOP)] == [numbers[0], numbers[3]]
    assert [e.id for e in store.events.newest(limit=2)] == numbers[2:]
    assert [e.id for e in store.events.newest(app=BLOG)] == [numbers[2]]


def test_a_noisy_application_cannot_push_out_the_events_of_another(store: SqliteStore, clock: FakeClock) -> None:
    quiet = store.events.append(an_event(clock, BLOG, "once"))
    for number in range(700):
        store.events.append(an_event(clock, SHOP, str(number)))
    assert [e.id for e in store.events.newest(app=BLOG)] == [quiet]
    kept = store.events.newest(app=SHOP, limit=10_000)
    assert 500 <= len(kept) < 560
    assert kept[-1].event.message == "699"


# -- journal ---------------------------------------------------------------------------------------------------------


def test_an_unfinished_run_is_reported_once_with_the_step_it_died_in(store: SqliteStore) -> None:
    run = store.journal.opened("p1", SHOP, "local", "r1")
    store.journal.started(run, 1, "StopContainer")
    store.journal.ended(run, 1, StepStatus.SUCCEEDED)
    store.journal.started(run, 2, "StartContainer")
    empty = store.journal.opened("p2", BLOG, "local", "r2")
    done = store.journal.opened("p3", SHOP, "local", "r3")
    store.journal.closed(done)
    first, second = store.journal_reader.unfinished()
    assert (first.run, first.plan_id, first.app, first.revision) == (run, "p1", SHOP, "r1")
    assert [(e.node, e.text, e.status) for e in first.entries] == [
        (1, "StopContainer", StepStatus.SUCCEEDED),
        (2, "StartContainer", None),
    ]
    assert (second.run, second.entries) == (empty, ())
    assert store.journal_reader.unfinished() == ()
    assert [r.plan_id for r in store.journal_reader.runs(SHOP)] == ["p3", "p1"]


def test_the_journal_is_bounded_and_late_words_on_a_dropped_run_do_no_harm(tmp_path: Path, clock: FakeClock) -> None:
    store = SqliteStore(tmp_path, clock, history=3)
    runs = [store.journal.opened(f"p{n}", SHOP, "local", "r") for n in range(6)]
    store.journal.started(runs[0], 1, "late")
    store.journal.ended(runs[0], 1, StepStatus.FAILED, "late")
    assert [r.plan_id for r in store.journal_reader.runs(SHOP, limit=99)] == ["p5", "p4", "p3"]
    store.close()
    rows = sqlite3.connect(tmp_path / FILE_NAME)
    assert rows.execute("SELECT count(*) FROM steps").fetchone() == (0,)
    rows.close()


# -- requests --------------------------------------------------------------------------------------------------------


def test_a_request_is_data_and_its_answer_is_on_it(store: SqliteStore, clock: FakeClock) -> None:
    number = store.requests.submit(SHOP, RequestVerb.SUSPEND, by="ada", arguments={"reason": "migration"})
    (pending,) = store.requests.pending()
    assert (pending.id, pending.app, pending.verb, pending.by) == (number, SHOP, RequestVerb.SUSPEND, "ada")
    assert dict(pending.arguments) == {"reason": "migration"}
    store.requests.answer(number, RequestState.ACCEPTED, "on its way")
    assert store.requests.pending() == ()
    clock.advance(1)
    store.requests.answer(number, RequestState.DONE, "suspended")
    store.requests.answer(number, RequestState.REFUSED, "too late to say so")
    answered = store.requests.get(number)
    assert answered is not None
    assert (answered.state, answered.answer, answered.answered_at) == (RequestState.DONE, "suspended", clock.now())
    assert store.requests.get(99) is None


def test_answered_requests_are_dropped_in_the_end_open_ones_are_not(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "KEEP", 3)
    numbers = [store.requests.submit(SHOP, RequestVerb.SYNC) for _ in range(2)]
    store.requests.answer(numbers[1], RequestState.DONE, "")
    for _ in range(5):
        store.requests.submit(SHOP, RequestVerb.SYNC)
    assert store.requests.get(numbers[0]) is not None
    assert store.requests.get(numbers[1]) is None


# -- what people decided ---------------------------------------------------------------------------------------------


def test_a_suspension_ends_by_itself(store: SqliteStore, clock: FakeClock) -> None:
    until = clock.now() + timedelta(hours=1)
    suspension = Suspension(app=SHOP, since=clock.now(), reason="migration", by="ada", until=until)
    store.holds.suspend(suspension)
    assert store.holds.suspension(SHOP) == suspension
    clock.advance(3600)
    assert store.holds.suspension(SHOP) is None


def test_resume_says_whether_there_was_anything_to_resume(store: SqliteStore, clock: FakeClock) -> None:
    store.holds.suspend(Suspension(app=SHOP, since=clock.now()))
    assert store.holds.resume(SHOP) is True
    assert store.holds.resume(SHOP) is False


def test_pins_and_approvals(store: SqliteStore, clock: FakeClock) -> None:
    pin = Pin(app=SHOP, revision="old", since=clock.now(), branch_revision="new", by="ada")
    store.holds.pin(pin)
    assert store.holds.pinned(SHOP) == pin
    assert store.holds.unpin(SHOP) is True
    assert store.holds.pinned(SHOP) is None
    approval = Approval(plan_id="p1", app=SHOP, at=clock.now(), by="ada")
    store.holds.approve(approval)
    assert store.holds.approved("p1") == approval
    assert store.holds.approved("p2") is None


def test_failed_builds_are_remembered_until_someone_asks_for_another_try(
    store: SqliteStore, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builds, "KEEP", 2)
    for name in ("k1", "k2", "k3"):
        clock.advance(1)
        store.failed_builds.add(FailedBuild(build_key=name, app=SHOP, message="RUN false", at=clock.now()))
    assert store.failed_builds.get("k1") is None
    found = store.failed_builds.get("k3")
    assert found is not None
    assert (found.message, found.at) == ("RUN false", clock.now())
    store.failed_builds.clear(SHOP)
    assert store.failed_builds.get("k3") is None


# -- statuses and facts ----------------------------------------------------------------------------------------------


def test_a_status_comes_back_whole(store: SqliteStore, clock: FakeClock) -> None:
    status = AppStatus(
        app=BLOG,
        sync=SyncStatus.OUT_OF_SYNC,
        health=HealthStatus.DEGRADED,
        message="worker-1 unhealthy",
        phase=Phase.FAILED,
        desired_revision="b",
        applied_revision="a",
        healthy_revision="a",
        failed_revision="b",
        since=clock.now(),
        observed_at=clock.now(),
        resources=(
            ResourceStatus(
                key=ResourceKey(BLOG, Kind.CONTAINER, "worker", 1),
                name="team-blog-worker-1",
                sync=SyncStatus.SYNCED,
                health=HealthStatus.DEGRADED,
                message="exit 1",
            ),
        ),
        conditions=(AppCondition(type="Ready", status="False", reason="Failed", message="", changed_at=clock.now()),),
        suspended="by ada",
    )
    plain = AppStatus(app=SHOP, sync=SyncStatus.SYNCED, health=HealthStatus.HEALTHY)
    store.statuses.put(plain)
    store.statuses.put(status)
    assert store.statuses.get(BLOG) == status
    assert store.statuses.all() == (plain, status)
    store.statuses.drop(SHOP)
    assert store.statuses.get(SHOP) is None


def test_a_status_that_an_older_version_wrote_is_read_without_what_it_did_not_know(store: SqliteStore) -> None:
    plain = AppStatus(app=SHOP, sync=SyncStatus.SYNCED, health=HealthStatus.HEALTHY, message="as it was")
    store.statuses.put(plain)
    store._database.write("UPDATE statuses SET status = json_remove(status, '$.contended', '$.suspended')", ())
    assert store.statuses.get(SHOP) == plain


def test_facts_are_remembered_by_name(store: SqliteStore) -> None:
    assert store.facts.get("cursor") is None
    store.facts.put("cursor", "17")
    assert store.facts.get("cursor") == "17"


# -- spelling --------------------------------------------------------------------------------------------------------


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))])))
def test_times_come_back_equal_and_in_utc(at: datetime) -> None:
    assert parse_time(time_text(at)) == at
    assert time_text(at).endswith("+00:00")


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_the_order_of_texts_is_the_order_of_times(one: datetime, other: datetime) -> None:
    assert (time_text(one) < time_text(other)) == (one < other)


def test_a_time_of_no_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        time_text(datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point
