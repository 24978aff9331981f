"""One suite on the in-memory world and on the real engine, so that the world cannot rot. Every step is done twice."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest

from tests.support.driving import KEY, Driving, driving
from tests.support.engine import BASE_IMAGE, EngineScope
from tests.support.world import Image, World
from trimtab.backends.engine.driver import EngineDriver
from trimtab.backends.engine.labels import COPIED_FROM
from trimtab.backends.engine.steps import (
    AwaitCompleted,
    AwaitHealthy,
    AwaitRunning,
    ConnectNetwork,
    CopyVolume,
    CreatedBy,
    DiscardContainer,
    DisconnectNetwork,
    EndRun,
    Existing,
    RemoveContainer,
    RemoveNetwork,
    RenameContainer,
    RestartContainer,
    RestoreContainer,
    SettleVolume,
    StartContainer,
    StopContainer,
    UpdateContainer,
)
from trimtab.errors import Conflict, UnhealthyRelease, UnsupportedByBackend
from trimtab.model.desired import Secret
from trimtab.model.keys import Kind
from trimtab.model.observed import Probe, RunState


def _world() -> Driving:
    world = World(installation="shop", seal_key=KEY)
    world.images[BASE_IMAGE] = Image("sha256:base", {"Env": {"PATH": "/bin"}})
    return Driving("shop", cast("Any", None), cast("EngineDriver", world))


@pytest.fixture(params=["world", pytest.param("engine", marks=pytest.mark.engine)])
def drive(request: pytest.FixtureRequest) -> Iterator[Driving]:
    if request.param == "world":
        yield _world()
        return
    scope: EngineScope = request.getfixturevalue("scope")
    with driving(scope.name, request.getfixturevalue("engine_url")) as made:
        yield made


def twice(drive: Driving, *verbs: Any, **context: Any) -> None:
    for verb in verbs:
        drive.do(verb, **context)
        drive.do(verb, **context)


def state(drive: Driving, service: str = "web") -> RunState | None:
    live = drive.live(Kind.CONTAINER, service, fresh=True)
    return live.running.status if live else None


def test_create_start_stop_remove(drive: Driving) -> None:
    step = drive.container()
    created = drive.do(step)
    assert drive.do(step) == created
    ref = Existing(created["id"])
    assert state(drive) is RunState.CREATED
    twice(drive, StartContainer(container=ref, name=step.name))
    assert state(drive) is RunState.RUNNING
    twice(drive, StopContainer(container=ref, name=step.name, grace_s=0))
    live = drive.live(Kind.CONTAINER, "web", fresh=True)
    assert live is not None
    assert live.running.status is RunState.EXITED
    assert live.running.exit_code is not None
    drive.do(RestartContainer(container=ref, name=step.name, grace_s=0))
    assert state(drive) is RunState.RUNNING
    twice(
        drive, StopContainer(container=ref, name=step.name, grace_s=0), RemoveContainer(container=ref, name=step.name)
    )
    twice(drive, StopContainer(container=ref, name=step.name, grace_s=0))
    assert state(drive) is None


def test_a_running_container_is_not_removed_unless_forced(drive: Driving) -> None:
    container_id, step = drive.run()
    ref = Existing(container_id)
    with pytest.raises(Conflict):
        drive.do(RemoveContainer(container=ref, name=step.name))
    twice(drive, RemoveContainer(container=ref, name=step.name, force=True))
    assert state(drive) is None


def test_a_name_is_held_once_and_given_again(drive: Driving) -> None:
    first = drive.container(Config={"User": "root"})
    ref = Existing(drive.do(first)["id"])
    other = drive.container(Config={"User": "nobody"})
    with pytest.raises(Conflict):
        drive.do(other)
    twice(drive, RenameContainer(container=ref, name=f"{first.name}-old"))
    assert drive.do(other)["id"] != ref.handle
    with pytest.raises(Conflict):
        drive.do(RenameContainer(container=ref, name=first.name))


def test_what_is_observed_is_what_was_asked_for(drive: Driving) -> None:
    drive.do(drive.network("front"))
    front = f"{drive.name}_front"
    step = drive.container(
        Config={"Env": {"A": "1", "PASSWORD": Secret("open sesame", "f" * 8)}, "Labels": {"team": "a"}},
        HostConfig={
            "NetworkMode": front,
            "Memory": 32 << 20,
            "RestartPolicy": {"Name": "always", "MaximumRetryCount": 0},
        },
        Networks={front: {"Aliases": ["web"]}},
    )
    drive.do(step)
    live = drive.live(Kind.CONTAINER, "web", fresh=True)
    assert live is not None
    assert (live.name, live.digest) == (step.name, step.labels["trimtab.dev/digest"])
    fields: Any = live.fields
    assert fields["Config"]["Env"] == {**fields["Config"]["Env"], "A": "1", "PASSWORD": "open sesame"}
    assert fields["Config"]["Labels"] == {"team": "a"}
    assert fields["Config"]["Image"] == BASE_IMAGE
    assert fields["HostConfig"]["Memory"] == 32 << 20
    assert fields["HostConfig"]["NetworkMode"] == front
    assert fields["HostConfig"]["RestartPolicy"]["Name"] == "always"
    assert fields["Networks"][front]["Aliases"] == ["web"]
    inherited: Any = live.inherited
    assert "PATH" in inherited["Config"]["Env"]
    assert "A" not in inherited["Config"]["Env"]


def test_limits_change_in_place_and_cannot_be_taken_away(drive: Driving) -> None:
    container_id, step = drive.run(HostConfig={"Memory": 32 << 20})
    ref = Existing(container_id)
    policy = {"Name": "on-failure", "MaximumRetryCount": 3}
    twice(
        drive, UpdateContainer(container=ref, name=step.name, host_config={"Memory": 64 << 20, "MemorySwap": 128 << 20})
    )
    twice(drive, UpdateContainer(container=ref, name=step.name, host_config={"RestartPolicy": policy}))
    live = drive.live(Kind.CONTAINER, "web", fresh=True)
    assert live is not None
    host: Any = live.fields["HostConfig"]
    assert (host["Memory"], host["RestartPolicy"]) == (64 << 20, policy)
    with pytest.raises(UnsupportedByBackend):
        drive.do(UpdateContainer(container=ref, name=step.name, host_config={"Memory": None}))


def test_networks_are_joined_left_and_removed_when_nobody_is_in_them(drive: Driving) -> None:
    network = drive.network("back")
    created = drive.do(network)
    assert drive.do(network) == created
    with pytest.raises(Conflict, match="another version"):
        drive.do(drive.network("back", Internal=True))
    drive.do(drive.network("front"))
    front, back = f"{drive.name}_front", network.name
    container_id, step = drive.run(HostConfig={"NetworkMode": front}, Networks={front: {"Aliases": ["web"]}})
    ref = Existing(container_id)
    twice(drive, ConnectNetwork(container=ref, name=step.name, network=back, endpoint={"Aliases": ["other"]}))
    live = drive.live(Kind.CONTAINER, "web", fresh=True)
    assert live is not None
    networks: Any = live.fields["Networks"]
    assert {name: endpoint["Aliases"] for name, endpoint in networks.items()} == {front: ["web"], back: ["other"]}
    with pytest.raises(Conflict):
        drive.do(RemoveNetwork(handle=created["id"], name=back))
    twice(
        drive,
        DisconnectNetwork(container=ref, name=step.name, network=back),
        RemoveNetwork(handle=created["id"], name=back),
    )
    assert drive.live(Kind.NETWORK, "back", fresh=True) is None


def test_volumes_are_made_once(drive: Driving) -> None:
    volume = drive.volume()
    assert drive.do(volume) == drive.do(volume) == {"name": volume.name}
    assert drive.live(Kind.VOLUME, "data", fresh=True) is not None


def test_a_copied_volume_is_provisional_until_it_is_settled(drive: Driving) -> None:
    source, target = drive.volume("data"), drive.volume("rows")
    drive.do(source)
    labels = {**target.labels, COPIED_FROM: source.name}
    copy = CopyVolume(name=target.name, spec=target.spec, labels=labels, source=source.name)
    writer, step = drive.run("db", Mounts={"/data": {"Type": "volume", "Source": source.name}})
    with pytest.raises(Conflict):
        drive.do(copy)
    drive.do(StopContainer(container=Existing(writer), name=step.name))
    twice(drive, copy)
    live = drive.live(Kind.VOLUME, "rows", fresh=True)
    assert live is not None
    assert (live.digest, live.copied_from) == ("", source.name)
    twice(drive, SettleVolume(name=target.name))
    live = drive.live(Kind.VOLUME, "rows", fresh=True)
    assert live is not None
    assert live.digest
    drive.do(copy)
    assert drive.live(Kind.VOLUME, "rows", fresh=True) == live, "a settled one is never made again"


def test_waiting_tells_running_healthy_completed_and_failed_apart(drive: Driving) -> None:
    runs, step = drive.run("runs")
    twice(drive, AwaitRunning(container=Existing(runs), name=step.name))
    check = {"Test": ["CMD", "true"], "Interval": 10**9}
    healthy, step = drive.run("healthy", Config={"Healthcheck": check})
    twice(drive, AwaitHealthy(container=Existing(healthy), name=step.name))
    live = drive.live(Kind.CONTAINER, "healthy", fresh=True)
    assert live is not None
    assert live.running.probe is Probe.HEALTHY
    sick, step = drive.run("sick", Config={"Healthcheck": {**check, "Test": ["CMD", "false"], "Retries": 1}})
    with pytest.raises(UnhealthyRelease):
        drive.do(AwaitHealthy(container=Existing(sick), name=step.name))
    done, step = drive.run("done", Config={"Cmd": ["sh", "-c", "exit 0"]})
    twice(drive, AwaitCompleted(container=Existing(done), name=step.name))
    twice(drive, AwaitRunning(container=Existing(done), name=step.name, may_finish=True))
    with pytest.raises(UnhealthyRelease):
        drive.do(AwaitRunning(container=Existing(done), name=step.name))
    failed, step = drive.run("failed", Config={"Cmd": ["sh", "-c", "exit 3"]})
    for wait in (AwaitCompleted, AwaitRunning, AwaitHealthy):
        with pytest.raises(UnhealthyRelease, match="3"):
            drive.do(wait(container=Existing(failed), name=step.name))


def test_undoing_a_replacement_puts_the_old_one_back(drive: Driving) -> None:
    container_id, step = drive.run()
    ref = Existing(container_id)
    drive.do(StopContainer(container=ref, name=step.name, grace_s=0))
    drive.do(RenameContainer(container=ref, name=f"{step.name}-old"))
    drive.do(drive.container(Config={"User": "nobody"}))
    new = drive.live(Kind.CONTAINER, "web", fresh=True)
    assert new is not None
    outputs = {"outputs": {1: {"id": new.handle}}}
    twice(drive, RestoreContainer(container=ref, name=step.name, replacement=CreatedBy(1), grace_s=0), **outputs)
    live = drive.live(Kind.CONTAINER, "web", fresh=True)
    assert live is not None
    assert (live.handle, live.name, live.running.status) == (container_id, step.name, RunState.RUNNING)
    twice(drive, DiscardContainer(container=CreatedBy(1), name=step.name), **outputs)
    twice(drive, DiscardContainer(container=CreatedBy(2), name=step.name))
    twice(drive, DiscardContainer(container=ref, name=step.name, grace_s=0))
    assert state(drive) is None


def test_a_run_ends_with_the_sync_that_a_person_ended_and_not_otherwise(drive: Driving) -> None:
    container_id, step = drive.run(Config={"StopTimeout": 0})
    end, asked = EndRun(container=Existing(container_id), name=step.name), threading.Event()
    asked.set()
    assert drive.do(end) == {}
    assert state(drive) is RunState.RUNNING
    assert drive.do(end, terminated=asked)["terminated"] == step.name
    assert state(drive) is None
    assert drive.do(end, terminated=asked) == {}
    assert drive.do(EndRun(container=CreatedBy(2), name=step.name), terminated=asked) == {}
    # What came to its end by itself says how, and stays, unless it is to be tidied up.
    failed, step = drive.run("failed", Config={"Cmd": ["sh", "-c", "exit 3"]})
    with pytest.raises(UnhealthyRelease):
        drive.do(AwaitCompleted(container=Existing(failed), name=step.name))
    assert drive.do(EndRun(container=Existing(failed), name=step.name), terminated=asked) == {}
    assert state(drive, "failed") is RunState.EXITED
    assert drive.do(EndRun(container=Existing(failed), name=step.name, discard=True)) == {}
    assert state(drive, "failed") is None


def test_other_installations_objects_are_foreign(drive: Driving) -> None:
    step = drive.container()
    forged = {**step.labels, "trimtab.dev/seal": "0" * 32}
    renamed = type(step)(key=step.key, name=f"{drive.name}-other", spec=step.spec, labels=step.labels)
    stranger = drive.do(type(step)(key=step.key, name=step.name, spec=step.spec, labels=forged))["id"]
    copy = drive.do(renamed)["id"]
    observed = drive.driver.observe(drive.app, fresh=True)
    assert not observed.live
    assert observed.foreign[Kind.CONTAINER, step.name] == stranger
    assert observed.foreign[Kind.CONTAINER, renamed.name] == copy
    with pytest.raises(Conflict):
        drive.do(step)
