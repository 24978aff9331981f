"""What a container's state asks for, whose an object is, and that steps never wait for each other in a circle."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.rig import SHOP
from trimtab.backends.engine import labels, steps
from trimtab.backends.engine.drafts import Drafts
from trimtab.backends.engine.lifecycle import state_change
from trimtab.backends.engine.live import running
from trimtab.model.desired import Resource
from trimtab.model.keys import Kind, ResourceKey
from trimtab.model.observed import Live, Running, RunState
from trimtab.model.plan import RunWhen

KEY = ResourceKey(SHOP, Kind.CONTAINER, "web", 1)
WANT = Resource(key=KEY, name="shop-web-1", spec={}, digest="d")
SERVER, JOB = replace(WANT, traits={"server": True}), replace(WANT, traits={"server": True, "job": True})
ALWAYS = replace(WANT, spec={"HostConfig": {"RestartPolicy": {"Name": "always"}}})
SEAL_KEY = b"k" * 32


def exited(code: int, **more: object) -> Running:
    return Running(status=RunState.EXITED, exit_code=code, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("want", "running", "before"),
    [
        (WANT, Running(status=RunState.RUNNING), None),
        (WANT, Running(status=RunState.RESTARTING), None),
        (WANT, Running(status=RunState.PAUSED), "paused"),
        (WANT, Running(status=RunState.CREATED), "created"),
        (WANT, Running(status=RunState.DEAD), "dead"),
        (WANT, exited(0), None),
        (SERVER, exited(0), "exited (0)"),
        (JOB, exited(0), None),
        (SERVER, exited(0, stopped_by_request=True), "exited (0)"),
        (WANT, exited(1), None),
        (ALWAYS, exited(1), "exited (1)"),
        (WANT, exited(137), "exited (137)"),
        (WANT, exited(255), "exited (255)"),
        (WANT, exited(137, oom_killed=True), None),
        (WANT, exited(137, stopped_by_request=True), "exited (137)"),
        (WANT, exited(137, stopped_by_request=False), None),
    ],
)
def test_what_somebody_stopped_or_killed_is_started_and_what_ended_by_itself_is_left(
    want: Resource, running: Running, before: str | None
) -> None:
    found = state_change(want, Live(key=KEY, handle="h", name="shop-web-1", digest="d", running=running))
    assert (found.before if found else None) == before
    if found is not None:
        assert (found.path, found.after) == ("/State/Status", "running")
        assert found.in_place == (running.status is not RunState.DEAD), "a dead container can only be made anew"


def sealed(**changed: str | None) -> dict[str, str]:
    names = {"kind": labels.KIND, "replica": labels.REPLICA, "namespace": labels.NAMESPACE, "name": labels.NAME}
    ours = {
        labels.INSTALLATION: "default",
        labels.APP: "shop",
        labels.NAMESPACE: "default",
        labels.KIND: KEY.kind.value,
        labels.NAME: "web",
        labels.REPLICA: "1",
        labels.OBJECT: "shop-web-1",
        labels.DIGEST: "d",
    }
    ours |= {names[name]: value for name, value in changed.items() if value is not None}
    ours = {key: value for key, value in ours.items() if key not in {names[n] for n, v in changed.items() if v is None}}
    return {**ours, labels.SEAL: labels.seal(ours, SEAL_KEY)}


def owner(found: dict[str, str], name: str = "shop-web-1") -> ResourceKey | None:
    return labels.identify(found, name, seal_key=SEAL_KEY, installation="default")


def test_an_object_is_ours_by_its_labels_their_seal_and_its_name() -> None:
    assert owner(sealed()) == KEY
    assert owner(sealed(), "renamed-by-hand") is None
    assert owner({**sealed(), labels.APP: "blog"}) is None, "the seal was made for other labels"
    assert owner({**sealed(), labels.INSTALLATION: "other"}) is None


@pytest.mark.parametrize("changed", [{"kind": "thing"}, {"replica": "first"}, {"namespace": None}, {"name": None}])
def test_what_another_version_sealed_in_its_own_way_is_left_alone(changed: dict[str, str | None]) -> None:
    assert owner(sealed(**changed)) is None


def test_steps_that_wait_for_each_other_are_refused_by_name() -> None:
    drafts = Drafts()
    first = drafts.add(steps.SettleVolume(name="a"), KEY, "", (), RunWhen.SUCCESS, 1.0, waits=False)
    second = drafts.add(steps.SettleVolume(name="b"), KEY, "", (first,), RunWhen.SUCCESS, 1.0, waits=False)
    assert [node.id for node in drafts.in_order()] == [first, second]
    drafts.need(first, (second,))
    with pytest.raises(ValueError, match="in a circle: SettleVolume, SettleVolume"):
        drafts.in_order()


def test_who_waited_for_a_step_that_is_not_needed_waits_for_the_one_in_its_place() -> None:
    drafts = Drafts()
    needs: tuple[int, ...] = ()
    made = []
    for name in "abc":
        made.append(drafts.add(steps.SettleVolume(name=name), KEY, "", needs, RunWhen.SUCCESS, 1.0, waits=False))
        needs = (made[-1],)
    drafts.drop(made[1], made[0])
    assert [(node.id, set(node.needs)) for node in drafts.in_order()] == [(made[0], set()), (made[2], {made[0]})]


def test_what_a_health_check_says_is_kept_without_the_secrets_of_its_environment() -> None:
    """I7: it goes into statuses, messages and the record of the release."""
    said = "auth failed for app:canary-1234 at db (MODE=plain-mode)"
    state = running(
        {
            "Config": {"Env": ["DB_PASSWORD=canary-1234", "MODE=plain-mode", "BARE"]},
            "State": {"Status": "running", "Error": said, "Health": {"Status": "unhealthy", "Log": [{"Output": said}]}},
        }
    )
    assert state.probe_output == state.error == said.replace("canary-1234", "***")
    assert running({"State": {"Status": "running"}}).probe_output == ""
