"""``trimtab adopt`` on a real engine: what runs is taken over as it is, and looked after from then on."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.support.composed import Composed
from tests.support.engine import BASE_IMAGE, EngineScope
from trimtab.cli.main import app as command

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("ignore::ResourceWarning")]

COMPOSE = """\
name: {name}
services:
  web:
    image: {image}
    init: true
    command: [sleep, "86400"]
    environment: {{GREETING: hello}}
    mem_limit: 64m
    stop_grace_period: 1s
  store:
    image: {image}
    init: true
    command: [sleep, "86400"]
    stop_grace_period: 1s
    volumes: ["data:/data"]
volumes: {{data: {{}}}}
"""


@dataclass
class Place:
    """A directory of manifests and what the commands keep."""

    scope: EngineScope
    folder: Path
    project: Composed

    @property
    def name(self) -> str:
        return self.scope.name

    def write(self, change: Callable[[str], str] = lambda text: text) -> None:
        text = COMPOSE.format(name=self.name, image=BASE_IMAGE)
        (self.folder / "app").mkdir(exist_ok=True)
        (self.folder / "app" / "compose.yaml").write_text(change(text), encoding="utf-8")

    def run(self, verb: str, *arguments: str, installation: str = "", data: str = "data") -> Result:
        return self.run_where_it_stands(
            verb, str(self.folder / "app"), *arguments, installation=installation, data=data
        )

    def run_where_it_stands(self, verb: str, *arguments: str, installation: str = "", data: str = "data") -> Result:
        place = ["--data-dir", str(self.folder / data), "--installation", installation or self.name]
        return CliRunner().invoke(command, [verb, *arguments, *place])

    def adopt(self, *arguments: str) -> str:
        done = self.run("adopt", "--yes", *arguments)
        assert done.exit_code == 0, done.output
        return str(done.output)

    def plan(self, expected: int = 0) -> str:
        done = self.run("plan")
        assert done.exit_code == expected, done.output
        return str(done.output)

    def apply(self) -> str:
        done = self.run("apply", "--yes")
        assert done.exit_code == 0, done.output
        return str(done.output)

    def up(self) -> dict[str, str]:
        """What ``docker compose up`` would have made of the first version of the file; ids by service."""
        self.project.network()
        volume = self.project.volume("data")
        web = self.project.container(
            "web", environment={"GREETING": "hello"}, host={"mem_limit": 64 << 20}, stop_timeout=1
        )
        store = self.project.container("store", host={"binds": [f"{volume}:/data:rw"]}, stop_timeout=1)
        return {"web": web, "store": store}

    def ids(self) -> dict[str, str]:
        label = "com.docker.compose.service"
        return {item["Labels"].get(label, ""): item["Id"] for item in self.scope.containers()}

    def records(self) -> list[str]:
        return [v["Name"] for v in self.scope.volumes() if v["Name"].startswith(f"trimtab_{self.name}_adopted_")]

    def name_of(self, container_id: str) -> str:
        return str(self.scope.api.inspect_container(container_id)["Name"]).lstrip("/")


@pytest.fixture
def place(scope: EngineScope, tmp_path: Path) -> Iterator[Place]:
    made = Place(scope, tmp_path, Composed(scope, scope.name))
    made.write()
    return made


def test_a_project_is_taken_over_as_it_is_and_looked_after_from_then_on(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = place.up()
    started = {i: place.scope.api.inspect_container(i)["State"]["StartedAt"] for i in before.values()}
    assert "TT3010" in place.plan(expected=3)
    monkeypatch.chdir(place.folder / "app")
    refused = place.run_where_it_stands("adopt")
    assert refused.exit_code == 1
    assert "nobody to ask" in refused.output
    assert place.records() == []

    said = place.adopt()
    assert said.count("matches Git") == 4, said
    assert "The next sync has nothing to do." in said
    assert "Plan: nothing to do." in place.plan()
    assert "nothing to do" in place.apply()
    # Everything in the data directory may be lost: the record is on the engine.
    shutil.rmtree(place.folder / "data")
    assert "Plan: nothing to do." in place.plan()
    assert place.ids() == before
    assert {i: place.scope.api.inspect_container(i)["State"]["StartedAt"] for i in before.values()} == started
    # Somebody else's key knows nothing of it.
    other = place.run("plan", installation=f"{place.name}-b", data="other")
    assert "TT3010" in other.output

    # In place, drift, a stopped one: the same containers all along.
    place.write(lambda text: text.replace("64m", "96m"))
    assert "96 MiB" in place.apply()
    place.scope.api.update_container(before["web"], mem_limit=80 << 20, memswap_limit=160 << 20)
    assert "differs from Git" in place.apply()
    place.scope.api.stop(before["store"], timeout=1)
    assert "will be started" in place.apply()
    assert place.ids() == before
    assert place.scope.api.inspect_container(before["web"])["HostConfig"]["Memory"] == 96 << 20

    # A replacement is ours by its labels; the record stays as long as something of it is there.
    place.write(lambda text: text.replace("64m", "96m").replace("hello", "goodbye"))
    place.apply()
    after = place.ids()
    assert after["web"] != before["web"]
    assert after["store"] == before["store"]
    assert "Plan: nothing to do." in place.plan()
    assert len(place.records()) == 1

    deleted = CliRunner().invoke(
        command, ["delete", place.name, "--yes", "--data-dir", str(place.folder / "data"), "--installation", place.name]
    )
    assert deleted.exit_code == 0, deleted.output
    assert place.scope.containers() == []
    assert place.scope.networks() == []
    volumes = {v["Name"] for v in place.scope.volumes()}
    assert f"{place.name}_data" in volumes


def test_names_of_compose_1_are_changed_without_a_restart(place: Place) -> None:
    place.project = Composed(place.scope, place.name, separator="_")
    before = place.up()
    said = place.adopt()
    assert "was adopted under another name" in said
    assert place.name_of(before["web"]) == f"{place.name}_web_1"
    started = place.scope.api.inspect_container(before["web"])["State"]["StartedAt"]
    place.apply()
    assert place.ids() == before
    assert place.name_of(before["web"]) == f"{place.name}-web-1"
    assert place.scope.api.inspect_container(before["web"])["State"]["StartedAt"] == started
    assert "Plan: nothing to do." in place.plan()
    # By whatever name: it is ours by its id.
    place.scope.api.rename(before["web"], f"{place.name}-by-hand")
    assert "was adopted under another name" in place.apply()
    assert place.ids() == before


def test_what_is_not_for_us_is_left_alone_and_counted(place: Place) -> None:
    ours = place.up()
    extra = place.project.container("cron")
    once = place.project.container("web", 7, oneoff=True)
    swarm = place.project.container("web", 8, labels={"com.docker.swarm.service.id": "x"})
    other = place.project.container("store", 2, labels={"trimtab.dev/installation": "another"})
    said = place.adopt()
    assert "'cron' is not in Git" in said
    assert "one-off" in said
    assert "Swarm" in said
    assert "installation 'another'" in said
    assert "The next sync has nothing to do." in said
    assert "nothing to do" in place.apply()
    assert {i["Id"] for i in place.scope.containers()} == {*ours.values(), extra, once, swarm, other}
    named = place.run("adopt", "--yes", "--container", f"{other[:12]}=store")
    assert named.exit_code == 1
    assert "installation 'another'" in named.output
    again = place.run("adopt", "--yes")
    assert again.exit_code == 0, again.output
    assert "looked after already" in again.output


def test_data_that_would_be_left_behind_is_an_error(place: Place) -> None:
    place.up()
    # An application of another name: its volume would be another one, and empty.
    place.write(lambda text: text.replace(f"name: {place.name}", f"name: {place.name}-new"))
    refused = place.run("adopt", "--yes", "--project", place.name)
    assert refused.exit_code == 1
    assert "data would be left behind" in refused.output
    assert place.records() == []
    place.write(
        lambda text: text.replace(f"name: {place.name}", f"name: {place.name}-new").replace(
            "data: {}", f"data: {{name: {place.name}_data}}"
        )
    )
    said = place.adopt("--project", place.name)
    # Its network is another one, which the containers join where they run, or anew; their data stays in any case.
    assert f"{place.name}-new_default" in said
    place.apply()
    store = place.scope.api.inspect_container(f"{place.name}-new-store-1")
    assert f"{place.name}-new_default" in store["NetworkSettings"]["Networks"]
    assert [mount["Name"] for mount in store["Mounts"]] == [f"{place.name}_data"]
    assert "Plan: nothing to do." in place.plan()


def test_single_containers_become_services(place: Place) -> None:
    api = place.scope.api
    made = api.create_container(
        BASE_IMAGE,
        ["sleep", "86400"],
        name=f"{place.name}-by-hand",
        environment={"GREETING": "hi"},
        host_config=api.create_host_config(init=True),
    )
    api.start(made["Id"])
    text = (
        f"name: {place.name}\nservices:\n  one:\n    image: {BASE_IMAGE}\n    init: true\n"
        "    command: [sleep, '86400']\n"
        f"    container_name: {place.name}-by-hand\n    network_mode: bridge\n    environment: {{GREETING: hello}}\n"
    )
    place.write(lambda _text: text)
    missing = place.run("adopt", "--yes", "--container", f"{place.name}-none=one")
    assert missing.exit_code == 1
    said = place.adopt("--container", f"{place.name}-by-hand=one")
    assert "the next sync replaces it" in said
    assert "hi -> hello" in said
    assert {i["Id"] for i in place.scope.containers()} == {made["Id"]}
    place.write(lambda _text: text.replace("hello", "hi"))
    assert "Plan: nothing to do." in place.plan()
    place.write(lambda _text: text)
    place.apply()
    assert made["Id"] not in {i["Id"] for i in place.scope.containers()}
    # Nothing that was adopted is left, so neither is the record.
    assert place.records() == []
