"""Going back as a whole, on an engine in memory: what is put back, by which images, and what is remembered of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.property.test_passes import Lab, images
from tests.support.process import SHOP, Process
from tests.support.world import Script
from trimtab.errors import Conflict
from trimtab.model.records import Pin, RequestVerb
from trimtab.model.status import HealthStatus, Phase, Requeue, Retry, SyncStatus
from trimtab.model.trigger import TriggerKind

SERVICES = ("api", "db", "web")


def text(**versions: str) -> str:
    lines = "".join(
        f"  {name}: {{image: '{versions.get(name, name + ':1')}', healthcheck: {{test: [CMD, 'true']}}}}\n"
        for name in SERVICES
    )
    return f"services:\n{lines}x-trimtab: {{timeout: 120s}}\n"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    for process in made.open:
        process.close()


def deployed(lab: Lab, **versions: str) -> Process:
    lab.push(text(**versions))
    process = lab.start()
    assert process.rest().health is HealthStatus.HEALTHY
    return process


def pushed(lab: Lab, process: Process, content: str) -> None:
    lab.push(content)
    process.read()
    process.rest()


def phases(process: Process) -> list[str]:
    return [release.phase.value for release in process.store.releases.list(SHOP)]


def running(lab: Lab) -> dict[str, str]:
    """The ids of the images that run, by container: a tag may have moved."""
    return {c.name: c.image_id for c in lab.world.of(SHOP) if c.up}


@pytest.mark.slow
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    changed=st.sets(st.sampled_from(SERVICES)),
    broken=st.sampled_from(SERVICES),
    lost=st.booleans(),
    moved=st.sets(st.sampled_from(SERVICES)),
)
def test_whatever_else_a_failed_release_changed_all_of_it_goes_back(
    tmp_path_factory: pytest.TempPathFactory,
    changed: set[str],
    broken: str,
    lost: bool,  # noqa: FBT001
    moved: set[str],
) -> None:
    """Also when the store is lost before, and tags have moved since."""
    lab = Lab(tmp_path_factory.mktemp("lab"))
    process = deployed(lab)
    before = running(lab)
    if lost:
        process = lab.start(lost=True)
    for name in sorted(moved):
        if name not in changed and name != broken:
            continue
        lab.world.move_tag(f"{name}:1")
    lab.push(text(**{**{name: f"{name}:2" for name in sorted(changed)}, broken: "broken:1"}))
    process.read()
    process.rest()
    assert running(lab) == before
    assert process.status().health is HealthStatus.DEGRADED
    assert process.status().sync is SyncStatus.OUT_OF_SYNC
    steps = len(lab.world.performed)
    lab.clock.advance(400)
    process.reconcile(kind=TriggerKind.TIMER)
    assert len(lab.world.performed) == steps, "the second pass has nothing to do"
    for made in lab.open:
        made.close()


def test_rolled_back_is_not_success(lab: Lab) -> None:
    process = deployed(lab)
    pushed(lab, process, text(db="db:2", web="broken:1"))
    assert phases(process) == ["RolledBack", "Failed", "Succeeded"]
    back = process.store.releases.list(SHOP)[0]
    assert "TT5000" in back.message
    status = process.status()
    assert (status.phase, status.failed_revision) == (Phase.FAILED, lab.repository.head)
    assert status.healthy_revision == status.applied_revision == "0" * 39 + "1"


def test_a_release_that_fails_after_it_ran_well_is_taken_back_before_its_deadline(lab: Lab) -> None:
    process = deployed(lab)
    pushed(lab, process, text(db="db:2", web="web:2"))
    assert process.status().healthy_revision == lab.repository.head
    lab.world.exit(lab.world.named("shop-web-1"), 1)
    process.rest()
    assert images(lab) == {"shop-api-1": "api:1", "shop-db-1": "db:1", "shop-web-1": "web:1"}
    assert phases(process) == ["RolledBack", "Failed", "Succeeded"]
    status = process.status()
    assert status.failed_revision == lab.repository.head
    assert status.healthy_revision == "0" * 39 + "1"
    assert "ran well at first" in status.message
    # It is remembered, also by the next life.
    steps = len(lab.world.performed)
    lab.start().rest()
    assert len(lab.world.performed) == steps


def test_a_release_that_is_unwell_for_long_is_taken_back_and_for_a_moment_is_not(lab: Lab) -> None:
    process = deployed(lab)
    pushed(lab, process, text(web="web:2"))
    web = lab.world.named("shop-web-1")
    web.script = Script(healthy=False)
    process.reconcile(kind=TriggerKind.TIMER)
    lab.clock.advance(10)
    process.reconcile(kind=TriggerKind.TIMER)
    web.script = Script()
    process.rest()
    assert images(lab)["shop-web-1"] == "web:2"
    web.script = Script(healthy=False)
    for _ in range(4):
        process.reconcile(kind=TriggerKind.TIMER)
        lab.clock.advance(11)
    process.rest()
    assert images(lab)["shop-web-1"] == "web:1"


def test_after_its_deadline_what_ran_well_is_never_replaced_by_something_older(lab: Lab) -> None:
    process = deployed(lab)
    pushed(lab, process, text(web="web:2"))
    lab.clock.advance(121)
    lab.world.exit(lab.world.named("shop-web-1"), 1)
    process.rest()
    assert lab.world.named("shop-web-1").spec["Config"]["Image"] == "web:2"
    assert process.status().failed_revision == ""


def test_without_a_way_back_a_release_that_ran_well_is_looked_after_and_not_given_up(lab: Lab) -> None:
    setting = "x-trimtab: {syncPolicy: {rollbackOnFailure: false}}\n"
    versions = [text(web=f"web:{n}").replace("x-trimtab: {timeout: 120s}\n", setting) for n in (1, 2)]
    lab.push(versions[0])
    process = lab.start()
    process.rest()
    pushed(lab, process, versions[1])
    lab.world.exit(lab.world.named("shop-web-1"), 1)
    process.rest()
    assert process.status().failed_revision == ""
    assert process.status().health is HealthStatus.DEGRADED
    lab.world.stop(lab.world.named("shop-db-1"))
    process.rest()
    assert lab.world.named("shop-db-1").up


def test_the_way_back_asks_no_remote(lab: Lab) -> None:
    process = deployed(lab)
    good = lab.repository.head
    lab.push(text(db="db:2", web="broken:1"))
    process.read()
    lab.repository.down = True
    process.rest()
    assert images(lab) == {"shop-api-1": "api:1", "shop-db-1": "db:1", "shop-web-1": "web:1"}
    assert lab.repository.kept["healthy/default/shop"] == good


def test_a_healthy_commit_that_nobody_has_any_more_is_said_and_nothing_is_made_worse(lab: Lab) -> None:
    deployed(lab).close()
    good = lab.repository.head
    lab.push(text(db="db:2", web="broken:1"))
    del lab.repository.commits[good]
    process = lab.start()
    process.rest()
    assert "not in the repository any more" in process.status().message
    assert images(lab)["shop-web-1"] == "web:1", "the old one of the service that failed serves"


def test_a_commit_that_cannot_be_used_after_a_failed_one_does_not_bring_the_failed_one_back(lab: Lab) -> None:
    process = deployed(lab)
    pushed(lab, process, text(db="db:2", web="broken:1"))
    pushed(lab, process, "services: [")
    assert images(lab) == {"shop-api-1": "api:1", "shop-db-1": "db:1", "shop-web-1": "web:1"}


def test_an_image_that_is_gone_from_the_engine_is_had_by_its_digest(lab: Lab) -> None:
    from trimtab.plan.imagepins import pin_images

    process = deployed(lab)
    view = process.catalog.view(SHOP)
    assert view is not None
    assert view.application is not None
    assert view.snapshot is not None
    desired = process.planner.desired(view.application, view.snapshot)
    names = {"web": "sha256:1 registry.test/web@sha256:2", "db": "sha256:3"}
    pinned = pin_images(desired, names, {"web:1": "sha256:9", "db:1": "sha256:3"})
    assert pinned.digest == desired.digest
    by_name = {r.key.name: r for r in pinned.resources.values() if r.key.kind.value == "image"}
    assert by_name["web"].name == "registry.test/web@sha256:2"
    assert by_name["db"].name == "db:1", "its tag has not moved"


# -- rollback --pin ----------------------------------------------------------------------------------------------------


def pin(process: Process, revision: str, branch: str) -> None:
    process.store.holds.pin(Pin(app=SHOP, revision=revision, since=process.clock.now(), branch_revision=branch))
    process.rest()


def test_a_pin_stays_through_commits_that_do_not_take_back_what_it_undid(lab: Lab) -> None:
    process = deployed(lab)
    good = lab.repository.head
    pushed(lab, process, text(web="web:2"))
    bad = lab.repository.head
    pin(process, good, bad)
    assert images(lab)["shop-web-1"] == "web:1"
    # A commit beside it, one that changes something else of it, a further change of the bad part, one that is broken.
    for later in (text(web="web:2") + "# a comment\n", text(web="web:2", db="db:2"), text(web="web:3"), "services: ["):
        pushed(lab, process, later)
        assert images(lab) == {"shop-api-1": "api:1", "shop-db-1": "db:1", "shop-web-1": "web:1"}, later
        assert "held at" in process.status().message or "TT1003" in process.status().message
        assert process.status().sync is not SyncStatus.SYNCED
    # The next life does not know better or worse.
    process = lab.start()
    process.rest()
    assert images(lab)["shop-web-1"] == "web:1"
    # The revert, and something new with it.
    pushed(lab, process, text(db="db:3"))
    assert images(lab) == {"shop-api-1": "api:1", "shop-db-1": "db:3", "shop-web-1": "web:1"}
    assert process.store.holds.pinned(SHOP) is None
    assert "Unpinned" in process.events.reasons()
    assert process.status().sync is SyncStatus.SYNCED


def test_a_pin_names_what_is_not_taken_back(lab: Lab) -> None:
    process = deployed(lab)
    good = lab.repository.head
    pushed(lab, process, text(web="web:2"))
    pin(process, good, lab.repository.head)
    pushed(lab, process, text(web="web:2", db="db:2"))
    message = process.status().message
    assert "container web" in message
    assert "container db" not in message
    assert "trimtab sync shop" in message


def test_a_pin_asks_no_remote(lab: Lab) -> None:
    process = deployed(lab)
    good = lab.repository.head
    pushed(lab, process, text(web="web:2"))
    lab.repository.down = True
    pin(process, good, lab.repository.head)
    assert images(lab)["shop-web-1"] == "web:1"


def test_a_pin_is_carried_out_where_nothing_else_is_by_itself(lab: Lab) -> None:
    manual = "x-trimtab: {syncPolicy: {automated: {enabled: false}}}\n"
    lab.push(text().replace("x-trimtab: {timeout: 120s}\n", manual))
    process = lab.start()
    process.reconcile(sync=True)
    process.rest()
    good = lab.repository.head
    lab.push(text(web="web:2").replace("x-trimtab: {timeout: 120s}\n", manual))
    process.read()
    process.reconcile(sync=True)
    process.rest()
    assert images(lab)["shop-web-1"] == "web:2"
    process.store.holds.pin(Pin(app=SHOP, revision=good, since=lab.clock.now(), branch_revision=lab.repository.head))
    process.ask(RequestVerb.PIN)
    assert images(lab)["shop-web-1"] == "web:1"


# -- retry.limit -------------------------------------------------------------------------------------------------------


def test_after_the_last_retry_it_is_left_at_that_until_git_or_a_person_says_otherwise(lab: Lab) -> None:
    limited = text().replace("timeout: 120s", "timeout: 120s, syncPolicy: {retry: {limit: 2}}")
    lab.push(limited)
    process = lab.start()
    process.rest()
    lab.world.unpullable.add("web:2")
    lab.push(limited.replace("web:1", "web:2"))
    process.read()
    tries = [process.reconcile() for _ in range(3)]
    assert [type(one) for one in tries] == [Retry, Retry, Requeue]
    steps = len(lab.world.performed)
    for _ in range(3):
        lab.clock.advance(400)
        process.reconcile(kind=TriggerKind.TIMER)
    assert len(lab.world.performed) == steps, "also a full look does not begin anew"
    assert "retry.limit is 2" in process.status().message
    assert images(lab)["shop-web-1"] == "web:1"
    # What runs is looked after all the same.
    lab.world.stop(lab.world.named("shop-db-1"))
    process.rest()
    assert images(lab)["shop-db-1"] == "db:1"
    lab.world.unpullable.clear()
    process.reconcile(sync=True)
    process.rest()
    assert images(lab)["shop-web-1"] == "web:2"


def test_a_repair_that_is_left_at_its_limit_is_told_and_taken_up_when_asked(lab: Lab) -> None:
    limited = text().replace("timeout: 120s", "timeout: 120s, syncPolicy: {retry: {limit: 0}}")
    lab.push(limited)
    process = lab.start()
    process.rest()
    lab.world.stop(lab.world.named("shop-db-1"))
    lab.world.fail_at(1, Conflict("somebody else has it"))
    process.reconcile(kind=TriggerKind.ENGINE)
    steps = len(lab.world.performed)
    process.rest()
    assert len(lab.world.performed) == steps
    assert "retry.limit is 0" in process.status().message
    assert process.status().failed_revision == "", "what once worked is not marked as failed"
    process.reconcile(sync=True)
    assert images(lab)["shop-db-1"] == "db:1"
