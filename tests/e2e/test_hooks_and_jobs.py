"""Migrations before, checks after, backups at the end, jobs when asked: told by what they wrote into a volume."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.engine import BASE_IMAGE, EngineScope
from tests.support.gitrepo import GitRepo
from tests.support.scenario import Controller, Shop, running
from tests.support.skew import Skew
from tests.support.waiting import eventually

pytestmark = [pytest.mark.engine, pytest.mark.e2e]

COMPOSE = """\
x-trimtab:
  jobs:
    report: {{service: report, timeout: 1m}}
    sweep: {{service: sweep, schedule: "30 3 * * *", timeZone: Europe/Berlin}}
services:
  migrate:
    image: {image}
    command:
      - sh
      - -c
      - |
        echo migrating to {version}; sleep {takes}
        test {code} = 0 && echo migrate-{version} >>/data/log
        exit {code}
    volumes: ["data:/data", /scratch]
    x-trimtab: {{hook: PreSync}}
  cache:
    image: {image}
    init: true
    command: [sh, -c, "echo cache-{version} >>/data/log; exec sleep 86400"]
    healthcheck: {{test: ["CMD", "true"], interval: 1s}}
    stop_grace_period: 1s
    volumes: ["data:/data"]
    x-trimtab: {{wave: -1}}
  api:
    image: {image}
    init: true
    command: [sh, -c, "echo api-{version} >>/data/log; exec sleep 86400"]
    healthcheck: {{test: ["CMD", "true"], interval: 1s}}
    stop_grace_period: 1s
    volumes: ["data:/data"]
  smoke:
    image: {image}
    command: [sh, -c, "echo smoke-{version} >>/data/log"]
    volumes: ["data:/data", /scratch]
    x-trimtab: {{hook: PostSync, hookDeletePolicy: HookSucceeded}}
  backup:
    image: {image}
    command: [sh, -c, "echo backup >>/data/log"]
    volumes: ["data:/data", /scratch]
    x-trimtab: {{hook: PreDelete}}
  report:
    image: {image}
    command: [sh, -c, "echo report >>/data/log; echo all is well; sleep 2"]
    volumes: ["data:/data", /scratch]
  sweep:
    image: {image}
    command: [sh, -c, "echo sweep >>/data/log"]
    volumes: ["data:/data"]
volumes: {{data: {{}}}}
"""


def compose(version: int, *, takes: int = 0, code: int = 0) -> str:
    return COMPOSE.format(image=BASE_IMAGE, version=version, takes=takes, code=code)


@pytest.fixture(scope="module")
def shop(module_scope: EngineScope, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder, name = tmp_path_factory.mktemp("hooks"), module_scope.name
    repo = GitRepo.create(folder, {"compose.yaml": f"name: {name}\n{compose(1)}"}, name=name)
    controller = Controller(name, (repo.remote,), folder / "controller", environment=Skew(folder / "skew").environment)
    with running(controller):
        made = Shop(module_scope, name, repo, controller, None)
        made.eventually_settled()
        yield made


def push(shop: Shop, text: str) -> str:
    return shop.push({"compose.yaml": f"name: {shop.name}\n{text}"})


def log(shop: Shop) -> list[str]:
    """What everybody wrote into the volume, in order."""
    api = shop.scope.api
    made = api.create_container(
        BASE_IMAGE, ["cat", "/data/log"], labels=shop.scope.labels,
        host_config=api.create_host_config(binds=[f"{shop.name}_data:/data:ro"]),
    )  # fmt: skip
    try:
        api.start(made["Id"])
        api.wait(made["Id"])
        text: bytes = api.logs(made["Id"], stderr=False)
        return text.decode().split()
    finally:
        api.remove_container(made["Id"], force=True)


def ids(shop: Shop) -> dict[str, str]:
    return {name: found.id for name, found in shop.containers().items() if found.running}


def test_each_in_its_phase_and_wave_and_once(shop: Shop) -> None:
    assert log(shop) == ["migrate-1", "cache-1", "api-1", "smoke-1"]
    names = set(shop.containers())
    assert not [name for name in names if "smoke" in name], "HookSucceeded leaves nothing"
    assert len([name for name in names if "-migrate-presync-" in name]) == 1
    assert "succeeded" in shop.controller.trimtab("status", shop.name).out
    plan = shop.controller.trimtab("plan", "--repo", str(shop.repo.remote))
    assert "nothing to do" in plan.out, plan.text


def test_a_failing_migration_changes_nothing_else(shop: Shop) -> None:
    before, wrote = ids(shop), log(shop)
    push(shop, compose(2, code=3))
    plan = shop.controller.trimtab("plan", "--repo", str(shop.repo.remote))
    assert "PreSync" in plan.out
    said = shop.eventually_says("exit code 3")
    assert "migrate" in said
    shop.eventually_tells("HookFailed", "migrate")
    assert (ids(shop), log(shop)) == (before, wrote)
    assert "migrating to 2" in shop.controller.trimtab("jobs", shop.name, "log", "migrate").out
    # A new life of the controller does not try it again.
    shop.controller.kill9()
    shop.controller.start()
    shop.eventually_says("exit code 3")
    assert (ids(shop), log(shop)) == (before, wrote)
    assert len(shop.controller.events(shop.name, "HookFailed")) == 1


def test_a_kill_in_the_middle_of_a_migration_does_not_run_it_twice(shop: Shop) -> None:
    push(shop, compose(3, takes=4))
    eventually(
        lambda: [c for name, c in shop.containers().items() if "-migrate-presync-" in name and c.running],
        what="the migration runs",
    )
    shop.controller.kill9()
    shop.controller.start()
    shop.eventually_settled()
    assert [line for line in log(shop) if line.endswith("-3")] == ["migrate-3", "cache-3", "api-3", "smoke-3"]


def test_a_job_runs_when_asked_one_at_a_time_and_its_log_is_kept(shop: Shop) -> None:
    done = shop.controller.trimtab("jobs", shop.name, "run", "report")
    assert done.code == 0, done.text
    assert len([name for name, c in shop.containers().items() if "-report-" in name and c.running]) == 1
    eventually(
        lambda: "all is well" in shop.controller.trimtab("jobs", shop.name, "log", "report").out, what="the run's log"
    )
    assert log(shop).count("report") == 1
    listed = shop.controller.trimtab("jobs", shop.name)
    assert "Succeeded" in listed.out
    assert "asked" in listed.out
    unknown = shop.controller.trimtab("jobs", shop.name, "run", "nightly")
    assert unknown.code == 1
    assert "has no job 'nightly'" in unknown.text
    assert shop.controller.status(shop.name)["health"] == "Healthy"


def test_a_job_runs_by_its_schedule_in_its_time_zone_and_each_turn_once(shop: Shop) -> None:
    """The controller's clock is set to right before its time, then back."""
    skew = Skew(shop.controller.folder.with_name("skew"))
    assert _turns(shop) == []
    # Half past three in Berlin's winter. Of all the turns that such a jump leaves out, the last is made up.
    missed, due = (datetime(2031, 1, day, 2, 30, tzinfo=UTC) for day in (14, 15))
    skew.set_to(due - timedelta(seconds=20))
    eventually(lambda: _turns(shop) == [missed], what="the last turn that was missed was run")
    skew.set_to(due - timedelta(seconds=2))
    eventually(lambda: _turns(shop) == [missed, due], what="it ran at its time")
    # Before its time once more, and a new life: what ran has run.
    skew.set_to(due - timedelta(seconds=2))
    shop.controller.kill9()
    shop.controller.start()
    shop.eventually_says()
    eventually(lambda: skew.now() > due + timedelta(seconds=2), what="its time has come again")
    skew.set(0.0)
    assert _turns(shop) == [missed, due]
    assert log(shop).count("sweep") == 2
    assert "schedule" in shop.controller.trimtab("jobs", shop.name).out


def _turns(shop: Shop) -> list[datetime]:
    """When the runs of it were due that have ended well; their names say so in minutes."""
    rows = shop.controller.ask("SELECT name FROM task_runs WHERE task = 'sweep' AND outcome = 'Succeeded'")
    return sorted(datetime.fromtimestamp(60 * int(name.rpartition("-")[2]), UTC) for (name,) in rows)


def test_the_last_hook_runs_before_everything_goes(shop: Shop) -> None:
    shop.push({"compose.yaml": None, "README": "nothing to run\n"})
    eventually(lambda: shop.containers() == {}, what="everything but the volume is gone", timeout_s=60)
    assert log(shop)[-1] == "backup"


def test_delete_runs_them_too(shop: Shop) -> None:
    push(shop, compose(4))
    shop.eventually_settled()
    shop.controller.stop()
    done = shop.controller.trimtab("delete", shop.name, "--yes")
    assert done.code == 0, done.text
    assert "PreDelete" in done.out
    assert shop.containers() == {}
    assert log(shop).count("backup") == 2
