"""Runs of hooks and jobs in the database: bounded in number and length, the newest first."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from tests.support.clock import FakeClock
from trimtab.model.keys import AppKey, Kind
from trimtab.model.records import RunOutcome, TaskRun
from trimtab.store.sqlite import SqliteStore
from trimtab.store.taskruns import KEPT, LOG_CHARACTERS

SHOP = AppKey("default", "shop")


def test_the_last_runs_of_each_task_are_kept(tmp_path: Path) -> None:
    clock = FakeClock()
    store = SqliteStore(tmp_path, clock)
    for number in range(KEPT + 5):
        for task in ("backup", "report"):
            at = clock.now() + timedelta(minutes=number)
            run = TaskRun(
                app=SHOP, name=f"shop-{task}-{number:03}", kind=Kind.JOB, task=task, outcome=RunOutcome.FAILED, at=at,
                log="x" * LOG_CHARACTERS + "end",
            )  # fmt: skip
            store.task_runs.put(run)
    runs = store.task_runs.list(SHOP)
    assert len(runs) == 2 * KEPT
    assert runs[0].name == f"shop-report-{KEPT + 4:03}"
    assert (len(runs[0].log), runs[0].log[-3:]) == (LOG_CHARACTERS, "end")
    assert store.task_runs.get(SHOP, "shop-backup-000") is None
    assert "xxx" not in repr(runs[0])
    store.close()
