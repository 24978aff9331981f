"""I3: ways in which deployment tools are known to lose data, each tried here: it is in its volume afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.property.test_moves import begun, push, rows, well
from tests.property.test_passes import Lab
from tests.support.process import SHOP, Process
from tests.support.rig import Rig, shop
from tests.support.world import Script
from trimtab.model.change import Verb
from trimtab.model.records import Suspension

DB = """
    services:
      db: {image: db:1, healthcheck: {test: [CMD, "true"]}, volumes: [data:/data]}
      web: {image: web:1}
    volumes: {data: {}}
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    for process in made.open:
        process.close()


def _new_images(lab: Lab, process: Process) -> None:
    for number in range(2, 7):
        push(lab, process, DB.replace("db:1", f"db:{number}"))


def _definition(lab: Lab, process: Process) -> None:
    """Options of a network file system, which a tool took for safe to apply by removing the volume."""
    push(lab, process, DB.replace("{data: {}}", "{data: {driver_opts: {type: nfs, device: ':/srv'}}}"))
    push(lab, process, DB)


def _stopped(lab: Lab, process: Process) -> None:
    """A stop, and a clean-up of what is not in use, is no removal."""
    process.store.holds.suspend(Suspension(app=SHOP, since=lab.clock.now(), reason="maintenance"))
    lab.world.stop(lab.world.named("shop-db-1"))
    process.rest()
    process.store.holds.resume(SHOP)


def _removed_and_back(lab: Lab, process: Process) -> None:
    push(lab, process, "services: {web: {image: web:1}}")
    push(lab, process, DB)


def _everything_removed_and_back(lab: Lab, process: Process) -> None:
    lab.repository.push({"README": "nothing here"})
    process.read()
    for _ in range(3):
        process.reconcile()
    push(lab, process, DB)


def _database_lost(lab: Lab, process: Process) -> None:
    process.close()
    lab.open.remove(process)
    lab.start(lost=True).rest()


def _force_pushed_nonsense(lab: Lab, process: Process) -> None:
    push(lab, process, "services: [")
    push(lab, process, "")


def _failed_release(lab: Lab, process: Process) -> None:
    lab.world.scripts["broken:1"] = Script(healthy=False)
    push(lab, process, DB.replace("db:1", "broken:1"))


@pytest.mark.parametrize(
    "happens",
    [
        _new_images,
        _definition,
        _stopped,
        _removed_and_back,
        _everything_removed_and_back,
        _database_lost,
        _force_pushed_nonsense,
        _failed_release,
    ],
)
def test_I3_the_data_is_in_the_volume_that_the_service_uses(lab: Lab, happens: Callable[[Lab, Process], None]) -> None:
    process = begun(lab, DB)
    happens(lab, process)
    process = lab.start()
    push(lab, process, DB.replace("web:1", "web:2"))
    well(process)
    assert rows(lab, "shop_data") == b"precious"
    [mount] = lab.world.named("shop-db-1").spec["Mounts"].values()
    assert mount["Source"] == "shop_data"
    assert set(lab.world.volumes) == {"shop_data"}


ANONYMOUS = "f" * 64


def test_a_container_that_goes_says_which_anonymous_volumes_it_leaves() -> None:
    rig = Rig()
    rig.converge(shop({"db": {"image": "db:1", "deploy": {"replicas": 2}}}))
    for container in rig.world.of(SHOP):
        container.spec["Mounts"] = {"/data": {"Type": "volume", "Source": ANONYMOUS}}
    one = shop({"db": {"image": "db:1", "deploy": {"replicas": 1}}})
    gone = [change for change in rig.plan(one).changes if change.verb is Verb.DELETE]
    assert [change.leaves for change in gone] == [(ANONYMOUS,)]
