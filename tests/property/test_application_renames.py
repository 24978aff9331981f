"""An application whose directory was renamed: both halves wait until somebody says whether it is the same one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.property.test_passes import Lab
from tests.support.process import Process
from trimtab.model.keys import AppKey
from trimtab.model.records import Approval
from trimtab.model.status import HealthStatus

COMPOSE = "services: {db: {image: db:1, volumes: [data:/data]}}\nvolumes: {data: {}}\n"
OLD, NEW = AppKey("default", "billing"), AppKey("default", "invoices")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    for process in made.open:
        process.close()


def begun(lab: Lab) -> Process:
    lab.repository.push({"billing/compose.yaml": COMPOSE, "other/compose.yaml": "services: {web: {image: web:1}}"})
    process = lab.start()
    assert process.rest(OLD).health is HealthStatus.HEALTHY
    return process


def renamed(lab: Lab, process: Process, text: str = COMPOSE) -> None:
    lab.repository.push({"invoices/compose.yaml": text, "other/compose.yaml": "services: {web: {image: web:1}}"})
    process.read()
    process.rest(NEW)
    process.rest(OLD)


def names(lab: Lab) -> list[str]:
    return sorted(container.name for container in lab.world.containers.values())


def test_a_renamed_directory_is_held_on_both_sides_and_told_what_to_write(lab: Lab) -> None:
    process = begun(lab)
    renamed(lab, process)
    assert names(lab) == ["billing-db-1"]
    assert set(lab.world.volumes) == {"billing_data"}
    for key in (OLD, NEW):
        assert "TT3205" in process.status(key).message


def test_the_old_name_in_the_file_makes_it_the_same_application(lab: Lab) -> None:
    process = begun(lab)
    before = lab.world.named("billing-db-1").id
    renamed(lab, process)
    lab.repository.push(
        {
            "invoices/compose.yaml": f"name: billing\n{COMPOSE}",
            "other/compose.yaml": "services: {web: {image: web:1}}",
        }
    )
    process.read()
    assert process.rest(OLD).health is HealthStatus.HEALTHY
    assert names(lab) == ["billing-db-1"]
    assert lab.world.named("billing-db-1").id == before


def test_with_an_approval_the_old_one_goes_and_leaves_its_volume(lab: Lab) -> None:
    process = begun(lab)
    renamed(lab, process)
    message = process.status(OLD).message
    plan = message.partition("trimtab approve billing ")[2][:12] or approval(process)
    process.store.holds.approve(Approval(plan_id=plan, app=OLD, at=lab.clock.now()))
    for _ in range(3):
        process.reconcile(OLD)
    process.rest(NEW)
    assert names(lab) == ["invoices-db-1"]
    assert set(lab.world.volumes) == {"billing_data", "invoices_data"}


def approval(process: Process) -> str:
    view = process.catalog.view(OLD)
    assert view is not None
    nothing = process.planner.nothing(OLD, view.revision)
    return process.planner.look(OLD, nothing, application=None, snapshot=None).plan.id
