"""Jobs in whole passes, on an engine in memory and with a clock of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.property.test_passes import Lab
from tests.support.process import SHOP, Process
from tests.support.world import Container, Killed, Script
from trimtab.errors import ConfigError
from trimtab.model.keys import Kind
from trimtab.model.records import RunOutcome, Suspension
from trimtab.model.status import HealthStatus, Phase, SyncStatus
from trimtab.model.trigger import TriggerKind

V1 = """
    x-trimtab:
      jobs:
        backup: {service: backup, schedule: "*/10 * * * *", timeout: 5m}
        once:
          service: {image: "once:1", environment: {TOKEN: canary}}
    services:
      web: {image: "web:1"}
      backup: {image: "backup:1", volumes: ["data:/data"]}
    volumes: {data: {}}
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    for process in made.open:
        process.close()


def runs(lab: Lab, job: str = "backup") -> list[Container]:
    found = []
    for container in lab.world.of(SHOP):
        key = lab.world.owner(container.labels, container.name)
        if key is not None and key.kind is Kind.JOB and key.name == job:
            found.append(container)
    return found


def deployed(lab: Lab, text: str = V1) -> Process:
    lab.push(text)
    process = lab.start()
    status = process.rest()
    assert status.health is HealthStatus.HEALTHY, status.message
    return process


def later(lab: Lab, process: Process, minutes: float = 10) -> None:
    lab.clock.advance(minutes * 60)
    process.reconcile(kind=TriggerKind.FOLLOW_UP)


def test_a_job_runs_when_due_and_not_permanently(lab: Lab) -> None:
    process = deployed(lab)
    assert runs(lab) == []
    assert "backup:1" in lab.world.images, "its image is there before its hour"
    writes = lab.world.writes
    process.reconcile(kind=TriggerKind.TIMER)
    assert lab.world.writes == writes
    later(lab, process)
    (run,) = runs(lab)
    assert run.up
    lab.world.exit(run, 0)
    status = process.rest()
    assert (status.sync, status.phase) == (SyncStatus.SYNCED, Phase.SUCCEEDED)
    assert [c.starts for c in runs(lab)] == [1]
    (done,) = process.store.task_runs.list(SHOP)
    assert (done.task, done.outcome, done.log, done.exit_code) == ("backup", RunOutcome.SUCCEEDED, "bye", 0)
    (line,) = [line for line in process.status().resources if line.key.name == "backup"]
    assert "succeeded" in line.message
    assert "next" in line.message


def test_two_runs_are_never_there_at_once_whatever_dies(lab: Lab) -> None:
    deployed(lab, V1.replace("timeout: 5m", "concurrencyPolicy: Forbid"))
    lab.clock.advance(600)
    for step in range(4):
        process = lab.start(kill_at=(step, True))
        with contextlib.suppress(Killed):
            process.reconcile(kind=TriggerKind.FOLLOW_UP)
        lab.clock.advance(600)
        lab.start(lost=step == 2).reconcile(kind=TriggerKind.FOLLOW_UP)
        assert len([c for c in runs(lab) if c.up]) == 1
    assert sum(c.starts for c in runs(lab)) == 1


def test_a_failing_job_is_told_tried_again_and_leaves_the_application_alone(lab: Lab) -> None:
    lab.world.scripts["backup:1"] = Script(exits=1)
    process = deployed(lab, V1.replace("timeout: 5m", "backoffLimit: 1"))
    later(lab, process)
    lab.world.exit(runs(lab)[0], 1)
    status = process.rest()
    assert (status.sync, status.health) == (SyncStatus.SYNCED, HealthStatus.HEALTHY)
    later(lab, process, 0.3)
    process.rest()
    assert [run.name[-2:] for run in process.store.task_runs.list(SHOP)] == ["-1", "90"]
    assert "JobFailed" in process.events.reasons()
    assert process.store.task_runs.list(SHOP)[-1].outcome is RunOutcome.FAILED


def test_history_limits_remove_containers_and_keep_what_they_wrote(lab: Lab) -> None:
    process = deployed(lab, V1.replace("timeout: 5m", "successfulJobsHistoryLimit: 2"))
    for _ in range(5):
        later(lab, process)
        for run in runs(lab):
            if run.up:
                lab.world.exit(run, 0)
        process.reconcile(kind=TriggerKind.ENGINE)
    assert len(runs(lab)) == 2
    assert [run.log for run in process.store.task_runs.list(SHOP)] == ["bye"] * 5


def test_a_run_that_takes_too_long_is_stopped(lab: Lab) -> None:
    lab.world.scripts["backup:1"] = Script(on_stop=143)
    process = deployed(lab)
    later(lab, process)
    later(lab, process, 6)
    (run,) = runs(lab)
    assert not run.up
    process.reconcile(kind=TriggerKind.ENGINE)
    assert process.store.task_runs.list(SHOP)[0].outcome is RunOutcome.FAILED


def test_a_suspended_application_runs_no_jobs_and_makes_up_the_last_one(lab: Lab) -> None:
    process = deployed(lab)
    process.store.holds.suspend(Suspension(app=SHOP, since=lab.clock.now()))
    for _ in range(3):
        later(lab, process)
    assert runs(lab) == []
    process.store.holds.resume(SHOP)
    later(lab, process, 0)
    assert len(runs(lab)) == 1


def test_a_job_runs_when_asked_once_a_request(lab: Lab) -> None:
    process = deployed(lab)
    at = lab.clock.now()
    process.jobs.ask(SHOP, "once", at)
    process.reconcile()
    (run,) = runs(lab, "once")
    lab.world.exit(run, 0)
    again = lab.start()
    again.reconcile()
    again.jobs.ask(SHOP, "once", at)
    again.reconcile()
    assert [c.starts for c in runs(lab, "once")] == [1]
    with pytest.raises(ConfigError, match="has no job 'nightly'"):
        process.jobs.ask(SHOP, "nightly", at)


def test_the_clock_wakes_what_is_due(lab: Lab) -> None:
    process = deployed(lab)
    woken: list[object] = []
    process.jobs.notify = lambda key, _trigger: woken.append(key)
    process.jobs.look()
    assert woken == []
    lab.clock.advance(timedelta(minutes=10).total_seconds())
    process.jobs.look()
    process.jobs.look()
    assert woken == [SHOP]


def test_a_job_that_is_gone_from_git_takes_its_runs_along(lab: Lab) -> None:
    process = deployed(lab)
    later(lab, process)
    lab.world.exit(runs(lab)[0], 0)
    process.rest()
    lab.push("""
    services:
      web: {image: "web:1"}
    """)
    process.read()
    process.rest()
    assert runs(lab) == []
    assert [c.name for c in lab.world.of(SHOP)] == ["shop-web-1"]


def test_an_application_that_goes_takes_a_run_along_that_is_not_over(lab: Lab) -> None:
    process = deployed(lab)
    later(lab, process)
    assert runs(lab)[0].up
    lab.repository.push({"README": "nothing here"})
    process.read()
    process.reconcile()
    assert lab.world.of(SHOP) == []
    assert lab.world.networks == {}
