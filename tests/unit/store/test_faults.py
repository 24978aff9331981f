"""The file is damaged, full, locked, deleted, killed in the middle: nothing of it may stop a reconciliation."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

from tests.support.clock import FakeClock
from trimtab.errors import ConfigError, InternalError, TransientError
from trimtab.model.events import Event, EventType
from trimtab.model.keys import AppKey
from trimtab.model.records import AppliedState, RequestState, RequestVerb
from trimtab.store import database as database_module
from trimtab.store.database import RETRY_S
from trimtab.store.files import move_aside, open_file
from trimtab.store.migrate import migrate, migrations
from trimtab.store.sqlite import FILE_NAME, SqliteStore

SHOP = AppKey("default", "shop")


def warnings_of(store: SqliteStore) -> list[Event]:
    """Heard from now on; the listener stores what it hears, as the real one does."""
    heard: list[Event] = []

    def listen(event: Event) -> None:
        heard.append(event)
        store.events.append(event)

    store.on_warning(listen)
    return heard


def remember(store: SqliteStore, revision: str) -> None:
    store.applied.put(AppliedState(app=SHOP, applied_revision=revision))


def remembered(store: SqliteStore) -> str:
    return store.applied.get(SHOP).applied_revision


def python(script: str, *arguments: str) -> subprocess.Popen[str]:
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=paths
    )


# -- opening ---------------------------------------------------------------------------------------------------------


def test_only_its_owner_can_read_it(store: SqliteStore, tmp_path: Path) -> None:
    remember(store, "r")
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


@pytest.mark.parametrize("content", [b"not a database at all, just text that is long enough" * 100, b"\0" * 8192])
def test_a_file_that_is_no_database_is_moved_aside(tmp_path: Path, clock: FakeClock, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    store = SqliteStore(tmp_path, clock)
    remember(store, "r")
    assert remembered(store) == "r"
    (warning,) = warnings_of(store)
    assert (warning.reason, warning.type) == ("StoreRebuilt", EventType.WARNING)
    (aside,) = [path for path in tmp_path.iterdir() if "corrupt" in path.name]
    assert aside.name in warning.message
    assert aside.read_bytes() == content
    store.close()


def test_a_database_with_a_damaged_page_is_moved_aside(tmp_path: Path, clock: FakeClock) -> None:
    store = SqliteStore(tmp_path, clock)
    for number in range(200):
        store.releases.begin(AppKey("default", f"app-{number}"), revision="r" * 40)
    store.close()
    path = tmp_path / FILE_NAME
    whole = path.read_bytes()
    # The page size stands in bytes 16 and 17 of the header; the first page holds the schema and stays whole.
    page = int.from_bytes(whole[16:18], "big")
    path.write_bytes(whole[:page] + os.urandom(len(whole) - page))
    again = SqliteStore(tmp_path, clock)
    assert [w.reason for w in warnings_of(again)] == ["StoreRebuilt"]
    remember(again, "r")
    assert remembered(again) == "r"
    again.close()


def test_damage_that_is_met_while_running_is_survived(tmp_path: Path, clock: FakeClock) -> None:
    store = SqliteStore(tmp_path, clock)
    for number in range(200):
        store.releases.begin(AppKey("default", f"app-{number}"), revision="r" * 40)
    heard = warnings_of(store)
    path = tmp_path / FILE_NAME
    store._database._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store._database._connection.execute("PRAGMA cache_size = 0")
    whole = path.read_bytes()
    page = int.from_bytes(whole[16:18], "big")
    with path.open("r+b") as file:
        file.seek(page)
        file.write(os.urandom(len(whole) - page))
    for number in range(200):
        store.releases.list(AppKey("default", f"app-{number}"))
    remember(store, "r")
    assert remembered(store) == "r"
    assert [w.reason for w in heard] == ["StoreRebuilt"]
    store.close()


def test_the_file_of_a_later_version_is_kept_and_not_misread(tmp_path: Path, clock: FakeClock) -> None:
    connection = open_file(tmp_path / FILE_NAME)
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    store = SqliteStore(tmp_path, clock)
    (warning,) = warnings_of(store)
    assert "a later version of Trimtab" in warning.message
    assert any("schema-999" in path.name for path in tmp_path.iterdir())
    store.close()


def test_a_data_directory_that_cannot_be_used_is_the_users_error(tmp_path: Path, clock: FakeClock) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="data directory"):
        SqliteStore(tmp_path / "file", clock)


def test_migrations_are_numbered_without_gaps_and_a_failing_one_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [number for number, _ in migrations()] == list(range(1, len(migrations()) + 1))
    bad = ((1, "CREATE TABLE one (a);"), (2, "CREATE TABLE two (a);\nINSERT INTO nowhere VALUES (1);"))
    monkeypatch.setattr("trimtab.store.migrate.migrations", lambda: bad)
    connection = open_file(tmp_path / "x.db")
    with pytest.raises(sqlite3.Error):
        migrate(connection)
    assert connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,)
    assert connection.execute("PRAGMA user_version").fetchone() == (0,)
    connection.close()


# -- no space --------------------------------------------------------------------------------------------------------


def fill(store: SqliteStore) -> None:
    connection = store._database._connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")


def test_a_full_disk_is_told_once_and_everything_goes_on_and_comes_back(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqliteStore(tmp_path, clock)
    heard = warnings_of(store)
    remember(store, "before")
    fill(store)
    for number in range(200):
        store.releases.begin(AppKey("default", f"app-{number}"), revision="r" * 40)
    remember(store, "while")
    assert remembered(store) == "while"
    assert "full" in store.degraded
    assert [w.reason for w in heard] == ["StoreDegraded"]
    assert "free disk space" in heard[0].message

    # Still full when it is tried again: nothing more is said.
    real = open_file
    monkeypatch.setattr(database_module, "open_file", _full)
    clock.advance(RETRY_S + 1)
    remember(store, "later")
    assert store.degraded
    assert len(heard) == 1

    monkeypatch.setattr(database_module, "open_file", real)
    clock.advance(RETRY_S + 1)
    remember(store, "after")
    assert store.degraded == ""
    assert [w.reason for w in heard] == ["StoreDegraded", "StoreRecovered"]
    store.close()
    again = SqliteStore(tmp_path, clock)
    assert remembered(again) == "after"
    assert len(again.releases.list(AppKey("default", "app-199"))) == 1
    assert [e.event.reason for e in again.events.newest()] == ["StoreDegraded", "StoreRecovered"]
    again.close()


def _full(path: Path) -> sqlite3.Connection:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    raise error


def test_a_request_left_while_the_controller_was_in_memory_is_found(tmp_path: Path, clock: FakeClock) -> None:
    store = SqliteStore(tmp_path, clock)
    answered = store.requests.submit(SHOP, RequestVerb.SYNC)
    fill(store)
    for number in range(200):
        store.releases.begin(AppKey("default", f"app-{number}"), revision="r" * 40)
    assert store.degraded
    store.requests.answer(answered, RequestState.DONE, "synced")
    command = SqliteStore(tmp_path, clock, strict=True)
    asked = command.requests.submit(SHOP, RequestVerb.SUSPEND)
    clock.advance(RETRY_S + 1)
    remember(store, "x")
    assert store.degraded == ""
    assert [r.id for r in store.requests.pending()] == [asked]
    heard = command.requests.get(answered)
    assert heard is not None
    assert heard.answer == "synced"
    command.close()
    store.close()


def test_a_disk_that_really_refuses_to_grow_a_file() -> None:
    """A limit of the kernel on the size of files, in a process of its own: SQLite gets EFBIG from a real write."""
    script = """
import resource, signal, sys, tempfile
from pathlib import Path
from trimtab.model.keys import AppKey
from trimtab.runtime.clock import SystemClock
from trimtab.store.sqlite import SqliteStore
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with tempfile.TemporaryDirectory() as folder:
    store = SqliteStore(Path(folder), SystemClock())
    heard = []
    store.on_warning(heard.append)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
    for number in range(3000):
        store.releases.begin(AppKey("default", f"app-{number}"), revision="r" * 40)
    print(len(store.releases.list(AppKey("default", "app-2999"))), [e.reason for e in heard])
    store.close()
"""
    process = python(script)
    output, errors = process.communicate(timeout=120)
    assert output.strip() == "1 ['StoreDegraded']", errors


def test_a_command_is_told_that_its_request_could_not_be_left(tmp_path: Path, clock: FakeClock) -> None:
    store = SqliteStore(tmp_path, clock, strict=True)
    fill(store)
    ask = partial(store.requests.submit, SHOP, RequestVerb.SYNC, arguments={"reason": "x" * 200_000})
    with pytest.raises(TransientError, match="free disk space") as caught:
        ask()
    assert caught.value.code == "TT6700"
    assert store.degraded == ""
    store.close()


def test_what_is_only_in_memory_is_offered_to_the_disk_at_the_end(tmp_path: Path, clock: FakeClock) -> None:
    store = SqliteStore(tmp_path, clock)
    fill(store)
    for number in range(200):
        store.releases.begin(AppKey("default", f"app-{number}"), revision="r" * 40)
    assert store.degraded
    store.close()
    again = SqliteStore(tmp_path, clock)
    assert len(again.releases.list(AppKey("default", "app-199"))) == 1
    again.close()


def test_our_own_mistakes_are_not_taken_for_a_broken_disk(store: SqliteStore) -> None:
    with pytest.raises(InternalError, match="no such table"):
        store._database.write("INSERT INTO nowhere VALUES (1)")
    assert store.degraded == ""


# -- others ----------------------------------------------------------------------------------------------------------


def test_two_processes_share_it(tmp_path: Path, clock: FakeClock) -> None:
    store = SqliteStore(tmp_path, clock)
    assert store.requests.changed() is True
    assert store.requests.changed() is False
    remember(store, "own")
    assert store.requests.changed() is False
    script = """
import sys
from pathlib import Path
from trimtab.model.keys import AppKey
from trimtab.model.records import RequestVerb
from trimtab.runtime.clock import SystemClock
from trimtab.store.sqlite import SqliteStore
store = SqliteStore(Path(sys.argv[1]), SystemClock(), strict=True)
for number in range(100):
    store.requests.submit(AppKey.parse("shop"), RequestVerb.SYNC, by=sys.argv[2])
"""
    others = [python(script, str(tmp_path), name) for name in ("ada", "bob")]
    for number in range(100):
        remember(store, str(number))
    for other in others:
        _, errors = other.communicate(timeout=60)
        assert other.returncode == 0, errors
    assert store.requests.changed() is True
    assert sorted(r.by for r in store.requests.pending()) == ["ada"] * 100 + ["bob"] * 100
    assert remembered(store) == "99"
    assert store.degraded == ""
    store.close()


@pytest.mark.slow
def test_a_process_killed_while_it_writes_leaves_a_readable_file(tmp_path: Path, clock: FakeClock) -> None:
    script = """
import sys
from pathlib import Path
from trimtab.model.keys import AppKey
from trimtab.model.records import AppliedState
from trimtab.runtime.clock import SystemClock
from trimtab.store.sqlite import SqliteStore
app = AppKey.parse("shop")
store = SqliteStore(Path(sys.argv[1]), SystemClock())
number = 0
while True:
    run = store.journal.opened("p", app, "local", str(number))
    store.journal.started(run, 1, "x" * 500)
    number += 1
    store.applied.put(AppliedState(app=app, applied_revision=str(number)))
    print(number, flush=True)
"""
    for _ in range(3):
        writer = python(script, str(tmp_path))
        assert writer.stdout is not None
        told = [writer.stdout.readline() for _ in range(40)][-1]
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().split()
        writer.communicate(timeout=30)
        store = SqliteStore(tmp_path, clock)
        heard = warnings_of(store)
        # What was said to be written is there, and at most the one that was being said.
        last = int(rest[-1]) if rest else int(told)
        assert int(remembered(store)) in {last, last + 1}
        assert store.journal_reader.unfinished()
        assert heard == []
        store.close()


def test_a_file_that_is_deleted_while_in_use_is_written_anew(tmp_path: Path, clock: FakeClock) -> None:
    store = SqliteStore(tmp_path, clock)
    heard = warnings_of(store)
    remember(store, "r")
    for path in tmp_path.iterdir():
        path.unlink()
    assert store.requests.changed() is True
    assert [w.reason for w in heard] == ["StoreRebuilt"]
    other = SqliteStore(tmp_path, clock)
    assert remembered(other) == "r"
    other.close()
    store.close()


def test_a_lock_that_another_program_keeps_does_not_stop_anything(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trimtab.store.files.BUSY_TIMEOUT_MS", 50)
    store = SqliteStore(tmp_path, clock)
    heard = warnings_of(store)
    other = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    remember(store, "r")
    assert remembered(store) == "r"
    assert [w.reason for w in heard] == ["StoreDegraded"]
    other.execute("ROLLBACK")
    other.close()
    clock.advance(RETRY_S + 1)
    remember(store, "s")
    assert store.degraded == ""
    store.close()


def test_threads_share_it(store: SqliteStore) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for _ in range(50):
                store.releases.begin(AppKey("default", f"app-{number}"), revision="r")
        except BaseException as error:  # noqa: BLE001 - shown by the assertion
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert [store.releases.list(AppKey("default", f"app-{n}"))[0].id for n in range(4)] == [50] * 4


def test_a_start_that_could_not_read_the_file_does_not_wipe_it_out_later(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqliteStore(tmp_path, clock)
    store.facts.put("cursor", "17")
    store.releases.begin(SHOP, revision="old")
    remember(store, "old")
    store.close()
    monkeypatch.setattr(database_module, "open_file", _full)
    blind = SqliteStore(tmp_path, clock)
    heard = warnings_of(blind)
    assert [w.reason for w in heard] == ["StoreDegraded"]
    assert remembered(blind) == ""
    blind.facts.put("cursor", "1")
    blind.releases.begin(SHOP, revision="meanwhile")
    monkeypatch.setattr(database_module, "open_file", open_file)
    clock.advance(RETRY_S + 1)
    remember(blind, "new")
    assert [w.reason for w in heard] == ["StoreDegraded", "StoreRecovered"]
    assert "not kept" in heard[1].message
    assert blind.facts.get("cursor") == "17"
    assert [r.revision for r in blind.releases.list(SHOP)] == ["old"]
    assert remembered(blind) == "new"
    blind.close()


def test_a_command_is_told_that_the_file_cannot_be_opened(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "open_file", _full)
    with pytest.raises(TransientError, match="full"):
        SqliteStore(tmp_path, clock, strict=True)


def test_a_damaged_file_that_cannot_be_moved_aside_is_left_alone_until_it_can(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_path: Path, _suffix: str) -> Path:
        raise PermissionError(13, "Permission denied")

    (tmp_path / FILE_NAME).write_bytes(b"no database" * 1000)
    monkeypatch.setattr(database_module, "move_aside", refused)
    store = SqliteStore(tmp_path, clock)
    heard = warnings_of(store)
    assert [w.reason for w in heard] == ["StoreDegraded"]
    remember(store, "r")
    clock.advance(RETRY_S + 1)
    remember(store, "s")
    assert store.degraded
    monkeypatch.setattr(database_module, "move_aside", move_aside)
    # Once to move it aside, once to begin the new one.
    for _ in range(2):
        clock.advance(RETRY_S + 1)
        remember(store, "t")
    assert store.degraded == ""
    assert remembered(store) == "t"
    store.close()


def test_a_file_that_is_deleted_and_cannot_be_written_anew_is_continued_in_memory(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqliteStore(tmp_path, clock)
    heard = warnings_of(store)
    remember(store, "r")
    for path in tmp_path.iterdir():
        path.unlink()
    monkeypatch.setattr(database_module, "open_file", _full)
    store.requests.changed()
    assert [w.reason for w in heard] == ["StoreDegraded"]
    assert remembered(store) == "r"
    monkeypatch.setattr(database_module, "open_file", open_file)
    clock.advance(RETRY_S + 1)
    remember(store, "s")
    assert store.degraded == ""
    store.close()
