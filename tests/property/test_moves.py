"""``moved`` on an engine in memory: services, networks and volumes take their data along, or everything stays."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.property.test_passes import Lab
from tests.support.process import SHOP, Process
from tests.support.world import Killed, Script
from trimtab.errors import Conflict
from trimtab.model.keys import Kind
from trimtab.model.status import HealthStatus, SyncStatus

DB = """
    services:
      db: {image: db:1, healthcheck: {test: [CMD, "true"]}, volumes: [data:/data]}
      worker: {image: worker:1, volumes: [data:/data]}
      web: {image: web:1}
    volumes: {data: {}}
"""
MOVED = DB.replace("data:", "rows:") + "    x-trimtab: {moved: [{kind: Volume, from: data, to: rows}]}\n"
SERVICE = (
    DB.replace("      db:", "      database:") + "    x-trimtab: {moved: [{kind: Service, from: db, to: database}]}\n"
)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    for process in made.open:
        process.close()


def push(lab: Lab, process: Process, text: str) -> None:
    lab.push(text)
    process.read()
    process.rest()


def begun(lab: Lab, text: str = DB) -> Process:
    lab.push(text)
    process = lab.start()
    assert process.rest().health is HealthStatus.HEALTHY
    for volume in lab.world.volumes.values():
        volume.data["rows"] = b"precious"
    return process


def well(process: Process) -> None:
    status = process.status()
    assert (status.sync, status.health) == (SyncStatus.SYNCED, HealthStatus.HEALTHY), status.message


def mounts(lab: Lab) -> dict[str, str]:
    found = {}
    for container in lab.world.of(SHOP):
        for mount in (container.spec.get("Mounts") or {}).values():
            found[container.name] = str(mount["Source"])
    return found


def rows(lab: Lab, volume: str) -> bytes:
    return lab.world.volumes[volume].data["rows"]


def quiet(lab: Lab, process: Process) -> None:
    """I1: another pass has nothing to do."""
    steps = len(lab.world.performed)
    process.rest()
    assert len(lab.world.performed) == steps


# -- volumes ---------------------------------------------------------------------------------------------------------


def test_a_renamed_volume_takes_its_data_along_and_keeps_the_old_one(lab: Lab) -> None:
    process = begun(lab)
    web = lab.world.named("shop-web-1")
    push(lab, process, MOVED)
    well(process)
    assert mounts(lab) == {"shop-db-1": "shop_rows", "shop-worker-1": "shop_rows"}
    assert rows(lab, "shop_rows") == rows(lab, "shop_data") == b"precious"
    assert not lab.world.volumes["shop_rows"].filling
    assert lab.world.named("shop-web-1") is web
    assert web.starts == 1
    quiet(lab, process)
    # The entry may stay, and may go.
    lab.world.volumes["shop_rows"].data["rows"] = b"newer"
    push(lab, process, MOVED.partition("    x-trimtab")[0])
    well(process)
    assert rows(lab, "shop_rows") == b"newer"


def test_nothing_runs_on_either_volume_while_it_is_copied(lab: Lab) -> None:
    """The world refuses to copy what a running container is on; and it was stopped for the copy alone."""
    process = begun(lab)
    push(lab, process, MOVED)
    well(process)
    names = [type(step).__name__ for step in lab.world.performed]
    copied = names.index("CopyVolume")
    assert names[:copied].count("StopContainer") == 2
    assert names[copied:].index("RemoveContainer") > names[copied:].index("SettleVolume")


@pytest.mark.parametrize("number", range(1, 14))
def test_a_failure_at_any_step_puts_the_old_containers_back_on_the_old_volume(lab: Lab, number: int) -> None:
    process = begun(lab)
    done = len(lab.world.performed)
    lab.push(MOVED)
    process.read()
    lab.world.fail_at(number, Conflict("no"))
    process.reconcile()
    if len(lab.world.performed) - done >= number and not lab.world.volumes.get("shop_rows"):
        assert mounts(lab) == {"shop-db-1": "shop_data", "shop-worker-1": "shop_data"}
    assert rows(lab, "shop_data") == b"precious"
    process.rest()
    well(process)
    assert mounts(lab) == {"shop-db-1": "shop_rows", "shop-worker-1": "shop_rows"}
    assert rows(lab, "shop_rows") == b"precious"


def test_when_one_of_two_fails_both_go_back_and_nothing_is_lost(lab: Lab) -> None:
    lab.world.scripts["broken:1"] = Script(exits=1, looks=1)
    process = begun(lab)
    push(lab, process, MOVED.replace("worker:1", "broken:1"))
    assert mounts(lab) == {"shop-db-1": "shop_data", "shop-worker-1": "shop_data"}
    assert all(container.up for container in lab.world.of(SHOP))
    # What is written meanwhile is not forgotten by the next try, which copies again.
    lab.world.volumes["shop_data"].data["rows"] = b"newer"
    push(lab, process, MOVED)
    well(process)
    assert rows(lab, "shop_rows") == b"newer"
    assert mounts(lab) == {"shop-db-1": "shop_rows", "shop-worker-1": "shop_rows"}


@pytest.mark.slow
@pytest.mark.parametrize("effect", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("lost", [False, True], ids=["same", "lost"])
def test_I2_I3_killed_at_every_step_of_a_volume_move(lab: Lab, effect: bool, lost: bool) -> None:  # noqa: FBT001
    """The old data or the new, whole, at any moment; and what ran meanwhile wrote to what then counts."""
    begun(lab)
    names = ["data", "rows", *(f"v{number}" for number in range(40))]
    for step, (old, new) in enumerate(pairwise(names)):
        text = (
            DB.replace("data:", f"{new}:") + f"    x-trimtab: {{moved: [{{kind: Volume, from: {old}, to: {new}}}]}}\n"
        )
        lab.push(text)
        killed = False
        try:
            lab.start(kill_at=(step, effect)).rest()
        except Killed:
            killed = True
        running = {mounts(lab)[c.name] for c in lab.world.of(SHOP) if c.up and c.name in mounts(lab)}
        assert len(running) <= 1, "never do two volumes have a writer"
        written = f"at {step}".encode()
        for volume in running:
            lab.world.volumes[volume].data["late"] = written
        process = lab.start(lost=lost)
        process.rest()
        well(process)
        assert set(mounts(lab).values()) == {f"shop_{new}"}
        assert lab.world.volumes[f"shop_{new}"].data["rows"] == b"precious"
        if running:
            assert lab.world.volumes[f"shop_{new}"].data["late"] == written
        assert lab.world.volumes[f"shop_{old}"].data["rows"] == b"precious"
        assert sorted(c.name for c in lab.world.of(SHOP)) == ["shop-db-1", "shop-web-1", "shop-worker-1"]
        quiet(lab, process)
        if not killed:
            assert step > 12
            return
    raise AssertionError("a move has fewer steps than that")


def test_going_back_to_the_old_volume_is_held_for_a_person(lab: Lab) -> None:
    """A git revert of the move would serve what the data was before it."""
    process = begun(lab)
    push(lab, process, MOVED)
    lab.world.volumes["shop_rows"].data["rows"] = b"newer"
    push(lab, process, DB)
    assert mounts(lab) == {"shop-db-1": "shop_rows", "shop-worker-1": "shop_rows"}
    assert "TT3203" in process.status().message
    assert "trimtab approve shop" in process.status().message or process.status().message


def test_a_chain_of_renames_takes_the_newest_data(lab: Lab) -> None:
    process = begun(lab)
    push(lab, process, MOVED)
    lab.world.volumes["shop_rows"].data["rows"] = b"newer"
    both = "{kind: Volume, from: data, to: rows}, {kind: Volume, from: rows, to: pages}"
    push(lab, process, DB.replace("data:", "pages:") + f"    x-trimtab: {{moved: [{both}]}}\n")
    well(process)
    assert rows(lab, "shop_pages") == b"newer"
    assert set(lab.world.volumes) == {"shop_data", "shop_rows", "shop_pages"}


def test_a_volume_of_somebody_else_is_never_taken_over(lab: Lab) -> None:
    process = begun(lab)
    lab.world.add_volume("shop_rows")
    push(lab, process, MOVED)
    assert mounts(lab) == {"shop-db-1": "shop_data", "shop-worker-1": "shop_data"}
    assert "TT3010" in process.status().message


def test_a_volume_that_another_writes_to_is_not_copied(lab: Lab) -> None:
    process = begun(lab)
    lab.world.add_container("other", Mounts={"/x": {"Type": "volume", "Source": "shop_data"}})
    push(lab, process, MOVED)
    assert mounts(lab) == {"shop-db-1": "shop_data", "shop-worker-1": "shop_data"}
    assert all(container.up for container in lab.world.of(SHOP))
    assert "other" in process.status().message


# -- services and networks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("effect", [False, True], ids=["before", "after"])
def test_a_renamed_service_is_replaced_and_can_be_killed_at_every_step(lab: Lab, effect: bool) -> None:  # noqa: FBT001
    begun(lab)
    names = ["db", "database", *(f"s{number}" for number in range(30))]
    for step, (old, new) in enumerate(pairwise(names)):
        text = DB.replace("      db:", f"      {new}:")
        lab.push(text + f"    x-trimtab: {{moved: [{{kind: Service, from: {old}, to: {new}}}]}}\n")
        killed = False
        try:
            lab.start(kill_at=(step, effect)).rest()
        except Killed:
            killed = True
        process = lab.start(lost=step % 2 == 0)
        process.rest()
        well(process)
        assert sorted(c.name for c in lab.world.of(SHOP)) == sorted([f"shop-{new}-1", "shop-web-1", "shop-worker-1"])
        assert rows(lab, "shop_data") == b"precious"
        quiet(lab, process)
        if not killed:
            assert step > 4
            break
    assert lab.world.violations == []


def test_a_renamed_service_that_fails_leaves_the_old_one_running(lab: Lab) -> None:
    lab.world.scripts["broken:1"] = Script(healthy=False)
    process = begun(lab)
    push(lab, process, SERVICE.replace("db:1", "broken:1"))
    assert "shop-db-1" in {c.name for c in lab.world.of(SHOP) if c.up}
    push(lab, process, SERVICE)
    well(process)
    assert "shop-database-1" in {c.name for c in lab.world.of(SHOP) if c.up}


NETWORK = """
    services:
      web: {image: web:1, networks: [front]}
      db: {image: db:1, networks: [front]}
    networks: {front: {%s}}
"""


@pytest.mark.parametrize("subnet", ["", "ipam: {config: [{subnet: 10.7.0.0/24}]}"], ids=["any", "fixed"])
def test_a_renamed_network_moves_running_containers(lab: Lab, subnet: str) -> None:
    process = begun(lab, NETWORK % subnet)
    before = {c.name: (c.id, c.starts) for c in lab.world.of(SHOP)}
    moved = (NETWORK % subnet).replace("front", "edge")
    push(lab, process, moved + "    x-trimtab: {moved: [{kind: Network, from: front, to: edge}]}\n")
    well(process)
    assert set(lab.world.networks) == {"shop_edge"}
    assert {c.name: (c.id, c.starts) for c in lab.world.of(SHOP)} == before
    assert all(set(c.networks) == {"shop_edge"} for c in lab.world.of(SHOP))
    quiet(lab, process)


# -- what is not said --------------------------------------------------------------------------------------------------


def test_a_volume_that_is_renamed_without_saying_so_is_held(lab: Lab) -> None:
    process = begun(lab)
    unsaid = MOVED.partition("    x-trimtab")[0]
    push(lab, process, unsaid)
    assert mounts(lab) == {"shop-db-1": "shop_data", "shop-worker-1": "shop_data"}
    assert "TT3204" in process.status().message
    push(lab, process, unsaid.replace("      db:", "      database:"))
    assert mounts(lab) == {"shop-db-1": "shop_data", "shop-worker-1": "shop_data"}, "nor under another service's name"
    push(lab, process, MOVED)
    well(process)
    assert rows(lab, "shop_rows") == b"precious"


@pytest.mark.parametrize(
    ("new", "kept"), [("{driver: other}", b"precious"), ("{driver_opts: {device: tmpfs}}", b"precious")]
)
def test_a_changed_definition_is_never_applied_by_deleting(lab: Lab, new: str, kept: bytes) -> None:
    process = begun(lab)
    changed = DB.replace("volumes: {data: {}}", f"volumes: {{data: {new}}}")
    push(lab, process, changed)
    assert rows(lab, "shop_data") == kept
    said = next(r.message for r in process.status().resources if r.key.kind is Kind.VOLUME)
    assert "->" in said
    # One of the ways out: a new name, which copies the data into a volume as it is defined now.
    moved = changed.replace("data:", "rows:")
    push(lab, process, moved + "    x-trimtab: {moved: [{kind: Volume, from: data, to: rows}]}\n")
    well(process)
    assert rows(lab, "shop_rows") == kept
    assert set(mounts(lab).values()) == {"shop_rows"}


def test_labels_of_a_volume_are_no_reason_to_be_out_of_sync(lab: Lab) -> None:
    process = begun(lab)
    push(lab, process, DB.replace("volumes: {data: {}}", "volumes: {data: {labels: {team: blue}}}"))
    well(process)
    assert rows(lab, "shop_data") == b"precious"
