"""Many applications gone from Git at once are removed when a person says so, and not before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.property.test_passes import Lab
from tests.support.process import Process
from trimtab.model.keys import AppKey
from trimtab.model.records import Approval
from trimtab.model.status import HealthStatus


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    for process in made.open:
        process.close()


def files(*names: str) -> dict[str, str]:
    return {f"{name}/compose.yaml": "services: {web: {image: web:1}}" for name in names} | {"README": "x"}


def deployed(lab: Lab, *names: str) -> Process:
    lab.repository.push(files(*names))
    process = lab.start()
    assert all(process.rest(AppKey("default", name)).health is HealthStatus.HEALTHY for name in names)
    return process


def after(lab: Lab, process: Process, before: str, now: str) -> str:
    """What runs after a commit that leaves ``now`` of ``before``."""
    lab.repository.push(files(*now))
    process.read()
    passes(process, before)
    return running(lab)


def passes(process: Process, names: str) -> None:
    for name in 3 * names:
        if process.catalog.view(AppKey("default", name)) is not None:
            process.reconcile(AppKey("default", name))


def running(lab: Lab) -> str:
    return "".join(sorted(container.name[0] for container in lab.world.containers.values()))


@pytest.mark.parametrize(
    ("before", "now", "left"),
    [
        ("abcd", "", "abcd"),  # all of them
        ("abcdefg", "abc", "abcdefg"),  # more than half, and more than 3
        ("abcdefgh", "abcd", "abcd"),  # half
        ("abcde", "ab", "ab"),  # 3
        ("ab", "", ""),  # all of a few: that is how applications are removed
    ],
)
def test_a_commit_that_takes_most_applications_away_waits(lab: Lab, before: str, now: str, left: str) -> None:
    process = deployed(lab, *before)
    assert after(lab, process, before, now) == left
    for name in set(left) - set(now):
        assert "TT3209" in process.status(AppKey("default", name)).message
    assert after(lab, process, before, before) == before


def test_each_needs_its_own_approval_to_the_last(lab: Lab) -> None:
    process = deployed(lab, *"abcde")
    assert after(lab, process, "abcde", "") == "abcde"
    expected = "abcde"
    for name in "abcde":
        key = AppKey("default", name)
        nothing = process.planner.nothing(key, lab.repository.head)
        plan = process.planner.look(key, nothing, application=None, snapshot=None).plan.id
        process.store.holds.approve(Approval(plan_id=plan, app=key, at=lab.clock.now()))
        passes(process, "abcde")
        expected = expected.replace(name, "")
        assert running(lab) == expected


def test_another_path_leaves_what_runs_alone(lab: Lab) -> None:
    """A controller that is started with a wrong ``--path`` finds nothing of the old one gone."""
    deployed(lab, *"ab").close()
    lab.repository.push({**files(*"ab"), "elsewhere/compose.yaml": "services: {web: {image: web:1}}"})
    wrong = Process(lab.world, lab.repository, lab.data_dir / "0", lab.clock)
    wrong.watched.path = "elsewhere"
    lab.open.append(wrong)
    wrong.read()
    passes(wrong, "ab")
    assert wrong.rest(AppKey("default", "elsewhere")).health is HealthStatus.HEALTHY
    assert running(lab) == "abe"
