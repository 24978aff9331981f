"""The data directory is damaged, emptied or refused between two lives: the next one still comes to rest (I8)."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.property.test_passes import V1, V2, Lab, deployed, images
from trimtab.model.status import HealthStatus, SyncStatus

DATABASE = "trimtab.db"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    for process in made.open:
        process.close()


def _flip(folder: Path) -> None:
    data = bytearray((folder / DATABASE).read_bytes())
    chosen = random.Random(11)
    for _ in range(200):
        data[chosen.randrange(100, len(data))] ^= 1 << chosen.randrange(8)
    (folder / DATABASE).write_bytes(data)


def _cut(folder: Path) -> None:
    os.truncate(folder / DATABASE, (folder / DATABASE).stat().st_size // 3)


def _empty(folder: Path) -> None:
    os.truncate(folder / DATABASE, 0)


def _no_journal(folder: Path) -> None:
    for name in (f"{DATABASE}-wal", f"{DATABASE}-shm"):
        (folder / name).unlink(missing_ok=True)


def _garbled_journal(folder: Path) -> None:
    (folder / f"{DATABASE}-wal").write_bytes(random.Random(5).randbytes(8192))


def _directory(folder: Path) -> None:
    (folder / DATABASE).unlink()
    (folder / DATABASE).mkdir()


def _nothing_left(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


BREAKAGES = [_flip, _cut, _empty, _no_journal, _garbled_journal, _directory, _nothing_left]


def _name(breakage: Callable[[Path], None]) -> str:
    return breakage.__name__.strip("_")


@pytest.mark.parametrize("killed", [False, True], ids=["closed", "killed"])
@pytest.mark.parametrize("breakage", BREAKAGES, ids=_name)
def test_I8_a_damaged_store_changes_nothing_on_the_engine_and_the_next_commit_is_carried_out(
    lab: Lab, breakage: Callable[[Path], None], *, killed: bool
) -> None:
    """I8, I2: whatever became of the store: nothing restarts, nothing is lost, and the next commit deploys."""
    process = deployed(lab)
    folder = lab.data_dir / str(lab.lives)
    if killed:
        # What a power cut leaves: the files as they are now, with a journal that was not written back.
        shutil.copytree(folder, lab.data_dir / "left")
        process.close()
        shutil.rmtree(folder)
        (lab.data_dir / "left").rename(folder)
    else:
        process.close()
    lab.open.remove(process)
    breakage(folder)
    before, contents = lab.world.snapshot(), lab.world.contents()
    status = lab.start().rest()
    assert (status.sync, status.health) == (SyncStatus.SYNCED, HealthStatus.HEALTHY), status.message
    assert lab.world.snapshot() == before
    lab.push(V2)
    assert lab.start().rest().health is HealthStatus.HEALTHY
    assert images(lab) == {"shop-db-1": "db:2", "shop-web-1": "web:2"}
    assert lab.world.contents() >= contents
    assert lab.world.violations == []


def test_I4_a_store_that_was_lost_after_a_bad_commit_still_holds_what_runs(lab: Lab) -> None:
    """I4, I8: nothing is known but that Git cannot be read: what runs is held."""
    process = deployed(lab)
    before = images(lab)
    process.close()
    lab.open.remove(process)
    _cut(lab.data_dir / str(lab.lives))
    lab.push("services: [")
    lab.start().rest()
    assert images(lab) == before
    lab.push(V1)
    assert lab.start().rest().sync is SyncStatus.SYNCED


def test_a_jump_of_the_clock_makes_nothing_restart(lab: Lab) -> None:
    """I1, I11: years forward, then years back: the plan stays empty, and the next commit deploys."""
    process = deployed(lab)
    before = lab.world.snapshot()
    for moved_s in (3.2e8, -6.4e8, 3.2e8):
        lab.clock.set_wall(moved_s)
        process.rest()
        assert process.status().sync is SyncStatus.SYNCED
    assert lab.world.snapshot() == before
    lab.clock.set_wall(-1e6)
    lab.push(V2)
    process.read()
    assert process.rest().health is HealthStatus.HEALTHY
    assert images(lab) == {"shop-db-1": "db:2", "shop-web-1": "web:2"}
