"""Small values: health checks that look for a marker, triggers in one, names of lines, and what is still undone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tests.support.rig import SHOP, Rig, shop
from trimtab.model.jobs import JobSettings
from trimtab.model.keys import Kind, ResourceKey
from trimtab.model.observed import ObservedState
from trimtab.model.output import OutputLine
from trimtab.model.records import RunOutcome, TaskRun
from trimtab.model.schedule import parse_schedule
from trimtab.model.status import HealthStatus
from trimtab.model.tasks import Job
from trimtab.model.trigger import Trigger, TriggerKind
from trimtab.plan.canonical import canonical_json
from trimtab.plan.drain import MARKER, watched, watches
from trimtab.plan.render.records import run_document
from trimtab.plan.takenback import still_there
from trimtab.plan.taskstatus import run_statuses

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
WEB = {"image": "web:1"}


def test_a_health_check_fails_while_the_marker_is_there_and_else_says_what_it_said() -> None:
    kind, script = watched(["CMD-SHELL", "curl -f localhost"])
    assert (kind, script) == ("CMD-SHELL", f"test ! -e {MARKER} || exit 1\ncurl -f localhost")
    words = watched(["CMD", "probe", "--all it"])
    assert words[:3] == ["CMD", "/bin/sh", "-c"]
    assert words[-2:] == ["probe", "--all it"], "as words, never as text for the shell"
    assert watches(words)
    assert watches([kind, script])
    assert not watches(["CMD", "probe"])
    assert not watches(None)


def test_of_two_triggers_the_more_urgent_speaks_and_no_request_is_lost() -> None:
    timer = Trigger(kind=TriggerKind.TIMER, at=NOON, detail="every 5 minutes")
    commit = Trigger(kind=TriggerKind.COMMIT, at=NOON + timedelta(1), detail="a push", revision="c1", requests=(2,))
    asked = Trigger(kind=TriggerKind.REQUEST, at=NOON + timedelta(2), detail="ada asked", requests=(1, 2))
    for both in (timer.merged(commit), commit.merged(timer)):
        assert (both.kind, both.detail, both.at, both.revision) == (TriggerKind.COMMIT, "a push", NOON, "c1")
    both = asked.merged(commit)
    assert (both.kind, both.detail, both.revision, both.requests) == (TriggerKind.REQUEST, "ada asked", "c1", (1, 2))
    later = replace(commit, detail="another push", revision="c2")
    assert commit.merged(later).revision == "c2"
    assert commit.merged(later).detail == "another push"


def test_a_line_is_labelled_as_compose_does_and_a_run_by_its_service_alone() -> None:
    line = OutputLine(container="c", service="web", replica=2, stream="stdout", at="", text="hi")
    assert (line.label, replace(line, replica=0).label) == ("web-2", "web")


def test_words_of_ours_are_texts_in_a_canonical_form() -> None:
    assert canonical_json({"a": [Kind.IMAGE, NOON.year], "b": True}) == canonical_json(
        {"a": [Kind.IMAGE.value, 2026], "b": True}
    )


def test_a_run_is_told_without_its_log() -> None:
    run = TaskRun(
        app=SHOP,
        name="shop-backup-1",
        kind=Kind.JOB,
        task="backup",
        outcome=RunOutcome.FAILED,
        at=NOON,
        cause="schedule",
        started_at=NOON,
        exit_code=2,
        message="it failed",
        log="secret",
    )
    found = run_document(run)
    assert found == {
        "name": "shop-backup-1",
        "kind": "job",
        "task": "backup",
        "cause": "schedule",
        "outcome": RunOutcome.FAILED.value,
        "exitCode": 2,
        "message": "it failed",
        "revision": "",
        "startedAt": NOON.isoformat(),
        "finishedAt": None,
    }


def test_a_held_release_waits_for_what_was_undone_and_for_nothing_else() -> None:
    held = Rig().desired(shop({"web": WEB, "old": WEB}))
    undone = Rig().desired(shop({"web": {**WEB, "user": "1"}, "new": WEB}))
    web, new, old = (ResourceKey(SHOP, Kind.CONTAINER, name, 1) for name in ("web", "new", "old"))
    assert still_there(held, undone, undone) == (new, old, web)
    assert still_there(held, undone, held) == ()
    reverted = Rig().desired(shop({"web": WEB, "old": WEB, "more": {**WEB, "user": "2"}}))
    assert still_there(held, undone, reverted) == (), "whatever else it changes"
    half = Rig().desired(shop({"web": WEB, "new": WEB, "old": WEB}))
    assert still_there(held, undone, half) == (new,)


def test_a_job_says_when_it_runs_next_if_it_does() -> None:
    def said(**settings: object) -> str:
        made = JobSettings(service="backup", **settings)  # type: ignore[arg-type]
        resource = replace(next(iter(Rig().desired(shop({"web": WEB})).resources.values())), name="backup")
        desired = replace(Rig().desired(shop({"web": WEB})), jobs=(Job(resource=resource, settings=made),))
        observed = ObservedState(target="local", taken_at=NOON, live={}, digest="")
        (status,) = run_statuses(desired, observed, NOON)
        assert status.health is HealthStatus.HEALTHY
        return status.message

    nightly = parse_schedule("0 3 * * *", "Europe/Berlin")
    assert said(schedule=nightly).startswith("next 2026-01-06 03:00 Europe/Berlin")
    assert said(schedule=nightly, suspended=True).startswith("suspended")
    assert said(schedule=None).startswith("runs when asked")
    assert said(schedule=parse_schedule("0 0 */10 2 MON#5")).startswith("never due")
