"""The commands of a second terminal against a running controller, and the tools that know Compose."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.checks import look
from tests.support.scenario import DOCKERFILE, PATIENCE_S, Shop
from tests.support.waiting import eventually

pytestmark = [pytest.mark.engine, pytest.mark.e2e]


def test_suspended_it_is_left_alone_and_resumed_it_catches_up(shop: Shop) -> None:
    said = shop.controller.trimtab("suspend", shop.name, "--reason", "migration")
    assert said.code == 0, said.text
    before = look(shop.scope)
    commit = shop.push_page("later")
    eventually(lambda: shop.controller.status(shop.name)["desired_revision"] == commit, what="the commit was looked at")
    assert look(shop.scope) == before
    status = shop.controller.trimtab("status", shop.name)
    assert "Suspended" in status.out
    assert "migration" in status.out
    assert shop.controller.trimtab("resume", shop.name).code == 0
    shop.eventually_serves("later")
    shop.eventually_settled()


def test_history_says_who_deployed_what_and_how_it_went(shop: Shop) -> None:
    commit = shop.push_page("for the record")
    shop.eventually_settled()
    said = shop.controller.trimtab("history", shop.name, "-o", "json")
    newest = json.loads(said.out)["history"][0]
    assert newest["revision"] == commit
    assert newest["author"].startswith("Ada")
    assert newest["subject"] == "for the record"
    assert newest["phase"] == "Succeeded"


def test_a_sync_by_hand_tries_a_failed_build_again(shop: Shop) -> None:
    shop.push({"web/Dockerfile": f"{DOCKERFILE}RUN false\n"}, "a bad instruction")
    told = len(shop.eventually_tells("BuildFailed"))
    said = shop.controller.trimtab("sync", shop.name)
    assert said.code == 1, said.text
    assert "false" in said.err
    shop.eventually_tells("BuildFailed", times=told + 1)


def test_terminate_stops_a_running_sync_and_it_is_not_begun_again_by_itself(shop: Shop) -> None:
    before, run = look(shop.scope), shop.controller.last_run()
    shop.push({"web/Dockerfile": f"{DOCKERFILE}RUN sleep 300\n"}, "slow")
    eventually(lambda: shop.controller.steps(after_run=run), what="the build has begun")

    said = shop.controller.trimtab("terminate", shop.name)

    assert said.code == 0, said.text
    shop.eventually_tells("SyncTerminated")
    assert look(shop.scope) == before
    shop.eventually_says("stopped before its end")
    assert shop.controller.status(shop.name)["health"] == "Healthy", "what ran before still runs well"
    assert shop.controller.last_run() == run + 1, "the sync that was stopped by hand is not begun again"


def test_a_newer_commit_stops_the_sync_of_the_older_one(shop: Shop) -> None:
    run = shop.controller.last_run()
    shop.push({"web/Dockerfile": f"{DOCKERFILE}RUN sleep 300\n"}, "slow")
    eventually(lambda: shop.controller.steps(after_run=run), what="the build has begun")
    shop.push({"web/Dockerfile": DOCKERFILE, "web/site/index.html": "the newer one\n"}, "quick")
    shop.eventually_serves("the newer one")
    shop.eventually_settled()


def test_a_saved_plan_is_carried_out_once_and_refused_when_stale(shop: Shop, tmp_path: Path) -> None:
    assert shop.controller.trimtab("suspend", shop.name).code == 0
    shop.push_page("planned")
    file, repo = tmp_path / "plan.json", ("--repo", str(shop.repo.remote))
    planned = shop.controller.trimtab("plan", *repo, "--out", str(file), "--detailed-exitcode")
    assert planned.code == 2, planned.text
    assert "1 to build" in planned.out
    shop.scope.api.stop(f"{shop.name}-store-1", timeout=1)
    before = look(shop.scope)

    refused = shop.controller.trimtab("apply", "--plan", str(file), "--yes")

    assert refused.code != 0
    assert "stale" in refused.err
    assert look(shop.scope) == before
    assert shop.controller.trimtab("resume", shop.name).code == 0
    shop.eventually_serves("planned")


def test_apply_is_refused_while_a_controller_looks_after_the_same_objects(shop: Shop) -> None:
    assert shop.controller.trimtab("suspend", shop.name).code == 0
    shop.push_page("by hand")
    refused = shop.controller.trimtab("apply", "--repo", str(shop.repo.remote), "--yes")
    assert refused.code == 3, refused.text
    assert shop.controller.trimtab("resume", shop.name).code == 0
    shop.eventually_serves("by hand")


def test_rollback_pushes_the_revert_and_the_old_page_is_back(shop: Shop) -> None:
    pytest.importorskip("trimtab.cli.rollback", reason="trimtab rollback is not there yet")
    shop.push_page("a mistake")
    shop.eventually_serves("a mistake")
    shop.eventually_settled()
    said = shop.controller.trimtab("rollback", shop.name)
    assert said.code == 0, said.text
    shop.eventually_serves("the first page")
    shop.repo.git("pull", "--quiet", "origin", "main")
    assert "Revert" in shop.repo.git("log", "-1", "--format=%s")
    shop.eventually_settled()


def test_rollback_pinned_holds_the_old_release_until_the_branch_takes_it_back_too(shop: Shop) -> None:
    shop.push_page("a mistake")
    shop.eventually_serves("a mistake")
    shop.eventually_settled()
    said = shop.controller.trimtab("rollback", shop.name, "--pin")
    assert said.code == 0, said.text
    shop.eventually_serves("the first page")
    # A commit on top that has the mistake in it does not deploy it again.
    later = shop.push(shop.edit("GREETING: hello", "GREETING: hi"), "something else")
    shop.eventually_says("held at", later[:7], f"trimtab sync {shop.name}")
    assert shop.page() == "the first page"
    # The revert of the mistake lets go, and what came with it is deployed.
    shop.push(
        {"web/site/index.html": "the first page\n", **shop.edit("GREETING: hi", "GREETING: hello")}, "take it back"
    )
    shop.eventually_settled()
    assert shop.controller.events(shop.name, "Unpinned") != []
    # A person can end it, too.
    shop.push_page("another one")
    shop.eventually_serves("another one")
    shop.eventually_settled()
    assert shop.controller.trimtab("rollback", shop.name, "--pin").code == 0
    shop.eventually_serves("the first page")
    assert shop.controller.trimtab("sync", shop.name).code == 0
    shop.eventually_serves("another one")


def test_tools_that_know_compose_show_it(shop: Shop) -> None:
    names = {f"{shop.name}-web-1", f"{shop.name}-store-1"}
    listed = _docker("ps", "--filter", f"label=com.docker.compose.project={shop.name}", "--format", "{{.Names}}")
    assert set(listed.split()) == names

    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker has no compose plugin here")
    projects = {item["Name"] for item in json.loads(_docker("compose", "ls", "--format", "json"))}
    assert shop.name in projects
    shown = _docker("compose", "-p", shop.name, "ps", "--format", "{{.Name}} {{.Service}}")
    assert set(shown.splitlines()) == {f"{shop.name}-web-1 web", f"{shop.name}-store-1 store"}
    shop.scope.api.exec_start(
        shop.scope.api.exec_create(f"{shop.name}-web-1", ["sh", "-c", "echo a line of its log >/proc/1/fd/1"])["Id"]
    )
    eventually(
        lambda: "a line of its log" in _docker("compose", "-p", shop.name, "logs", "web"),
        what="its log is shown",
        timeout_s=PATIENCE_S,
    )


def _docker(*arguments: str) -> str:
    if shutil.which("docker") is None:
        pytest.skip("there is no docker command here")
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
