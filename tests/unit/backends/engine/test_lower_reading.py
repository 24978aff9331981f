"""What lowering reads out of changes and objects: whose nameless volumes go over, who waits, what may not lack."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from trimtab.backends.engine.lower import reading
from trimtab.model.change import Change, Reason, Verb
from trimtab.model.desired import Condition
from trimtab.model.keys import AppKey, Kind, ResourceKey
from trimtab.model.observed import Live, Probe, Running, RunState

WEB = ResourceKey(AppKey("default", "shop"), Kind.CONTAINER, "web", 1)
NAMELESS = "ab" * 32
Mounts = Mapping[str, Mapping[str, object]]


def live(mounts: Mounts, inherited: Mounts | None = None, running: Running | None = None) -> Live:
    return Live(
        key=WEB, name="shop-web-1", handle="c1", digest="d", fields={"Mounts": mounts},
        inherited={"Mounts": inherited or {}}, running=running or Running(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "inherited", "kept"),
    [
        pytest.param({"/data": {"Type": "volume"}}, {}, True, id="the manifest mounts it without a source"),
        pytest.param({}, {"/data": {"Type": "volume"}}, True, id="the image asks for it"),
        pytest.param({}, {}, False, id="nobody asks for it any more"),
        pytest.param({"/data": {"Type": "volume", "Source": "shop_data"}}, {}, False, id="it has a name now"),
        pytest.param({"/data": {"Type": "tmpfs"}}, {"/data": {"Type": "volume"}}, False, id="memory takes its place"),
        pytest.param({"/data": {"Type": "bind", "Source": "/srv"}}, {}, False, id="a path takes its place"),
    ],
)
def test_I3_a_nameless_volume_goes_over_where_it_is_still_asked_for(
    wanted: Mounts,
    inherited: Mounts,
    kept: bool,  # noqa: FBT001
) -> None:
    old = live({"/data": {"Type": "volume", "Source": NAMELESS}, "/tmp": {"Type": "tmpfs"}}, inherited)
    found = reading.kept_volumes({"Mounts": wanted}, old)
    assert found == ({"/data": {**wanted.get("/data", {}), "Type": "volume", "Source": NAMELESS}} if kept else {})


def test_volumes_are_told_from_other_mounts_and_those_that_are_only_read_from_those_that_are_written() -> None:
    fields = {
        "Mounts": {
            "/a": {"Type": "volume", "Source": "shop_a"},
            "/b": {"Type": "volume", "Source": "shop_b", "ReadOnly": True},
            "/c": {"Type": "bind", "Source": "/srv"},
            "/d": {"Type": "volume"},
        }
    }
    assert reading.mounted_volumes(fields) == {"shop_a", "shop_b"}
    assert reading.written_volumes(fields) == {"volume shop_a"}
    assert reading.mounted_volumes({}) == reading.written_volumes({}) == frozenset()


@pytest.mark.parametrize(
    ("condition", "running", "met"),
    [
        (Condition.HEALTHY, Running(status=RunState.RUNNING, probe=Probe.HEALTHY), True),
        (Condition.HEALTHY, Running(status=RunState.RUNNING, probe=Probe.STARTING), False),
        (Condition.HEALTHY, Running(status=RunState.EXITED, probe=Probe.HEALTHY), False),
        (Condition.COMPLETED, Running(status=RunState.EXITED, exit_code=0), True),
        (Condition.COMPLETED, Running(status=RunState.EXITED, exit_code=1), False),
        (Condition.COMPLETED, Running(status=RunState.RUNNING), False),
        (Condition.STARTED, Running(status=RunState.CREATED), True),
    ],
)
def test_nobody_waits_for_what_is_so_already(condition: Condition, running: Running, *, met: bool) -> None:
    assert reading.meets(live({}, running=running), condition) is met


def test_a_change_without_its_object_is_a_defect_that_is_told() -> None:
    change = Change(verb=Verb.REPLACE, key=WEB, name="shop-web-1", reason=Reason.SPEC_CHANGED)
    with pytest.raises(ValueError, match="without what is wanted"):
        reading.wanted(change)
    with pytest.raises(ValueError, match="without what is there"):
        reading.present(change)
