"""Content volumes and the installation's key: files on the real engine through its API alone, all or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import docker
import docker.errors
import pytest

from tests.support.driving import KEY, Driving, driving
from tests.support.engine import EngineScope
from trimtab import wiring
from trimtab.backends.engine import content, filler, installation
from trimtab.backends.engine.steps import AwaitCompleted, CreateContent, Existing, RemoveContainer, RemoveContent
from trimtab.config import Config
from trimtab.errors import Conflict
from trimtab.model.desired import ContentFile
from trimtab.model.keys import Kind
from trimtab.model.observed import Live

pytestmark = pytest.mark.engine

FILES = (
    ContentFile(path="1/index.html", data=b"<h1>hello</h1>"),
    ContentFile(path="1/bin/run", mode=0o555, data=b"#!/bin/sh\n"),
    ContentFile(path="1/latest", link_target="index.html"),
    ContentFile(path="1/a very long name " + "x" * 120 + "/f", data=b"long"),
    ContentFile(path="2", mode=0o440, uid=1234, gid=567, data=b"secret"),
    ContentFile(path="3", mode=0o444, data=b""),
)


@pytest.fixture
def drive(scope: EngineScope, engine_url: str) -> Iterator[Driving]:
    with driving(scope.name, engine_url) as made:
        yield made


@pytest.fixture
def step(drive: Driving) -> CreateContent:
    name = f"{drive.name}_web_content-0123456789ab"
    spec: dict[str, object] = {"files": {}}
    return CreateContent(name=name, labels=drive.labels(drive.key(Kind.CONTENT, "web-0123456789ab"), name, spec))


def _live(drive: Driving) -> Live | None:
    return drive.live(Kind.CONTENT, "web-0123456789ab")


def test_what_a_container_finds_in_its_mounts(
    drive: Driving, step: CreateContent, docker_api: docker.APIClient, scope: EngineScope
) -> None:
    contents = {step.name: FILES}
    assert drive.do(step, contents=contents) == drive.do(step, contents=contents) == {"name": step.name}
    live = _live(drive)
    assert live is not None
    assert live.digest == step.labels["trimtab.dev/digest"]
    assert [v["Name"] for v in scope.volumes()] == [step.name]

    mounts = {
        "/www": {"Type": "bind", "Source": f"content:{step.name}/1", "ReadOnly": True},
        "/run/secrets/key": {"Type": "bind", "Source": f"content:{step.name}/2", "ReadOnly": True},
        "/all": {"Type": "bind", "Source": f"content:{step.name}/", "ReadOnly": True},
    }
    script = """
        set -e
        cat /www/index.html; echo
        test -x /www/bin/run && test ! -x /www/index.html && echo modes
        readlink /www/latest
        stat -c '%a %u %g' /run/secrets/key
        cat /www/a*/f; echo
        ls /all
        touch /www/new 2>/dev/null || echo read-only
    """
    container, made = drive.run("reader", Config={"Cmd": ["sh", "-c", script]}, Mounts=mounts)
    drive.do(AwaitCompleted(container=Existing(container), name=made.name))
    said = docker_api.logs(container).decode().split("\n")
    assert said == ["<h1>hello</h1>", "modes", "index.html", "440 1234 567", "long", "1", "2", "3", "read-only", ""]

    reader = drive.live(Kind.CONTAINER, "reader")
    assert reader is not None
    assert reader.fields["Mounts"] == mounts
    # In use, by path or by name: kept.
    drive.do(RemoveContent(name=step.name))
    assert _live(drive) is not None
    drive.do(RemoveContainer(container=Existing(container), name=made.name, force=True))
    drive.do(RemoveContent(name=step.name))
    drive.do(RemoveContent(name=step.name))
    assert scope.volumes() == []
    assert [c["Id"] for c in scope.containers()] == []


class _Crash(BaseException):
    pass


@pytest.mark.parametrize("crash_at", range(8))
def test_a_crash_at_any_call_is_seen_and_put_right(
    drive: Driving, step: CreateContent, scope: EngineScope, monkeypatch: pytest.MonkeyPatch, crash_at: int
) -> None:
    call, left = drive.client.call, crash_at

    def crashing(*args: object, **kwargs: object) -> object:
        nonlocal left
        if args[0] != "GET":
            if left == 0:
                raise _Crash
            left -= 1
        return call(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(drive.client, "call", crashing)
    crashed = False
    try:
        drive.do(step, contents={step.name: FILES})
    except _Crash:
        crashed = True
    monkeypatch.undo()
    with driving(drive.name, drive.client.host) as after:
        live = _live(after)
        if crashed:
            # Nothing that a plan would take for complete.
            assert live is None or live.digest == ""
        after.do(step, contents={step.name: FILES})
        live = _live(after)
        assert live is not None
        assert live.digest == step.labels["trimtab.dev/digest"]
        with filler.mounted(after.client, step.name, after.name) as container_id:
            assert filler.read(after.client, container_id, "2") == b"secret"
        assert [v["Name"] for v in scope.volumes()] == [step.name]
        after.do(RemoveContent(name=step.name))
        assert scope.volumes() == []


def test_an_abandoned_half_is_removed(
    drive: Driving, step: CreateContent, scope: EngineScope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content.filler, "write", lambda *_: (_ for _ in ()).throw(_Crash()))
    with pytest.raises(_Crash):
        drive.do(step, contents={step.name: FILES})
    assert len(scope.volumes()) == 2
    drive.do(RemoveContent(name=step.name))
    assert scope.volumes() == []


def test_somebody_elses_volume_is_not_filled(
    drive: Driving, step: CreateContent, docker_api: docker.APIClient, scope: EngineScope
) -> None:
    docker_api.create_volume(step.name, labels=scope.labels)
    with pytest.raises(Conflict, match="not ours"):
        drive.do(step, contents={step.name: FILES})
    with pytest.raises(Conflict, match="not ours"):
        drive.do(RemoveContent(name=step.name))
    assert docker_api.inspect_volume(step.name)


def test_the_key_outlives_the_data_directory(drive: Driving) -> None:
    client, name = drive.client, drive.name
    assert installation.recover_key(client, name) is None
    installation.store_key(client, name, KEY)
    assert client.calls.snapshot()["POST /containers/create"] == 1, "looked for and written in one"
    installation.store_key(client, name, KEY)
    assert installation.recover_key(client, name) == KEY
    with pytest.raises(Conflict, match="another key"):
        installation.store_key(client, name, bytes(32))
    assert drive.driver.observe(drive.app).live == {}
    assert (Kind.VOLUME, installation.volume_name(name)) not in drive.driver.observe(drive.app).foreign


def test_a_lost_data_directory_costs_one_look_at_the_key(drive: Driving, tmp_path: Path) -> None:
    installation.store_key(drive.client, drive.name, KEY)

    def containers() -> int:
        return drive.client.calls.snapshot()["POST /containers/create"]

    before = containers()
    config = Config(data_dir=tmp_path / "anew", installation=drive.name)
    assert wiring.installation_key(config, drive.client, keep=True) == KEY
    assert containers() == before + 1
    assert wiring.installation_key(config, drive.client, keep=True) == KEY
    assert containers() == before + 1, "then the volume's labels tell"
