"""A controller in a container that Git no longer wants, or wants under another name: it does not saw at its branch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.property.test_passes import Lab
from tests.support.process import Process
from tests.support.rig import Rig, application, project, shop
from trimtab.model.application import Moved
from trimtab.model.keys import AppKey
from trimtab.model.observed import Own
from trimtab.model.records import Approval
from trimtab.plan.guard import GuardInputs, guard
from trimtab.plan.own import hands_over

CTL, OTHER = AppKey("default", "ctl"), AppKey("default", "other")
PROXY = "  proxy: {image: proxy:1, networks: [way]}\n"
TAIL = "networks: {way: {}}\nvolumes: {state: {}}\n"
REST = {"other/compose.yaml": "services: {web: {image: web:1}}"}


def text(service: str = "controller", more: str = "") -> str:
    body = "{image: ctl:1, networks: [way], volumes: [state:/state]}"
    return f"name: ctl\n{more}services:\n{PROXY}  {service}: {body}\n{TAIL}"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    for process in made.open:
        process.close()


@pytest.fixture
def process(lab: Lab) -> Process:
    """A controller that runs in the first container of its own application."""
    lab.repository.push({"ctl/compose.yaml": text(), **REST})
    process = lab.start()
    process.rest(CTL)
    me = lab.world.named("ctl-controller-1")
    lab.world.own = Own(handle=me.id, name=me.name, networks=("ctl_way",), volumes=("ctl_state",))
    return process


def stands(lab: Lab) -> str:
    """Everything of the controller's application."""
    return repr(
        [
            sorted((c.id, c.name, c.status, c.starts) for c in lab.world.containers.values() if "ctl" in c.name),
            sorted((n.id, n.name) for n in lab.world.networks.values() if "ctl" in n.name),
            sorted(v.name for v in lab.world.volumes.values() if "ctl" in v.name),
        ]
    )


def passes(process: Process) -> None:
    process.read()
    for _ in range(3):
        process.reconcile(CTL)
        process.reconcile(OTHER)


WITHOUT_PROXY = f"name: ctl\nservices:\n{PROXY}networks: {{way: {{}}}}\n"


@pytest.mark.parametrize(
    "files",
    [
        {"ctl/compose.yaml": text("governor")},
        {"ctl/compose.yaml": WITHOUT_PROXY},
        {"ctl/compose.yaml": "name: ctl\nservices: {something: {image: else:1}}\n"},
    ],
    ids=["the service is renamed", "the service is removed", "all of it is something else"],
)
def test_nothing_of_its_application_is_touched_and_the_way_out_is_told(
    lab: Lab, process: Process, files: dict[str, str]
) -> None:
    before = stands(lab)
    lab.repository.push({**files, "other/compose.yaml": "services: {web: {image: web:2}}"})
    passes(process)
    assert stands(lab) == before
    message = process.status(CTL).message
    assert "TT3032" in message
    assert "ctl-controller-1 runs this controller" in message
    # It does the rest of its work.
    assert [c.image_id for c in lab.world.containers.values() if c.name == "other-web-1"] == [
        lab.world.images["web:2"].id
    ]
    # And when it is put back, all is as it was.
    lab.repository.push({"ctl/compose.yaml": text(), **REST})
    passes(process)
    assert stands(lab) == before
    assert "TT3032" not in process.status(CTL).message


def test_its_directory_is_deleted(lab: Lab, process: Process) -> None:
    before = stands(lab)
    lab.repository.push(REST)
    passes(process)
    assert stands(lab) == before
    approve_everything(lab, process)
    passes(process)
    assert stands(lab) == before
    assert "TT3032" in process.status(CTL).message


def test_its_application_is_renamed_and_that_is_approved(lab: Lab, process: Process) -> None:
    before = stands(lab)
    lab.repository.push({"ctl/compose.yaml": text().replace("name: ctl", "name: tlc"), **REST})
    passes(process)
    approve_everything(lab, process)
    passes(process)
    assert stands(lab) == before
    assert "TT32" in process.status(CTL).message or "TT30" in process.status(CTL).message


def test_a_rename_that_says_so_is_handed_over() -> None:
    rig = Rig()
    rig.converge(shop({"controller": {"image": "ctl:1"}}))
    me = rig.world.named("shop-controller-1")
    rig.world.own = Own(handle=me.id, name=me.name, networks=("shop_default",))
    moved = Moved(kind="Service", from_name="controller", to_name="governor")
    wanted = application(project({"governor": {"image": "ctl:1"}}), moved=(moved,))
    plan = rig.plan(wanted)
    observed = rig.world.observe(wanted.key)
    assert [c.name for c in plan.changes if hands_over(c, observed)] == ["shop-governor-1"]
    desired = rig.desired(wanted)
    assert (
        guard(plan.changes, GuardInputs(app=wanted, desired=desired, observed=observed, plan_id="")).diagnostics == ()
    )


def approve_everything(lab: Lab, process: Process) -> None:
    """As somebody does who approves whatever is asked for."""
    view = process.catalog.view(CTL)
    revision = view.revision if view is not None else ""
    nothing = process.planner.nothing(CTL, revision)
    plan = process.planner.look(CTL, nothing, application=None, snapshot=None).plan
    for name in {plan.id, *(change.approval for change in plan.changes if change.approval)}:
        process.store.holds.approve(Approval(plan_id=name, app=CTL, at=lab.clock.now()))
