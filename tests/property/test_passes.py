"""Whole passes on an engine in memory, with the real catalog, planner, carrier, reconciler and store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clock import FakeClock
from tests.support.process import SHOP, MemoryRepository, Process
from tests.support.world import Fault, Killed, Script, World
from trimtab.errors import BackendUnavailable, Conflict, DeadlineExceeded, GitUnavailable, UnsupportedByBackend
from trimtab.model.keys import AppKey, Kind, ResourceKey
from trimtab.model.records import Approval, RequestVerb, Suspension
from trimtab.model.status import HealthStatus, Phase, Retry, SyncStatus
from trimtab.model.trigger import TriggerKind

CANARY = "canary-in-a-coal-mine"
V1 = """
    services:
      db:
        image: db:1
        healthcheck: {test: [CMD, "true"]}
        environment: {PASSWORD: canary-in-a-coal-mine}
        volumes: [data:/data]
      web:
        image: web:1
        ports: ["8080:80"]
        healthcheck: {test: [CMD, "true"]}
        depends_on: {db: {condition: service_healthy}}
        secrets: [token]
    volumes: {data: {}}
    secrets: {token: {file: ./token.txt}}
"""
V2 = V1.replace("web:1", "web:2").replace("db:1", "db:2").replace("8080", "8081")
BROKEN = V2.replace("web:2", "broken:1")


class Lab:
    """A world, a repository and a data directory that outlive the controllers that work on them."""

    def __init__(self, tmp_path: Path) -> None:
        self.clock = FakeClock()
        self.world = World(self.clock)
        self.world.scripts["broken:1"] = Script(healthy=False)
        self.repository = MemoryRepository()
        self.data_dir = tmp_path
        self.lives = 0
        self.open: list[Process] = []

    def start(self, *, kill_at: tuple[int, bool] | None = None, lost: bool = False) -> Process:
        if lost:
            self.lives += 1
        directory = self.data_dir / str(self.lives)
        directory.mkdir(exist_ok=True)
        self.world.forget_events()
        process = Process(self.world, self.repository, directory, self.clock, kill_at=kill_at)
        self.open.append(process)
        process.read()
        return process

    def push(self, text: str, token: str = CANARY) -> None:
        self.repository.push({"compose.yaml": text, "token.txt": token})


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    for process in made.open:
        process.close()


def images(lab: Lab) -> dict[str, str]:
    return {c.name: c.spec["Config"]["Image"] for c in lab.world.of(SHOP) if c.up}


def deployed(lab: Lab, text: str = V1) -> Process:
    lab.push(text)
    process = lab.start()
    assert process.rest().health is HealthStatus.HEALTHY
    return process


# -- I1, I8 ----------------------------------------------------------------------------------------------------------


def test_I1_a_second_pass_has_nothing_to_do_and_writes_nothing(lab: Lab) -> None:
    """I1: a second pass right after a successful one has an empty plan."""
    process = deployed(lab)
    writes, steps = lab.world.writes, len(lab.world.performed)
    for kind in TriggerKind:
        process.reconcile(kind=kind)
    assert (lab.world.writes, len(lab.world.performed)) == (writes, steps)
    status = process.status()
    assert (status.sync, status.phase) == (SyncStatus.SYNCED, Phase.SUCCEEDED)


def test_I8_a_lost_data_directory_changes_nothing_on_the_engine(lab: Lab) -> None:
    """I8: losing the data directory loses nothing and restarts nothing."""
    deployed(lab)
    before, writes, steps = lab.world.snapshot(), lab.world.writes, len(lab.world.performed)
    status = lab.start(lost=True).rest()
    assert (status.sync, status.health) == (SyncStatus.SYNCED, HealthStatus.HEALTHY)
    assert lab.world.snapshot() == before
    assert (lab.world.writes, len(lab.world.performed)) == (writes, steps)


# -- I2 --------------------------------------------------------------------------------------------------------------


def test_a_release_whose_end_nobody_saw_is_a_success_once_it_is_found_to_run_well(lab: Lab) -> None:
    deployed(lab)
    for text in (V2, V1):
        lab.push(text)
        whole = lab.start()
        whole.rest()
    lab.push(V2)
    with pytest.raises(Killed):
        lab.start(kill_at=(whole.ended - 1, True)).rest()
    process = lab.start()
    process.store.releases.interrupted("the controller ended before the sync did")
    assert [release.phase for release in process.store.releases.list(SHOP, 1)] == [Phase.ERROR]
    process.rest()
    (release,) = process.store.releases.list(SHOP, 1)
    assert (release.phase, release.revision) == (Phase.SUCCEEDED, lab.repository.head)
    assert set(release.images) == {"db", "web"}


@pytest.mark.slow
@pytest.mark.parametrize("effect", [False, True], ids=["before", "after"])
def test_I2_a_kill_at_every_step_is_recovered_from(lab: Lab, effect: bool) -> None:  # noqa: FBT001
    """I2, I3: stop after any prefix of a plan's steps: the next life converges; no duplicate, orphan or lost data."""
    deployed(lab)
    contents = lab.world.contents()
    step, killed = 0, True
    versions = [V2, V1]
    while killed:
        lab.push(versions[step % 2])
        killed = False
        try:
            lab.start(kill_at=(step, effect)).rest()
        except Killed:
            killed = True
        status = lab.start(lost=step % 3 == 0).rest()
        assert (status.sync, status.health) == (SyncStatus.SYNCED, HealthStatus.HEALTHY), (step, status.message)
        assert sorted(c.name for c in lab.world.containers.values()) == ["shop-db-1", "shop-web-1"]
        assert set(images(lab).values()) == ({"db:2", "web:2"} if step % 2 == 0 else {"db:1", "web:1"})
        assert lab.world.contents() >= contents
        step += 1
    assert step > 10
    assert lab.world.violations == []


@pytest.mark.slow
@pytest.mark.parametrize("then", [V1, V2.replace("db:2", "db:3")], ids=["back", "on"])
def test_I2_I3_a_commit_after_a_kill_never_lets_two_write_to_one_volume(lab: Lab, then: str) -> None:
    """I2, I3: whatever the dead sync has begun, it stops before another container writes to its volume."""
    deployed(lab)
    step, killed = 0, True
    while killed:
        killed = False
        lab.push(V2)
        try:
            lab.start(kill_at=(step, True)).rest()
        except Killed:
            killed = True
        for text in (then, V1):
            lab.push(text)
            assert lab.start().rest().health is HealthStatus.HEALTHY
        assert lab.world.violations == []
        step += 1
    assert step > 5


@pytest.mark.parametrize("step", [None, *range(2, 8)])
def test_the_inventory_has_what_runs_also_after_a_replacement(lab: Lab, step: int | None) -> None:
    process = deployed(lab)
    lab.push(V2)
    if step is not None:
        with pytest.raises(Killed):
            lab.start(kill_at=(step, True)).rest()
    process = lab.start()
    process.rest()
    known = {key.name: found.handle for key, found in process.store.applied.objects(SHOP).items() if key.replica}
    assert known == {c.name.split("-")[1]: c.id for c in lab.world.of(SHOP)}


def test_I2_a_half_filled_content_volume_is_made_again(lab: Lab) -> None:
    """I2: also a step that died in its middle is put right."""
    lab.push(V1)
    lab.world.fail_at(3, Killed(), "half")
    process = lab.start()
    for number in range(1, 8):
        lab.world.faults = {number: Fault(Conflict("the connection broke"), "half")}
        process.reconcile()
    lab.world.faults.clear()
    assert process.rest().health is HealthStatus.HEALTHY
    content = next(v for v in lab.world.volumes.values() if "content" in v.name)
    assert not content.filling
    assert list(content.data.values()) == [CANARY.encode()]


# -- I3, I4 ----------------------------------------------------------------------------------------------------------


def test_I3_a_volume_that_git_drops_stays_and_is_told_of(lab: Lab) -> None:
    """I3: no volume is removed, emptied or left behind by reconciliation."""
    process = deployed(lab)
    contents = lab.world.contents()
    lab.push("services: {web: {image: web:1}}")
    process.read()
    process.rest()
    assert list(images(lab)) == ["shop-web-1"]
    assert lab.world.contents() >= contents
    kept = ResourceKey(SHOP, Kind.VOLUME, "data")
    assert "never removed" in next(r.message for r in process.status().resources if r.key == kept)


@pytest.mark.parametrize(
    "text",
    [
        "services: {web: {image: 7, helthcheck: {}}}",
        "services: [",
        "services: {web: {image: web:1, ports: [x]}}",
        "services: {web: {}}",
    ],
)
def test_I4_what_cannot_be_read_holds_the_last_good_state_and_heals_it(lab: Lab, text: str) -> None:
    """I4: failing to parse never means that nothing is wanted; the last good state is held and still healed."""
    process = deployed(lab)
    before = images(lab)
    lab.push(text)
    for life in (process, lab.start(), lab.start(lost=True)):
        life.read()
        life.rest()
        assert images(lab) == before
    process.read()
    lab.world.stop(lab.world.named("shop-web-1"))
    process.rest()
    assert images(lab) == before
    lab.push(V2)
    process.read()
    process.rest()
    assert images(lab) == {"shop-db-1": "db:2", "shop-web-1": "web:2"}


def test_I4_I11_a_repository_that_is_away_holds_the_state(lab: Lab) -> None:
    """I4, I11: an outage of Git holds the last state, still heals it, and recovers by itself."""
    process = deployed(lab)
    lab.push(V2)
    lab.repository.down = True
    with pytest.raises(GitUnavailable):
        process.read()
    lab.world.stop(lab.world.named("shop-web-1"))
    process.rest()
    assert images(lab) == {"shop-db-1": "db:1", "shop-web-1": "web:1"}
    lab.repository.down = False
    process.read()
    process.rest()
    assert images(lab) == {"shop-db-1": "db:2", "shop-web-1": "web:2"}


# -- I5 --------------------------------------------------------------------------------------------------------------


def test_I5_what_is_not_ours_is_never_touched(lab: Lab) -> None:
    """I5: objects that are not ours are never touched, whatever their names or labels say."""
    process = deployed(lab)
    world = lab.world
    copied = dict(world.named("shop-web-1").labels)
    forged = {**copied, "trimtab.dev/seal": "0" * 32}
    theirs = [
        world.add_container("copy-of-web", copied),
        world.add_container("shop-worker-1", forged),
        world.add_container("shop-extra-1", {}),
    ]
    network = world.add_network("shop_back", forged)
    volume = world.add_volume("shop_uploads", {**copied, "trimtab.dev/kind": "volume"})
    lab.push(V2)
    process.read()
    process.rest()
    lab.push("services: {web: {image: web:1}}")
    process.read()
    process.rest()
    for container in theirs:
        assert world.containers[container.id] is container
        assert container.up
        assert container.starts == 0
    assert world.networks["shop_back"] is network
    assert world.volumes["shop_uploads"].data == volume.data
    # And where a name is taken, nothing at all is done.
    before = world.snapshot()
    lab.push("services: {web: {image: web:9}, worker: {image: web:1}}")
    process.read()
    process.rest()
    assert world.snapshot() == before
    assert "not ours" in process.status().message


# -- I6 and what it is for -------------------------------------------------------------------------------------------

ROLLING = """
    services:
      api: {image: web:1, healthcheck: {test: [CMD, "true"]}}
      web: {image: web:1, healthcheck: {test: [CMD, "true"]}, deploy: {replicas: 2}}
"""


def test_I6_the_old_container_serves_until_the_new_one_is_healthy(lab: Lab) -> None:
    """I6: while a replacement has not proved healthy, the old container is not removed."""
    process = deployed(lab, ROLLING)
    old = {c.id for c in lab.world.of(SHOP)}
    lab.push(ROLLING.replace("web:1", "broken:1"))
    process.read()
    process.rest()
    assert {c.id for c in lab.world.of(SHOP)} == old
    assert all(c.up and c.starts == 1 for c in lab.world.of(SHOP))
    status = process.status()
    assert status.health is HealthStatus.DEGRADED
    assert "TT5000" in status.message or "unhealthy" in status.message


def test_rollback_puts_every_service_back_and_the_failed_revision_is_not_tried_again(lab: Lab) -> None:
    process = deployed(lab)
    lab.push(BROKEN)
    process.read()
    process.rest()
    assert images(lab) == {"shop-db-1": "db:1", "shop-web-1": "web:1"}
    assert process.events.reasons().count("ReleaseUnhealthy") == 1
    assert "RolledBack" in process.events.reasons()
    steps = len(lab.world.performed)
    for _ in range(3):
        lab.clock.advance(400)
        process.reconcile(kind=TriggerKind.TIMER)
    assert len(lab.world.performed) == steps
    # A restart does not forget it; a person's request tries it once more; a new commit replaces it.
    again = lab.start()
    again.rest()
    assert len(lab.world.performed) == steps
    again.reconcile(sync=True)
    assert len(lab.world.performed) > steps
    again.rest()
    assert images(lab) == {"shop-db-1": "db:1", "shop-web-1": "web:1"}
    lab.push(V2)
    again.read()
    assert again.rest().health is HealthStatus.HEALTHY
    assert images(lab) == {"shop-db-1": "db:2", "shop-web-1": "web:2"}


def test_without_rollback_the_old_containers_of_a_failed_revision_are_left_alone(lab: Lab) -> None:
    setting = "    x-trimtab: {syncPolicy: {rollbackOnFailure: false}}\n"
    process = deployed(lab, V1 + setting)
    lab.push(BROKEN + setting)
    process.read()
    process.rest()
    steps = len(lab.world.performed)
    lab.clock.advance(400)
    process.reconcile(kind=TriggerKind.TIMER)
    assert len(lab.world.performed) == steps
    assert images(lab)["shop-web-1"] == "web:1"


# -- I7 --------------------------------------------------------------------------------------------------------------


def test_I7_no_secret_is_stored_told_or_labelled(lab: Lab) -> None:
    """I7: no secret value appears in a label, event, status, record, error or repr."""
    process = deployed(lab)
    lab.push(V2.replace(CANARY, "canary-two"), token="canary-two")
    process.read()
    process.rest()
    lab.push(BROKEN.replace(CANARY, "canary-two"), token="canary-two")
    process.read()
    process.rest()
    lab.world.named("shop-db-1").spec["Config"]["Env"]["PASSWORD"] = "canary-three"
    process.rest()
    process.close()
    files = b"".join(path.read_bytes() for path in sorted(lab.data_dir.rglob("*")) if path.is_file())
    assert files
    texts = [
        files.decode("latin-1"),
        repr(process.events.heard),
        repr(lab.world.performed),
        repr([c.labels for c in lab.world.containers.values()]),
        repr([v.labels for v in lab.world.volumes.values()] + [n.labels for n in lab.world.networks.values()]),
        repr(lab.repository and process.catalog.views()),
    ]
    for text in texts[:-1]:
        assert "canary" not in text
    assert lab.world.named("shop-db-1").spec["Config"]["Env"]["PASSWORD"].startswith("canary")


# -- I11 -------------------------------------------------------------------------------------------------------------


def test_I11_an_engine_that_is_away_is_waited_for(lab: Lab) -> None:
    """I11: an outage of the engine gives Retry, and the next pass recovers."""
    process = deployed(lab)
    lab.push(V2)
    process.read()
    lab.world.down = True
    assert isinstance(process.reconcile(), Retry)
    assert "does not answer" in process.status().message
    lab.world.down = False
    assert process.rest().health is HealthStatus.HEALTHY
    assert images(lab) == {"shop-db-1": "db:2", "shop-web-1": "web:2"}


@pytest.mark.parametrize("when", ["before", "lost"])
@pytest.mark.parametrize(
    "error", [BackendUnavailable("the connection broke"), DeadlineExceeded("too late"), Conflict("changed")]
)
def test_I11_I2_a_step_that_fails_or_whose_answer_is_lost_is_recovered_from(
    lab: Lab, error: Exception, when: str
) -> None:
    """I11, I2: any error at any step, and any lost answer, is only a delay."""
    process = deployed(lab)
    contents = lab.world.contents()
    for number in range(1, 14):
        lab.push(V2 if number % 2 else V1)
        process.read()
        lab.world.fail_at(number, error, when)
        process.reconcile()
        status = process.rest()
        assert (status.sync, status.health) == (SyncStatus.SYNCED, HealthStatus.HEALTHY), (number, status.message)
        assert len(lab.world.containers) == 2
    assert lab.world.contents() >= contents
    assert lab.world.violations == []


def test_I11_a_slow_engine_ends_in_a_deadline_and_the_next_pass_goes_on(lab: Lab) -> None:
    """I11: nothing blocks for ever: every sync has a deadline."""
    process = deployed(lab)
    lab.push(V2)
    process.read()
    lab.world.faults[lab.world._count + 2] = Fault(BackendUnavailable("late"), "before", delay_s=3600)
    assert isinstance(process.reconcile(), Retry)
    assert process.rest().health is HealthStatus.HEALTHY


# -- I12 -------------------------------------------------------------------------------------------------------------


def test_I12_a_malformed_neighbour_disturbs_nobody(lab: Lab) -> None:
    """I12: one malformed application, container or label never affects another application."""
    blog = AppKey("default", "blog")
    good = "services: {web: {image: web:1}}"
    lab.repository.push({"shop/compose.yaml": good, "blog/compose.yaml": "services: {web: {image: [1]}}"})
    lab.world.add_container(
        "strange", {"trimtab.dev/installation": "test", "trimtab.dev/replica": "x", "trimtab.dev/kind": "?"}
    )
    lab.world.add_volume("stranger", {"trimtab.dev/installation": "test"})
    process = lab.start()
    assert process.rest(SHOP).health is HealthStatus.HEALTHY
    lab.repository.push({"shop/compose.yaml": good, "blog/compose.yaml": good})
    process.read()
    assert process.rest(blog).health is HealthStatus.HEALTHY
    lab.repository.push({"shop/compose.yaml": good.replace("web:1", "web:2"), "blog/compose.yaml": "services: {{{"})
    process.read()
    process.rest(SHOP)
    process.rest(blog)
    assert lab.world.named("shop-web-1").spec["Config"]["Image"] == "web:2"
    assert lab.world.named("blog-web-1").up


# -- holds -----------------------------------------------------------------------------------------------------------

MANY = "services: {" + ", ".join(f"s{n}: {{image: web:1}}" for n in range(8)) + "}"


def test_a_prune_of_most_of_an_application_waits_for_approval(lab: Lab) -> None:
    process = deployed(lab, MANY)
    lab.push("services: {s0: {image: web:1}}")
    process.read()
    process.rest()
    assert len(images(lab)) == 8
    assert "TT3202" in process.status().message
    look = process.planner.look(
        SHOP, process.planner.desired(*both(process)), application=both(process)[0], snapshot=both(process)[1]
    )
    process.store.holds.approve(Approval(plan_id=look.plan.id, app=SHOP, at=lab.clock.now()))
    process.rest()
    assert list(images(lab)) == ["shop-s0-1"]


def both(process: Process):  # type: ignore[no-untyped-def]  # noqa: ANN201
    view = process.catalog.view(SHOP)
    assert view is not None
    return view.application, view.snapshot


def test_an_application_is_not_emptied_unless_it_says_so(lab: Lab) -> None:
    process = deployed(lab, "services: {web: {image: web:1}}")
    lab.push("services: {web: {image: web:1, profiles: [never]}}")
    process.read()
    process.rest()
    assert list(images(lab)) == ["shop-web-1"]
    assert "TT3201" in process.status().message
    lab.push(
        "services: {web: {image: web:1, profiles: [never]}}\nx-trimtab: {syncPolicy: {automated: {allowEmpty: true}}}"
    )
    process.read()
    process.rest()
    assert images(lab) == {}


def test_suspended_reports_and_does_not_act(lab: Lab) -> None:
    process = deployed(lab)
    process.store.holds.suspend(Suspension(app=SHOP, since=lab.clock.now(), reason="migration", by="ada"))
    lab.push(V2)
    process.read()
    status = process.rest()
    assert images(lab) == {"shop-db-1": "db:1", "shop-web-1": "web:1"}
    assert status.health is HealthStatus.SUSPENDED
    assert "migration" in status.suspended
    assert status.sync is SyncStatus.OUT_OF_SYNC
    process.store.holds.resume(SHOP)
    assert process.rest().health is HealthStatus.HEALTHY


def test_an_application_waits_for_those_that_it_depends_on(lab: Lab) -> None:
    blog = AppKey("default", "blog")
    checked = 'healthcheck: {test: [CMD, "true"]}'
    lab.repository.push(
        {
            "shop/compose.yaml": f"services: {{web: {{image: web:1, {checked}}}}}\n"
            "x-trimtab: {dependsOn: [{name: blog}]}",
            "blog/compose.yaml": f"services: {{web: {{image: broken:1, {checked}}}}}",
        }
    )
    process = lab.start()
    process.rest(SHOP)
    process.rest(blog)
    process.rest(SHOP)
    assert not lab.world.has("shop-web-1")
    assert "waits for blog" in process.status().message
    lab.world.scripts["broken:1"] = Script()
    lab.world.named("blog-web-1").script = Script()
    process.rest(blog)
    process.reconcile(blog, sync=True)
    process.rest(blog)
    assert process.rest(SHOP).health is HealthStatus.HEALTHY


def test_a_removed_application_goes_and_its_volumes_stay(lab: Lab) -> None:
    process = deployed(lab)
    contents = lab.world.contents()
    lab.repository.push({"README": "empty"})
    process.read()
    process.reconcile()
    process.reconcile()
    assert lab.world.containers == {}
    assert lab.world.contents() >= contents
    assert process.store.requests.submit(SHOP, RequestVerb.SYNC)


def test_what_stood_in_the_way_is_looked_at_again(lab: Lab) -> None:
    lab.push("services: {web: {image: web:1, networks: [edge]}}\nnetworks: {edge: {external: true, name: edge}}")
    process = lab.start()
    process.rest()
    assert "TT3011" in process.status().message
    lab.world.add_network("edge")
    assert process.rest().health is HealthStatus.HEALTHY


def test_a_live_edit_after_an_update_in_place_is_drift_and_is_told(lab: Lab) -> None:
    def limited(memory: str) -> str:
        return V1.replace("image: web:1", f"image: web:1\n        mem_limit: {memory}")

    process = deployed(lab, limited("64m"))
    container = lab.world.named("shop-web-1")
    lab.push(limited("128m"))
    process.read()
    assert process.rest().sync is SyncStatus.SYNCED
    assert lab.world.named("shop-web-1") is container
    assert "DriftDetected" not in process.events.reasons()
    container.spec["HostConfig"]["Memory"] = 32 << 20
    process.reconcile(kind=TriggerKind.TIMER)
    assert process.events.reasons().count("DriftDetected") == 1
    assert container.spec["HostConfig"]["Memory"] == 128 << 20


def test_a_repair_that_fails_for_good_is_tried_again_all_the_same(lab: Lab) -> None:
    process = deployed(lab)
    lab.world.named("shop-web-1").spec["HostConfig"]["RestartPolicy"] = {"Name": "always", "MaximumRetryCount": 0}
    lab.world.fail_at(1, UnsupportedByBackend("the engine does not like it"))
    process.reconcile(kind=TriggerKind.TIMER)
    status = process.rest()
    assert (status.sync, status.health, status.failed_revision) == (SyncStatus.SYNCED, HealthStatus.HEALTHY, "")
