"""I8, I12: rows that another version wrote, or that are damaged, never stop a reader, and take no other row along."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

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
    RequestVerb,
    RunOutcome,
    Suspension,
    TaskRun,
)
from trimtab.model.status import AppCondition, AppStatus, HealthStatus, Phase, ResourceStatus, SyncStatus
from trimtab.store.sqlite import FILE_NAME, SqliteStore

SHOP, BLOG = AppKey("default", "shop"), AppKey("team", "blog")
PLAN = "ab" * 16
# What a column may hold that nobody can read: text where a number or a time is, no JSON, other JSON, words of others.
GARBAGE: tuple[object, ...] = ("?", "[null]", 7, b"\xff")

KEYS = {"app", "name", "plan_id", "build_key", "run", "node", "id"}


def _status(app: AppKey, clock: FakeClock) -> AppStatus:
    return AppStatus(
        app=app,
        sync=SyncStatus.SYNCED,
        health=HealthStatus.HEALTHY,
        target="local",
        message="all well",
        desired_revision="r1",
        phase=Phase.SUCCEEDED,
        since=clock.now(),
        observed_at=clock.now(),
        resources=(
            ResourceStatus(
                key=ResourceKey(app, Kind.CONTAINER, "web", 1),
                name="shop-web-1",
                sync=SyncStatus.SYNCED,
                health=HealthStatus.HEALTHY,
                message="fine",
            ),
        ),
        conditions=(AppCondition(type="Ready", status="True", reason="Ok", message="fine", changed_at=clock.now()),),
    )


def fill(store: SqliteStore, clock: FakeClock) -> None:
    """A row in every table, of two applications."""
    now = clock.now()
    store.facts.put("cursor", "17")
    for app in (SHOP, BLOG):
        store.applied.put(
            AppliedState(app=app, applied_digest="d1", healthy_images={"web": "sha256:1"}, applied_at=now, tried=1)
        )
        key = ResourceKey(app, Kind.CONTAINER, "web", 1)
        store.applied.record([AppliedObject(key=key, name="shop-web-1", digest="d", handle="c1")])
        release = store.releases.begin(app, revision="r1", plan_id=PLAN)
        store.releases.finish(app, release, Phase.SUCCEEDED, "done", {"web": "sha256:1"})
        store.releases.begin(app, revision="r2")
        store.events.append(Event(at=now, app=app, reason="Healthy", type=EventType.NORMAL, message="well"))
        store.requests.submit(app, RequestVerb.SYNC, by="ada", arguments={"a": "b"})
        store.holds.suspend(Suspension(app=app, since=now, reason="audit", by="ada", until=now + timedelta(hours=1)))
        store.holds.pin(Pin(app=app, revision="r1", since=now, branch_revision="r2", by="ada"))
        store.holds.approve(Approval(plan_id=f"{PLAN[:-1]}{len(app.name)}", app=app, at=now, by="ada"))
        store.failed_builds.add(FailedBuild(build_key=f"k-{app}", app=app, message="no", at=now))
        store.statuses.put(_status(app, clock))
        store.task_runs.put(
            TaskRun(
                app=app, name="shop-report-1", kind=Kind.JOB, task="report", cause="asked", revision="r1", at=now,
                outcome=RunOutcome.SUCCEEDED, started_at=now, finished_at=now, exit_code=0, message="", log="well",
            )
        )  # fmt: skip
        run = store.journal.opened(PLAN, app, "local", "r1")
        store.journal.started(run, 1, "start web")
        store.journal.ended(run, 1, StepStatus.SUCCEEDED)


def read_all(store: SqliteStore) -> Mapping[str, object]:
    """Every way of reading, for both applications."""
    found: dict[str, object] = {
        "apps": store.applied.apps(),
        "statuses": store.statuses.all(),
        "pending": store.requests.pending(),
        "events": store.events.after(0),
        "fact": store.facts.get("cursor"),
    }
    for app in (SHOP, BLOG):
        ways: dict[str, Callable[[], object]] = {
            "applied": lambda app=app: store.applied.get(app),
            "objects": lambda app=app: store.applied.objects(app),
            "releases": lambda app=app: (store.releases.list(app), store.releases.get(app, 1)),
            "images": lambda app=app: store.releases.recent_images(app, 5),
            "newest": lambda app=app: store.events.newest(app=app),
            "request": lambda app=app: store.requests.get(1 if app == SHOP else 2),
            "suspension": lambda app=app: store.holds.suspension(app),
            "pin": lambda app=app: store.holds.pinned(app),
            "approved": lambda app=app: store.holds.approved(f"{PLAN[:-1]}{len(app.name)}"),
            "build": lambda app=app: store.failed_builds.get(f"k-{app}"),
            "status": lambda app=app: store.statuses.get(app),
            "runs": lambda app=app: (store.task_runs.list(app), store.task_runs.get(app, "shop-report-1")),
            "journal": lambda app=app: store.journal.runs(app),
        }  # type: ignore[dict-item]
        found |= {f"{app} {name}": way() for name, way in ways.items()}
    return found


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, clock = tmp_path_factory.mktemp("filled"), FakeClock()
    store = SqliteStore(folder, clock)
    fill(store, clock)
    store.close()
    return folder


@contextlib.contextmanager
def opened(filled: Path, folder: Path, *changes: tuple[str, tuple[object, ...]]) -> Iterator[SqliteStore]:
    """A store over a copy of the file in which something is otherwise."""
    with contextlib.closing(sqlite3.connect(folder / FILE_NAME)) as copy:
        with contextlib.closing(sqlite3.connect(filled / FILE_NAME)) as source:
            source.backup(copy)
        for sql, values in changes:
            copy.execute(sql, values)
        copy.commit()
    store = SqliteStore(folder, FakeClock())
    try:
        yield store
    finally:
        store.close()


def columns(filled: Path) -> list[tuple[str, str]]:
    """Every column of every table but those of the schema's own version."""
    with contextlib.closing(sqlite3.connect(filled / FILE_NAME)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return [
            (table, row[1])
            for table in sorted(tables)
            if not table.startswith("sqlite_")
            for row in database.execute(f"PRAGMA table_info({table})")
        ]


def test_every_table_is_looked_at(filled: Path) -> None:
    tables = {table for table, _ in columns(filled)}
    with contextlib.closing(sqlite3.connect(filled / FILE_NAME)) as database:
        empty = {table for table in tables if not database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]}
    assert not empty, "a table that this test writes nothing to is not tested by it"


def test_I12_a_value_that_cannot_be_read_harms_no_reader_and_no_other_application(filled: Path, tmp_path: Path) -> None:
    """Column by column, with every kind of garbage; the other application's rows read as before."""
    with opened(filled, tmp_path) as store:
        whole = read_all(store)
        with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as beside:
            # Nobody pulls the plug here.
            beside.execute("PRAGMA synchronous = OFF")
            kept = {table: beside.execute(f"SELECT * FROM {table}").fetchall() for table, _ in columns(filled)}
            for table, column in columns(filled):
                if column in KEYS or table == "facts":
                    continue
                where = "run = 1" if table == "steps" else f"app = '{SHOP}'"
                for value in GARBAGE:
                    with contextlib.suppress(sqlite3.IntegrityError):
                        beside.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (value,))
                    found = read_all(store)
                    others = {name: what for name, what in found.items() if name.startswith(str(BLOG))}
                    assert others == {name: whole[name] for name in others}, f"{table}.{column} = {value!r}"
                    # Whatever was dropped is there again for the next one; a run goes with its steps.
                    for again in ("runs", "steps") if table in {"runs", "steps"} else (table,):
                        holes = ", ".join("?" * len(kept[again][0]))
                        beside.executemany(f"INSERT OR REPLACE INTO {again} VALUES ({holes})", kept[again])


def test_what_a_person_stopped_stays_stopped_when_its_times_cannot_be_read(filled: Path, tmp_path: Path) -> None:
    broken = ("UPDATE suspensions SET since = '?', until = '?' WHERE app = ?", (str(SHOP),))
    pinned = ("UPDATE pins SET since = '' WHERE app = ?", (str(SHOP),))
    with opened(filled, tmp_path, broken, pinned) as store:
        held, pin = store.holds.suspension(SHOP), store.holds.pinned(SHOP)
    assert held is not None
    assert (held.reason, held.by, held.until) == ("audit", "ada", None)
    assert pin is not None
    assert (pin.revision, pin.branch_revision) == ("r1", "r2")


def test_a_row_that_cannot_be_read_is_dropped_once_and_told_of(filled: Path, tmp_path: Path) -> None:
    heard: list[Event] = []
    with opened(filled, tmp_path, ("UPDATE statuses SET status = '{}' WHERE app = ?", (str(SHOP),))) as store:
        store.on_warning(heard.append)
        assert store.statuses.get(SHOP) is None
        assert [status.app for status in store.statuses.all()] == [BLOG]
    assert [(event.reason, event.type) for event in heard] == [("StoreRowDropped", EventType.WARNING)]
    assert "shop in statuses cannot be read (KeyError: 'sync')" in heard[0].message


def test_a_command_that_looks_on_drops_nothing(filled: Path, tmp_path: Path) -> None:
    broken = ("UPDATE statuses SET status = '{}' WHERE app = ?", (str(SHOP),))
    with opened(filled, tmp_path, broken) as owner:
        looking = SqliteStore(tmp_path, FakeClock(), strict=True)
        try:
            assert looking.statuses.get(SHOP) is None
            assert looking.statuses.get(BLOG) is not None
        finally:
            looking.close()
        with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME)) as beside:
            assert beside.execute("SELECT count(*) FROM statuses").fetchone() == (2,)
        owner.statuses.move_on([SHOP, BLOG], "r9", applied=False)
        moved = owner.statuses.get(BLOG)
        assert moved is not None
        assert moved.desired_revision == "r9"


def _without(value: object) -> Iterator[object]:
    """The document without each one of its members, wherever that is."""
    if isinstance(value, dict):
        for name in value:
            yield {key: item for key, item in value.items() if key != name}
            for less in _without(value[name]):
                yield {**value, name: less}
    elif isinstance(value, list):
        for place, item in enumerate(value):
            for less in _without(item):
                yield [*value[:place], less, *value[place + 1 :]]


def _with_more(value: object) -> object:
    """The document with a member in each mapping that this version does not know."""
    if isinstance(value, dict):
        return {**{key: _with_more(item) for key, item in value.items()}, "of a later version": {"a": [1]}}
    return [_with_more(item) for item in value] if isinstance(value, list) else value


OPTIONAL = {
    "message", "target", "desired_revision", "applied_revision", "healthy_revision", "failed_revision", "suspended",
    "contended", "phase", "since", "observed_at", "resources", "conditions",
}  # fmt: skip


def test_a_status_of_another_version_is_read_or_left_out(filled: Path, tmp_path: Path) -> None:
    with opened(filled, tmp_path) as store:
        whole = store.statuses.get(SHOP)
        with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME)) as beside:

            def write(document: object) -> None:
                values = (str(SHOP), json.dumps(document))
                beside.execute("INSERT OR REPLACE INTO statuses (app, at, status) VALUES (?, '', ?)", values)
                beside.commit()

            (text,) = beside.execute("SELECT status FROM statuses WHERE app = ?", (str(SHOP),)).fetchone()
            document = json.loads(text)
            write(_with_more(document))
            assert store.statuses.get(SHOP) == whole, "what is not known is not looked at"
            for name in sorted(OPTIONAL):
                write({key: value for key, value in document.items() if key != name})
                assert store.statuses.get(SHOP) is not None, f"it can be read without its {name}"
            for less in _without(document):
                write(less)
                store.statuses.get(SHOP)
                assert store.statuses.get(BLOG) is not None
