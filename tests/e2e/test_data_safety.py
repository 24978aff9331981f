"""Data outlives what is done to its application: removed with an approval only, archived before, moved whole."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.e2e.test_killed_at_every_step import kill_at_step
from tests.support.engine import BASE_IMAGE, EngineScope
from tests.support.gitrepo import GitRepo
from tests.support.scenario import Controller, Shop, inside, running
from tests.support.waiting import eventually

pytestmark = [pytest.mark.engine, pytest.mark.e2e]

# Owners, modes, a hard link, a symbolic link, a directory of somebody else: what a database directory may have.
FILL = (
    "cd /data && mkdir -p deep/er && head -c 300000 /dev/urandom >deep/er/rows && ln deep/er/rows again"
    " && ln -s deep/er/rows link && printf x >secret && chmod 600 secret && chown 70:71 secret deep && chmod 4750 again"
    " && chown 999:998 /data && chmod 0711 /data"
)
# What of it can be seen from inside: owner, mode, links, size, and content.
TELL = "cd /data && find . | sort | xargs stat -c '%n %u %g %a %h %s %F' && find . -type f | sort | xargs sha256sum"


def compose(name: str, services: str, rest: str = "") -> str:
    return f"name: {name}\nservices:\n{services}{rest}"


def sleeper(service: str, *more: str) -> str:
    lines = [f"image: {BASE_IMAGE}", "init: true", "command: [sleep, '86400']", "stop_grace_period: 1s", *more]
    return f"  {service}:\n" + "".join(f"    {line}\n" for line in lines)


@pytest.fixture
def store(scope: EngineScope, tmp_path: Path) -> Iterator[Shop]:
    """One service with a filled volume, settled, and its controller."""
    text = compose(scope.name, sleeper("db", 'volumes: ["data:/data"]'), "volumes: {data: {}}\n")
    repo = GitRepo.create(tmp_path, {"compose.yaml": text}, name=scope.name)
    controller = Controller(scope.name, (repo.remote,), tmp_path / "controller")
    with running(controller):
        shop = Shop(scope, scope.name, repo, controller, None)
        shop.eventually_settled()
        inside(scope, f"{scope.name}-db-1", "sh", "-c", FILL)
        yield shop


def told(shop: Shop, service: str = "db") -> str:
    text = inside(shop.scope, f"{shop.name}-{service}-1", "sh", "-c", TELL)
    assert "rows" in text
    return text


def volumes(shop: Shop) -> set[str]:
    kept = shop.scope.api.volumes(filters={"label": f"com.docker.compose.project={shop.name}"})["Volumes"] or []
    return {volume["Name"] for volume in kept}


def held_removal(shop: Shop) -> str:
    """The command that approves the removal, as status shows it."""

    def found() -> str:
        resources = shop.controller.status(shop.name).get("resources", [])
        text = json.dumps(resources)
        match = re.search(rf"trimtab approve {shop.name} ([0-9a-f]+)", text)
        assert match, text
        return match[1]

    return eventually(found, what="the removal of the volume is offered")


def test_an_approved_removal_is_archived_first_and_can_be_put_back(store: Shop) -> None:
    before = told(store)
    volume = f"{store.name}_data"
    plain = compose(store.name, sleeper("web"))
    store.push({"compose.yaml": plain}, "no database any more")
    store.eventually_settled()
    assert volumes(store) == {volume}
    name = held_removal(store)

    # Another commit that changes the application: the approval of the old state is worth nothing.
    store.push({"compose.yaml": plain.replace("86400", "86401")}, "another change")
    store.eventually_settled()
    said = store.controller.trimtab("approve", store.name, name)
    assert said.code == 0, said.text
    again = held_removal(store)
    assert again != name
    assert volumes(store) == {volume}

    assert store.controller.trimtab("approve", store.name, again).code == 0
    [message] = store.eventually_tells("VolumeRemoved", volume)
    assert volumes(store) == set()
    archive = Path(message.rpartition(" ")[2])
    manifest = json.loads((archive / "manifest.json").read_text())
    assert (manifest["volume"], manifest["approval"][:12]) == (volume, again)
    tar = (archive / "volume.tar").read_bytes()
    assert (archive / "SHA256SUMS").read_text() == f"{hashlib.sha256(tar).hexdigest()}  volume.tar\n"
    assert (archive.stat().st_mode & 0o777, (archive / "volume.tar").stat().st_mode & 0o777) == (0o700, 0o600)

    # Put back as docs/guide/data.md says: with `docker cp - CONTAINER:/`.
    api = store.scope.api
    api.create_volume(volume)
    config = api.create_host_config(binds=[f"{volume}:/volume"])
    made = api.create_container(BASE_IMAGE, ["true"], volumes=["/volume"], host_config=config)
    try:
        assert api.put_archive(made["Id"], "/", tar)
    finally:
        api.remove_container(made["Id"], force=True)
    look = api.create_container(
        BASE_IMAGE, ["sh", "-c", TELL], volumes=["/data"],
        host_config=api.create_host_config(binds=[f"{volume}:/data"]),
    )  # fmt: skip
    try:
        api.start(look["Id"])
        assert api.wait(look["Id"])["StatusCode"] == 0
        assert api.logs(look["Id"]).decode().strip() == before
    finally:
        api.remove_container(look["Id"], force=True)
        api.remove_volume(volume)


def mounted(shop: Shop, service: str, target: str) -> str:
    mounts = shop.scope.api.inspect_container(f"{shop.name}-{service}-1")["Mounts"]
    return str(next(mount["Name"] for mount in mounts if mount["Destination"] == target))


def attached(shop: Shop, service: str) -> set[str]:
    return set(shop.scope.api.inspect_container(f"{shop.name}-{service}-1")["NetworkSettings"]["Networks"])


@pytest.fixture(scope="module")
def nameless(module_scope: EngineScope) -> Iterator[list[str]]:
    """Volumes without a name that the product rightly leaves; taken away here, if their container has gone already."""
    volumes: list[str] = []
    yield volumes
    for volume in volumes:
        with contextlib.suppress(docker.errors.APIError):
            module_scope.api.remove_volume(volume)


def test_service_volume_and_network_are_renamed_and_keep_what_they_have(store: Shop, nameless: list[str]) -> None:
    """In one commit; not a byte, an owner or a mode is another, and what only changes its network does not stop."""
    name, before = store.name, told(store)
    everything = compose(
        name,
        sleeper("db", 'volumes: ["data:/data", /scratch]', "networks: [front]") + sleeper("web", "networks: [front]"),
        "volumes: {data: {}}\nnetworks: {front: {}}\n",
    )
    store.push({"compose.yaml": everything}, "an anonymous volume and a network")
    store.eventually_settled()
    inside(store.scope, f"{name}-db-1", "sh", "-c", "echo kept >/scratch/note")
    scratch, web = mounted(store, "db", "/scratch"), store.container("web")

    renamed = everything.replace("db:", "database:", 1).replace("data:/", "rows:/").replace("{data:", "{rows:")
    renamed = renamed.replace("front", "edge")
    store.push({"compose.yaml": renamed}, "names are not said to have moved")
    store.eventually_says("TT3204", "moved: [{kind: Volume, from: data, to: rows}]")
    assert told(store) == before

    kinds = (("Service", "db", "database"), ("Volume", "data", "rows"), ("Network", "front", "edge"))
    moved = "".join(f"    - {{kind: {kind}, from: {old}, to: {new}}}\n" for kind, old, new in kinds)
    store.push({"compose.yaml": f"{renamed}x-trimtab:\n  moved:\n{moved}"}, "they have moved")
    store.eventually_settled()
    assert set(store.containers()) == {f"{name}-database-1", f"{name}-web-1"}
    assert told(store, "database") == before
    assert mounted(store, "database", "/data") == f"{name}_rows"
    assert mounted(store, "database", "/scratch") == scratch
    assert inside(store.scope, f"{name}-database-1", "cat", "/scratch/note") == "kept"
    assert volumes(store) == {f"{name}_data", f"{name}_rows"}
    assert {item["Name"] for item in store.scope.networks()} == {f"{name}_edge"}
    assert attached(store, "web") == attached(store, "database") == {f"{name}_edge"}
    assert store.container("web") == web, "neither replaced nor restarted"

    # A volume that differs from Git only in what cannot be changed is left alone, and Git is told how to go on.
    run = store.controller.last_run()
    other = renamed.replace("{rows: {}}", "{rows: {driver_opts: {type: tmpfs, device: tmpfs}}}")
    store.push({"compose.yaml": f"{other}x-trimtab:\n  moved:\n{moved}"}, "another kind of volume")
    eventually(
        lambda: "-> tmpfs" in json.dumps(store.controller.status(name).get("resources", [])),
        what="the status says what differs",
    )
    assert store.controller.last_run() == run, "nothing was done"
    assert told(store, "database") == before
    store.scope.api.remove_container(f"{name}-database-1", force=True, v=True)
    eventually(lambda: store.scope.api.containers(filters={"name": f"{name}-database-1"}), what="it is healed")
    assert mounted(store, "database", "/data") == f"{name}_rows"
    nameless += [scratch, mounted(store, "database", "/scratch")]


def test_killed_at_the_steps_of_a_volume_move(store: Shop) -> None:
    """In the copy, at the start of the new container, and at the end of the move."""
    name, controller = store.name, store.controller
    names = ["data", *(f"v{number}" for number in range(6))]
    before = told(store)
    for number, step in enumerate((2, 4, 6)):
        old, new = names[number : number + 2]
        text = compose(name, sleeper("db", f'volumes: ["{new}:/data"]'), f"volumes: {{{new}: {{}}}}\n")
        run = controller.last_run()
        move = f"x-trimtab: {{moved: [{{kind: Volume, from: {old}, to: {new}}}]}}\n"
        store.push({"compose.yaml": text + move}, f"{old} is called {new}")
        assert kill_at_step(controller, step, run), "the sync was over before"
        controller.start()
        store.eventually_settled()
        assert set(store.containers()) == {f"{name}-db-1"}
        assert mounted(store, "db", "/data") == f"{name}_{new}"
        assert told(store) == before
        assert {f"{name}_{old}", f"{name}_{new}"} <= volumes(store)
