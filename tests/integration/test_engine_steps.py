"""Every step on the real engine, each done twice: a step that was carried out may be carried out again."""

from __future__ import annotations

from collections.abc import Iterator

import docker
import docker.errors
import pytest

from tests.support.driving import Driving, driving
from tests.support.engine import BASE_IMAGE, RUN_LABEL, EngineScope
from trimtab.backends.engine.errors import PortTaken, Taken
from trimtab.backends.engine.steps import (
    ConnectNetwork,
    CreatedBy,
    DiscardContainer,
    DisconnectNetwork,
    ExecHook,
    Existing,
    RemoveContainer,
    RemoveNetwork,
    RenameContainer,
    RestartContainer,
    RestoreContainer,
    StartContainer,
    StopContainer,
    UnpauseContainer,
    UpdateContainer,
)
from trimtab.errors import Conflict, UnhealthyRelease, UnsupportedByBackend
from trimtab.model.desired import Secret
from trimtab.model.keys import Kind
from trimtab.model.observed import RunState

pytestmark = pytest.mark.engine


@pytest.fixture
def drive(scope: EngineScope, engine_url: str) -> Iterator[Driving]:
    with driving(scope.name, engine_url) as made:
        yield made


def test_a_life_of_a_container(drive: Driving, docker_api: docker.APIClient) -> None:
    drive.do(drive.network("front"))
    drive.do(drive.network("back"))
    front, back = f"{drive.name}_front", f"{drive.name}_back"
    step = drive.container(
        Config={"Env": {"PASSWORD": Secret("open sesame", "f" * 8)}},
        HostConfig={"NetworkMode": front, "Memory": 32 << 20},
        Networks={front: {"Aliases": ["web"]}},
    )
    created = drive.do(step)
    assert drive.do(step) == created
    ref = Existing(created["id"])
    assert "PASSWORD=open sesame" in docker_api.inspect_container(ref.handle)["Config"]["Env"]

    for verb in (
        StartContainer(container=ref, name=step.name),
        ConnectNetwork(container=ref, name=step.name, network=back, endpoint={"Aliases": ["other"]}),
        UpdateContainer(container=ref, name=step.name, host_config={"Memory": 64 << 20}),
        UpdateContainer(container=ref, name=step.name, host_config={"RestartPolicy": {"Name": "always"}}),
        UnpauseContainer(container=ref, name=step.name),
    ):
        drive.do(verb)
        drive.do(verb)
    live = drive.live(Kind.CONTAINER, "web")
    assert live is not None
    assert live.running.status is RunState.RUNNING
    assert live.fields["Networks"] == {
        front: {"Aliases": ["web"], **_mac(live, front)},
        back: {"Aliases": ["other"], **_mac(live, back)},
    }
    assert live.fields["HostConfig"]["Memory"] == 64 << 20  # type: ignore[index]
    assert live.fields["HostConfig"]["RestartPolicy"]["Name"] == "always"  # type: ignore[index]

    docker_api.pause(ref.handle)
    started_at = docker_api.inspect_container(ref.handle)["State"]["StartedAt"]
    for verb in (
        UnpauseContainer(container=ref, name=step.name),
        DisconnectNetwork(container=ref, name=step.name, network=back),
    ):
        drive.do(verb)
        drive.do(verb)
    assert docker_api.inspect_container(ref.handle)["State"]["StartedAt"] == started_at
    drive.do(RestartContainer(container=ref, name=step.name, grace_s=0))
    assert docker_api.inspect_container(ref.handle)["State"]["StartedAt"] != started_at

    for verb in (
        StopContainer(container=ref, name=step.name, grace_s=0),
        RenameContainer(container=ref, name=f"{step.name}-old"),
        RemoveContainer(container=ref, name=step.name),
        StopContainer(container=ref, name=step.name, grace_s=0),
    ):
        drive.do(verb)
        drive.do(verb)
    with pytest.raises(docker.errors.NotFound):
        docker_api.inspect_container(ref.handle)
    for name in ("front", "back"):
        handle = drive.live(Kind.NETWORK, name)
        assert handle is not None
        drive.do(RemoveNetwork(handle=handle.handle, name=handle.name))
        drive.do(RemoveNetwork(handle=handle.handle, name=handle.name))


def _mac(live: object, network: str) -> dict[str, object]:
    endpoint = live.inherited["Networks"][network]  # type: ignore[attr-defined]
    return {"MacAddress": endpoint["MacAddress"]}


def test_networks_and_volumes_twice_are_one(drive: Driving, scope: EngineScope) -> None:
    network, volume = drive.network(), drive.volume()
    assert drive.do(network) == drive.do(network)
    assert drive.do(volume) == drive.do(volume)
    assert len(scope.networks()) == 1
    with pytest.raises(Conflict, match="another version"):
        drive.do(drive.network("front", Internal=True))


def test_others_objects_with_our_names_are_left_alone(
    drive: Driving, docker_api: docker.APIClient, scope: EngineScope
) -> None:
    container, network, volume = drive.container(), drive.network(), drive.volume()
    stranger = docker_api.create_container(
        BASE_IMAGE,
        name=container.name,
        labels={**container.labels, RUN_LABEL: scope.name, "trimtab.dev/seal": "0" * 32},
    )
    docker_api.create_network(network.name, labels=scope.labels)
    docker_api.create_volume(volume.name, labels=scope.labels)
    for step in (container, network, volume):
        with pytest.raises(Taken, match="not ours"):
            drive.do(step)
    state = drive.driver.observe(drive.app)
    assert state.live == {}
    assert state.foreign[Kind.CONTAINER, container.name] == stranger["Id"]
    assert (Kind.NETWORK, network.name) in state.foreign
    assert (Kind.VOLUME, volume.name) in state.foreign


def test_a_create_that_fails_leaves_nothing(drive: Driving, scope: EngineScope) -> None:
    with pytest.raises(UnsupportedByBackend, match="more CPUs"):
        drive.do(drive.container(HostConfig={"NanoCpus": 999_000_000_000}))
    with pytest.raises(Conflict, match="is not on the engine"):
        drive.do(drive.container(Config={"Image": f"{drive.name}:none"}))
    assert scope.containers() == []


def test_a_taken_port_names_the_port(drive: Driving, docker_api: docker.APIClient) -> None:
    front = drive.do(drive.network()) and f"{drive.name}_front"
    ports = {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}
    one, _ = drive.run(
        "one", HostConfig={"NetworkMode": front, "PortBindings": ports}, Networks={front: {"Aliases": ["one"]}}
    )
    port = docker_api.inspect_container(one)["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"]
    ports = {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": port}]}
    with pytest.raises(PortTaken, match=f"port {port} "):
        drive.run(
            "two", HostConfig={"NetworkMode": front, "PortBindings": ports}, Networks={front: {"Aliases": ["two"]}}
        )


def test_a_network_in_use_names_its_user(drive: Driving, docker_api: docker.APIClient, scope: EngineScope) -> None:
    handle = drive.do(drive.network())["id"]
    stranger = docker_api.create_container(BASE_IMAGE, ["sleep", "600"], name=f"{scope.name}-x", labels=scope.labels)
    docker_api.connect_container_to_network(stranger["Id"], handle)
    docker_api.start(stranger["Id"])
    with pytest.raises(Conflict, match=f"{scope.name}-x"):
        drive.do(RemoveNetwork(handle=handle, name="front"))
    live = drive.live(Kind.NETWORK, "front")
    assert live is not None
    assert live.endpoints == (f"{scope.name}-x",)


def test_I3_what_a_run_borrows_outlives_it_even_when_its_owner_is_gone(
    drive: Driving, docker_api: docker.APIClient
) -> None:
    owner, owner_step = drive.run("owner", Mounts={"/data": {"Type": "volume"}})
    (borrowed,) = [mount["Name"] for mount in docker_api.inspect_container(owner)["Mounts"]]
    guest_step = drive.container("guest", HostConfig={"VolumesFrom": ["service:owner:rw"]})
    guest = drive.do(guest_step)["id"]
    drive.do(RemoveContainer(container=Existing(owner), name=owner_step.name, force=True))
    drive.do(RemoveContainer(container=Existing(guest), name=guest_step.name, force=True, scratch=True))
    assert docker_api.inspect_volume(borrowed)
    docker_api.remove_volume(borrowed)


def test_a_run_takes_along_what_has_no_name(drive: Driving, docker_api: docker.APIClient) -> None:
    run, step = drive.run("once", Mounts={"/scratch": {"Type": "volume"}})
    (scratch,) = [mount["Name"] for mount in docker_api.inspect_container(run)["Mounts"]]
    drive.do(RemoveContainer(container=Existing(run), name=step.name, force=True, scratch=True))
    with pytest.raises(docker.errors.NotFound):
        docker_api.inspect_volume(scratch)


def test_a_reference_to_another_service_follows_its_container(drive: Driving, docker_api: docker.APIClient) -> None:
    owner, owner_step = drive.run("owner")
    step = drive.container(
        "guest", HostConfig={"NetworkMode": "container:service:owner", "VolumesFrom": ["service:owner:ro"]}
    )
    guest = drive.do(step)["id"]
    assert docker_api.inspect_container(guest)["HostConfig"]["NetworkMode"] == f"container:{owner}"
    live = drive.live(Kind.CONTAINER, "guest")
    assert live is not None
    host = live.fields["HostConfig"]
    assert (host["NetworkMode"], host["VolumesFrom"]) == ("container:service:owner", ["service:owner:ro"])  # type: ignore[index]
    drive.do(RemoveContainer(container=Existing(owner), name=owner_step.name, force=True))
    live = drive.live(Kind.CONTAINER, "guest")
    assert live is not None
    assert live.fields["HostConfig"]["NetworkMode"] == f"container:{owner}"  # type: ignore[index]
    with pytest.raises(Conflict, match="no container"):
        drive.do(drive.container("other", HostConfig={"NetworkMode": "container:service:owner"}))


def test_undoing_a_replacement(drive: Driving, docker_api: docker.APIClient, scope: EngineScope) -> None:
    drive.do(drive.network())
    front = f"{drive.name}_front"
    old, step = drive.run(HostConfig={"NetworkMode": front}, Networks={front: {"Aliases": ["web", "old"]}})
    drive.do(StopContainer(container=Existing(old), name=step.name, grace_s=0))
    drive.do(DisconnectNetwork(container=Existing(old), name=step.name, network=front))
    drive.do(RenameContainer(container=Existing(old), name=f"{step.name}-{step.labels['trimtab.dev/digest'][:8]}"))
    new = drive.container(
        HostConfig={"NetworkMode": front}, Config={"Cmd": ["false"]}, Networks={front: {"Aliases": ["web"]}}
    )
    outputs = {7: drive.do(new)}
    undo = RestoreContainer(container=Existing(old), name=step.name, replacement=CreatedBy(7), grace_s=0)
    drive.do(undo, outputs=outputs)
    drive.do(undo, outputs=outputs)
    inspect = docker_api.inspect_container(old)
    assert inspect["Name"] == f"/{step.name}"
    assert inspect["State"]["Running"]
    assert {"web", "old"} <= set(inspect["NetworkSettings"]["Networks"][front]["Aliases"])
    assert [c["Id"] for c in scope.containers()] == [old]


def test_discarding_what_was_never_created_is_nothing(drive: Driving) -> None:
    assert drive.do(DiscardContainer(container=CreatedBy(3), name="x")) == {}
    with pytest.raises(Conflict, match="not created"):
        drive.do(StartContainer(container=CreatedBy(3), name="x"))


def test_hooks(drive: Driving, docker_api: docker.APIClient) -> None:
    container, step = drive.run()
    ref = Existing(container)
    lines: list[str] = []
    hook = {"command": "echo hello $WHO; id -u", "environment": {"WHO": "you"}, "user": "7"}
    drive.do(ExecHook(container=ref, name=step.name, hook=hook), log=lines.append)
    assert lines == [f"{step.name}: hello you", f"{step.name}: 7"]
    with pytest.raises(UnhealthyRelease, match="exit code 3") as caught:
        drive.do(ExecHook(container=ref, name=step.name, hook={"command": ["sh", "-c", "echo no; exit 3"]}))
    assert caught.value.log_tail == ("no",)
    # A hook that fails must not keep it from being stopped.
    drive.do(StopContainer(container=ref, name=step.name, grace_s=0, pre_stop=({"command": ["false"]},)))
    assert not docker_api.inspect_container(container)["State"]["Running"]


def test_what_cannot_be_honoured_is_refused(drive: Driving, docker_api: docker.APIClient, scope: EngineScope) -> None:
    container, step = drive.run()
    with pytest.raises(UnsupportedByBackend, match="cannot be taken away"):
        drive.do(UpdateContainer(container=Existing(container), name=step.name, host_config={"Memory": None}))
    if any("blkio weight" in str(w) for w in docker_api.info().get("Warnings") or ()):
        with pytest.raises(UnsupportedByBackend, match="BlkioWeight"):
            drive.do(drive.container("heavy", HostConfig={"BlkioWeight": 300}))
        assert len(scope.containers()) == 1
