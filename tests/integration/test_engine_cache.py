"""What a look costs, what it sees, and that events keep it current. On the real engine; calls are counted."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

import docker
import pytest

from tests.support.driving import KEY, Driving, driving
from tests.support.engine import BASE_IMAGE, EngineScope
from tests.support.waiting import eventually
from trimtab.backends.engine.client import EngineClient
from trimtab.backends.engine.driver import EngineDriver
from trimtab.backends.engine.steps import Existing, RemoveContainer, UpdateContainer
from trimtab.model.events import EngineEvent
from trimtab.model.keys import Kind
from trimtab.model.observed import RunState

pytestmark = pytest.mark.engine


@pytest.fixture
def drive(scope: EngineScope, engine_url: str) -> Iterator[Driving]:
    with driving(scope.name, engine_url) as made:
        yield made


@pytest.fixture
def events(drive: Driving) -> list[EngineEvent]:
    seen: list[EngineEvent] = []
    drive.driver.watch(seen.append)
    eventually(lambda: seen, what="the stream is connected")
    return seen


def _settle(drive: Driving) -> None:
    """Until our own writes' events have come and been looked after."""

    def quiet() -> bool:
        drive.driver.observe(drive.app)
        before = drive.client.calls.total
        time.sleep(0.3)
        drive.driver.observe(drive.app)
        return drive.client.calls.total == before

    eventually(quiet, what="no more events")


def test_a_look_costs_calls_only_for_what_changed(
    drive: Driving, events: list[EngineEvent], docker_api: docker.APIClient
) -> None:
    ids = [drive.do(drive.container(f"s{n}"))["id"] for n in range(4)]
    drive.do(drive.volume())
    first = drive.driver.observe(drive.app, images=[BASE_IMAGE], fresh=True)
    before = drive.client.calls.snapshot()
    assert drive.driver.observe(drive.app, images=[BASE_IMAGE], fresh=True).digest == first.digest
    looked = drive.client.calls.snapshot() - before
    assert looked == Counter(
        {"GET /containers/json": 1, "GET /networks": 1, "GET /volumes": 1, "GET /containers/{}/json": 4}
    )
    _settle(drive)

    def calls_of(look: EngineDriver) -> Counter[str]:
        before = drive.client.calls.snapshot()
        assert len(look.observe(drive.app, images=[BASE_IMAGE]).live) == 5
        return drive.client.calls.snapshot() - before

    # Another test's images make this engine's names be looked up again; that is not for ever.
    eventually(lambda: calls_of(drive.driver) == Counter(), what="a look without a call")
    docker_api.update_container(ids[0], restart_policy={"Name": "always"})
    eventually(lambda: any(e.action == "update" for e in events), what="the update is seen")
    assert calls_of(drive.driver) - Counter({"GET /images/{}/json": 1}) == Counter({"GET /containers/{}/json": 1})
    eventually(lambda: calls_of(drive.driver) == Counter(), what="a look without a call")
    # Someone else's container costs at most the look at its name.
    stranger = docker_api.create_container(
        BASE_IMAGE, name=f"{drive.name}-stranger", labels={"trimtab.test/run": drive.name}
    )
    state = eventually(
        lambda: (
            (s := drive.driver.observe(drive.app)) and (Kind.CONTAINER, f"{drive.name}-stranger") in s.foreign and s
        ),
        what="the stranger is seen",
    )
    assert state.foreign[Kind.CONTAINER, f"{drive.name}-stranger"] == stranger["Id"]
    assert drive.client.calls.writes == 5


def test_ones_own_writes_are_seen_at_once(drive: Driving, events: list[EngineEvent]) -> None:
    created = drive.do(drive.container())["id"]
    assert drive.live(Kind.CONTAINER, "web") is not None
    for megabytes in (16, 32, 64):
        drive.do(UpdateContainer(container=Existing(created), name="web", host_config={"Memory": megabytes << 20}))
        live = drive.live(Kind.CONTAINER, "web")
        assert live is not None
        assert live.fields["HostConfig"]["Memory"] == megabytes << 20  # type: ignore[index]
    drive.do(RemoveContainer(container=Existing(created), name="web"))
    assert drive.live(Kind.CONTAINER, "web") is None


def test_changes_behind_our_back_are_seen(
    drive: Driving, events: list[EngineEvent], docker_api: docker.APIClient
) -> None:
    front = drive.do(drive.network()) and f"{drive.name}_front"
    container, _ = drive.run(HostConfig={"NetworkMode": front}, Networks={front: {"Aliases": ["web"]}})
    before = drive.driver.observe(drive.app)

    def live_after(what: str, wanted: object) -> None:
        def probe() -> bool:
            live = drive.live(Kind.CONTAINER, "web")
            facts = (
                None
                if live is None
                else (
                    live.running.status.value,
                    live.running.stopped_by_request,
                    sorted(live.fields.get("Networks", {})),
                )
            )  # type: ignore[call-overload]
            assert facts == wanted, facts
            return True

        eventually(probe, what=what, timeout_s=10)

    live_after("it runs", ("running", None, [front]))
    docker_api.disconnect_container_from_network(container, front)
    live_after("disconnected", ("running", None, []))
    docker_api.connect_container_to_network(container, front)
    live_after("connected", ("running", None, [front]))
    docker_api.kill(container, signal="HUP")
    docker_api.kill(container)
    live_after("killed by request", ("exited", True, [front]))
    docker_api.start(container)
    live_after("it runs again", ("running", None, [front]))
    docker_api.exec_start(docker_api.exec_create(container, ["sh", "-c", "kill -9 1; kill -TERM 1"])["Id"])
    docker_api.remove_container(container, force=True)
    live_after("gone", None)
    assert drive.driver.observe(drive.app).digest != before.digest
    told = {"kill", "die", "start", "destroy", "connect", "disconnect"}
    eventually(lambda: told <= {e.action for e in events if e.app == drive.app}, what="all of it is told")


def test_an_end_of_its_own_is_no_request(drive: Driving, events: list[EngineEvent]) -> None:
    drive.run(Config={"Cmd": ["sh", "-c", "sleep 0.2; exit 4"]})

    def ended() -> bool:
        live = drive.live(Kind.CONTAINER, "web")
        return (
            live is not None
            and live.running.status is RunState.EXITED
            and live.running.exit_code == 4
            and live.running.stopped_by_request is False
        )

    eventually(ended, what="its own end is told as such", timeout_s=10)


def test_the_same_state_has_the_same_digest_in_another_process(drive: Driving, engine_url: str) -> None:
    drive.run()
    drive.do(drive.network())
    one = drive.driver.observe(drive.app)
    client = EngineClient(engine_url)
    other = EngineDriver(client, installation=drive.name, seal_key=KEY)
    try:
        two = other.observe(drive.app)
    finally:
        other.close()
    assert (one.digest, one.live.keys()) == (two.digest, two.live.keys())
    assert "sesame" not in one.digest


def test_a_volume_and_a_network_removed_by_hand_are_missed(
    drive: Driving, events: list[EngineEvent], docker_api: docker.APIClient
) -> None:
    drive.do(drive.network())
    drive.do(drive.volume())
    assert len(drive.driver.observe(drive.app).live) == 2
    docker_api.remove_network(f"{drive.name}_front")
    docker_api.remove_volume(f"{drive.name}_data")
    eventually(lambda: not drive.driver.observe(drive.app).live, what="both are missed", timeout_s=10)


def test_an_image_that_goes_is_missed(drive: Driving, events: list[EngineEvent], docker_api: docker.APIClient) -> None:
    ref = f"{drive.name}:1"
    assert drive.driver.observe(drive.app, images=[ref]).images == {ref: ""}
    docker_api.tag(BASE_IMAGE, drive.name, "1")
    eventually(lambda: drive.driver.observe(drive.app, images=[ref]).images[ref], what="the tag is seen", timeout_s=10)
    docker_api.remove_image(ref)
    eventually(lambda: not drive.driver.observe(drive.app, images=[ref]).images[ref], what="it is missed", timeout_s=10)


def test_one_of_ours_is_known_under_another_name_and_a_copy_of_its_labels_is_not(
    drive: Driving, events: list[EngineEvent], docker_api: docker.APIClient, engine_url: str
) -> None:
    container_id, step = drive.run()
    drive.driver.observe(drive.app)
    docker_api.rename(container_id, f"{drive.name}-other")
    twin = docker_api.create_container(BASE_IMAGE, ["true"], name=f"{drive.name}-twin", labels=dict(step.labels))["Id"]

    def found(driver: EngineDriver) -> list[tuple[str, str, str]]:
        lives = driver.observe(drive.app, fresh=True).live.get(step.key, ())
        return [(live.handle, live.name, live.renamed_from) for live in lives]

    wanted = [(container_id, f"{drive.name}-other", step.name)]
    eventually(lambda: found(drive.driver) == wanted, what="it is seen under its other name")
    with driving(drive.name, engine_url) as later:
        assert found(later.driver) == [], "labels alone say nothing"
        later.driver.recognise([container_id])
        assert found(later.driver) == wanted
    assert twin
