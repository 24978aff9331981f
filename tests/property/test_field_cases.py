"""Situations that users of other tools have met, on whole controllers in memory (docs/reference/field-cases.md)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.property.test_passes import Lab
from tests.support.process import SHOP, Process
from tests.support.world import Script
from trimtab.backends.engine.labels import COMPOSE_PREFIX, REVISION
from trimtab.model.records import Suspension
from trimtab.model.status import HealthStatus, Phase, SyncStatus
from trimtab.model.trigger import TriggerKind

THREE = """
    services:
      app: {image: app:1, environment: {LEVEL: info}, env_file: app.env}
      web: {image: web:1, volumes: ["./pages:/srv:ro"], configs: [words]}
      other: {image: "other:${OTHER}"}
    configs: {words: {file: ./words.txt}}
"""
FILES = {"compose.yaml": THREE, "words.txt": "one", "pages/index.html": "hello", "README": "unused"}
FILES |= {"app.env": "A=1\n", ".env": "OTHER=1\n"}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    for process in made.open:
        process.close()


def begun(lab: Lab, files: dict[str, str] = FILES) -> Process:
    lab.repository.push(files)
    process = lab.start()
    assert process.rest().health is HealthStatus.HEALTHY
    return process


def pushed(lab: Lab, process: Process, files: dict[str, str]) -> None:
    lab.repository.push(files)
    process.read()
    process.rest()


def ids(lab: Lab) -> dict[str, str]:
    return {container.name: container.id for container in lab.world.of(SHOP)}


def one(text: str) -> dict[str, str]:
    return {"compose.yaml": text}


# What is different in the next commit, and which containers are replaced for it.
EDITS = (
    ({"compose.yaml": THREE.replace("info", "debug")}, {"shop-app-1"}),
    ({"app.env": "A=2\n"}, {"shop-app-1"}),
    ({"app.env": "# the same in other words\nA='2'\n"}, set[str]()),
    ({".env": "OTHER=2\n"}, {"shop-other-1"}),
    ({"words.txt": "two"}, {"shop-web-1"}),
    ({"pages/index.html": "goodbye"}, {"shop-web-1"}),
    ({"pages/more.html": "new"}, {"shop-web-1"}),
    ({"README": "changed"}, set[str]()),
)


def test_an_environment_variable_or_a_file_replaces_the_one_service_that_has_it(lab: Lab) -> None:
    process, files = begun(lab), dict(FILES)
    for changed, replaced in EDITS:
        before = ids(lab)
        files |= changed
        pushed(lab, process, files)
        after = ids(lab)
        assert process.status().sync is SyncStatus.SYNCED
        assert {name for name in after if after[name] != before[name]} == replaced, changed


def test_files_that_git_no_longer_has_are_not_there_any_more(lab: Lab) -> None:
    process = begun(lab, FILES | {"pages/old.html": "old"})
    pushed(lab, process, FILES | {"pages/renamed.html": "old"})
    held = [set(volume.data) for volume in lab.world.volumes.values() if "content" in volume.name]
    assert any(path.endswith("renamed.html") for paths in held for path in paths)
    assert not any(path.endswith("old.html") for paths in held for path in paths)


def test_labels_that_an_earlier_version_wrote_differently_change_nothing(lab: Lab) -> None:
    process = begun(lab)
    for container in lab.world.of(SHOP):
        container.labels[COMPOSE_PREFIX + "version"] = "1.0.0"
        container.labels.pop(COMPOSE_PREFIX + "config-hash")
        container.labels[REVISION] = "an older one"
    steps = len(lab.world.performed)
    process.rest()
    assert lab.start().rest().sync is SyncStatus.SYNCED
    assert len(lab.world.performed) == steps


def test_what_is_over_stays_over_whatever_else_changes(lab: Lab) -> None:
    lab.world.scripts["init:1"] = Script(exits=0)
    text = "services: {init: {image: init:1}, web: {image: web:1}}"
    process = begun(lab, one(text))
    init = lab.world.named("shop-init-1")
    pushed(lab, process, one(text.replace("web:1", "web:2")))
    process = lab.start()
    assert process.rest().health is HealthStatus.HEALTHY
    assert lab.world.named("shop-init-1") is init
    assert init.starts == 1
    pushed(lab, process, one(text.replace("init:1}", "init:1, environment: {A: b}}")))
    again = lab.world.named("shop-init-1")
    assert (again is init, again.starts) == (False, 1), "a change of it runs it again, once"
    assert process.status().health is HealthStatus.HEALTHY


@pytest.mark.parametrize("how", ["image: web:1", "build: ."], ids=["pulled", "built"])
def test_an_image_that_somebody_removed_is_had_again_when_it_is_needed(lab: Lab, how: str) -> None:
    files = {"compose.yaml": f"services:\n  web:\n    {how}\n", "Dockerfile": "FROM web:0\n"}
    process = begun(lab, files)
    web = lab.world.named("shop-web-1")
    ref = web.spec["Config"]["Image"]
    lab.world.images.pop(ref)
    steps = len(lab.world.performed)
    assert process.rest().sync is SyncStatus.SYNCED
    assert len(lab.world.performed) == steps, "what runs is left"
    del lab.world.containers[web.id]
    assert process.rest().health is HealthStatus.HEALTHY
    assert ref in lab.world.images
    assert lab.world.named("shop-web-1").up


def test_a_tag_that_moved_on_the_engine_replaces_once(lab: Lab) -> None:
    process = begun(lab, one("services: {web: {image: web:1}}"))
    before = ids(lab)
    lab.world.move_tag("web:1")
    assert process.rest().health is HealthStatus.HEALTHY
    after = ids(lab)
    assert after != before
    process.rest()
    assert ids(lab) == after
    assert lab.world.named("shop-web-1").image_id == lab.world.images["web:1"].id


def test_a_first_release_that_fails_is_failed_also_after_a_restart_and_its_fix_is_deployed(lab: Lab) -> None:
    text = 'services: {web: {image: "broken:1", healthcheck: {test: [CMD, "true"]}}}\nx-trimtab: {timeout: 60s}'
    lab.repository.push(one(text))
    process = lab.start()
    for _ in range(2):
        waited(lab, process, 100)
        status = process.status()
        assert status.health is HealthStatus.DEGRADED
        assert status.phase is Phase.FAILED, (status.phase, status.message)
        assert process.store.applied.get(SHOP).healthy_revision == ""
        process = lab.start()
    pushed(lab, process, one(text.replace("broken:1", "web:1")))
    assert process.status().health is HealthStatus.HEALTHY


def test_suspended_and_stopped_by_hand_it_stays_stopped_through_commits_and_a_restart(lab: Lab) -> None:
    process = begun(lab, one("services: {web: {image: web:1}}"))
    process.store.holds.suspend(Suspension(app=SHOP, since=lab.clock.now(), reason="maintenance", by="ada"))
    web = lab.world.named("shop-web-1")
    lab.world.stop(web)
    pushed(lab, process, one("services: {web: {image: web:2}}"))
    process = lab.start()
    process.rest()
    assert lab.world.named("shop-web-1") is web
    assert not web.up
    process.store.holds.resume(SHOP)
    assert process.rest().health is HealthStatus.HEALTHY
    assert lab.world.named("shop-web-1").spec["Config"]["Image"] == "web:2"


def test_what_is_not_automatic_is_shown_and_waits_for_a_person(lab: Lab) -> None:
    text = "services: {web: {image: web:1}}\nx-trimtab: {syncPolicy: {automated: {enabled: false}}}"
    lab.repository.push(one(text))
    process = lab.start()
    assert process.rest().sync is SyncStatus.OUT_OF_SYNC
    assert not lab.world.of(SHOP)
    process.reconcile(sync=True)
    assert process.rest().health is HealthStatus.HEALTHY
    pushed(lab, process, one(text.replace("web:1", "web:2")))
    assert process.status().sync is SyncStatus.OUT_OF_SYNC
    assert lab.world.named("shop-web-1").spec["Config"]["Image"] == "web:1"


def test_a_file_that_is_renamed_or_moved_is_the_same_application(lab: Lab) -> None:
    text = "services: {web: {image: web:1, volumes: [data:/data]}}\nvolumes: {data: {}}"
    process = begun(lab, {"shop/compose.yaml": text})
    before, steps = ids(lab), len(lab.world.performed)
    for path in ("shop/docker-compose.yml", "infra/shop/compose.yaml", "elsewhere/compose.yaml"):
        pushed(lab, process, {path: text if path.count("shop") else f"name: shop\n{text}"})
        assert process.status().sync is SyncStatus.SYNCED
        assert ids(lab) == before
        assert len(lab.world.performed) == steps


BAD = 'bad: {image: "broken:1", healthcheck: {test: [CMD, "true"]}}'
FAILING = f"services: {{web: {{image: web:1}}, {BAD}}}\nx-trimtab: {{timeout: 60s}}"


def failed(lab: Lab) -> Process:
    lab.repository.push(one(FAILING))
    process = lab.start()
    waited(lab, process, 100)
    assert process.store.applied.get(SHOP).failed_digest
    return process


def waited(lab: Lab, process: Process, seconds: int) -> None:
    for _ in range(seconds // 10):
        lab.clock.advance(10)
        process.reconcile(kind=TriggerKind.TIMER)


def test_a_first_release_that_failed_is_looked_after_and_not_tried_again(lab: Lab) -> None:
    process = failed(lab)
    bad = lab.world.named("shop-bad-1")
    lab.world.stop(lab.world.named("shop-web-1"))
    waited(lab, process, 60)
    assert lab.world.named("shop-web-1").up
    assert (lab.world.named("shop-bad-1"), bad.starts) == (bad, 1)
    assert process.status().health is HealthStatus.DEGRADED
    assert process.store.applied.get(SHOP).failed_digest
    assert process.events.reasons().count("ReleaseUnhealthy") == 1


def test_a_first_release_that_failed_goes_when_git_drops_it(lab: Lab) -> None:
    process = failed(lab)
    lab.repository.push({"README": "nothing here"})
    process.read()
    for _ in range(3):
        process.reconcile()
    assert not lab.world.of(SHOP)


def test_what_gets_well_after_its_time_is_healthy_once_it_stays_so(lab: Lab) -> None:
    process = failed(lab)
    bad, before = lab.world.named("shop-bad-1"), ids(lab)
    bad.script = Script()
    waited(lab, process, 20)
    assert process.status().health is HealthStatus.DEGRADED, "a moment is no proof"
    waited(lab, process, 40)
    status = process.status()
    assert (status.health, status.phase, status.message) == (HealthStatus.HEALTHY, Phase.SUCCEEDED, "")
    assert process.store.applied.get(SHOP).healthy_revision == lab.repository.head
    assert ids(lab) == before
    # And it is what a failure of its successor leads back to.
    lab.world.scripts["worse:1"] = Script(healthy=False)
    pushed(lab, process, one(FAILING.replace("web:1", "web:2").replace("broken:1", "worse:1")))
    assert lab.world.named("shop-web-1").spec["Config"]["Image"] == "web:1"
    assert lab.world.named("shop-bad-1") is bad
