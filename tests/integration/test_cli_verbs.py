"""logs, images, rollback and delete on a real engine: one small application beside another in one repository."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass

import docker
import pytest
from typer.testing import CliRunner, Result

from tests.support.engine import BASE_IMAGE, EngineScope
from tests.support.gitrepo import GitRepo
from tests.support.waiting import eventually
from trimtab import wiring
from trimtab.backends.engine.lock import EngineLock
from trimtab.backends.engine.output import ApplicationOutput
from trimtab.cli.main import app as command
from trimtab.cli.watched import remember
from trimtab.config import Config, RepositoryConfig
from trimtab.model.keys import AppKey

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("ignore::ResourceWarning")]

SHOP = """\
name: {name}
services:
  web:
    build: ./web
    init: true
    command: [sh, -c, "cat /version; echo to-stderr >&2; exec sleep 86400"]
    volumes: ["data:/data"]
  teller:
    image: {image}
    init: true
    tty: true
    command: [sh, -c, "echo from a terminal; exec sleep 86400"]
volumes: {{data: {{}}}}
"""
OTHER = "services: {{idle: {{image: '{image}', init: true, command: [sleep, '{seconds}']}}}}\nname: {name}\n"


@dataclass(frozen=True)
class Place:
    """A repository with two applications, and the state of the commands that are run on it."""

    scope: EngineScope
    repo: GitRepo
    config: Config

    @property
    def shop(self) -> str:
        return self.scope.name

    @property
    def other(self) -> str:
        return f"{self.scope.name}-other"

    def files(self, version: str) -> dict[str, str]:
        return {
            "apps/shop/compose.yaml": SHOP.format(name=self.shop, image=BASE_IMAGE),
            "apps/shop/web/Dockerfile": f"FROM {BASE_IMAGE}\nCOPY version /version\n",
            "apps/shop/web/version": f"{version}\n",
        }

    def run(self, verb: str, *arguments: str) -> Result:
        place = ["--data-dir", str(self.config.data_dir)]
        if verb not in {"rollback", "history", "status"}:
            place += ["--installation", self.config.installation]
        return CliRunner().invoke(command, [verb, *arguments, *place])

    def apply(self) -> None:
        done = self.run("apply", "--repo", self.repo.url, "--yes")
        assert done.exit_code == 0, done.output

    def said(self) -> str:
        logs = self.run("logs", self.shop, "web")
        assert logs.exit_code == 0, logs.output
        return logs.stdout


@pytest.fixture(scope="module")
def place(module_scope: EngineScope, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Version one is deployed, twice of the other application."""
    folder = tmp_path_factory.mktemp("cli")
    repo = GitRepo.create(folder, {"README": "apps\n"})
    settings = RepositoryConfig(url=repo.url)
    made = Place(module_scope, repo, Config(data_dir=folder / "data", installation=module_scope.name))
    other = OTHER.format(image=BASE_IMAGE, name=made.other, seconds=1000)
    repo.deploy({**made.files("version-one"), "apps/other/compose.yaml": other}, "version one")
    made.apply()
    store = wiring.open_store(made.config)
    remember(store.facts, [settings])
    store.close()
    return made


def test_logs_show_each_container_and_stream(place: Place) -> None:
    shown = place.run("logs", place.shop)
    assert shown.exit_code == 0, shown.output
    assert "web-1    | version-one\n" in shown.stdout or "web-1 | version-one\n" in shown.stdout
    assert "teller-1 | from a terminal\n" in shown.stdout
    assert "to-stderr" in shown.stderr
    assert "to-stderr" not in shown.stdout
    only = place.run("logs", place.shop, "teller", "--tail", "1", "--timestamps")
    assert only.stdout.startswith("teller-1 | 20")
    assert only.stdout.endswith("Z from a terminal\n")
    lines = [json.loads(text) for text in place.run("logs", place.shop, "-o", "json").stdout.splitlines()]
    assert {(item["service"], item["stream"], item["line"]) for item in lines} == {
        ("web", "stdout", "version-one"),
        ("web", "stderr", "to-stderr"),
        ("teller", "stdout", "from a terminal"),
    }
    assert {item["container"] for item in lines} == {f"{place.shop}-web-1", f"{place.shop}-teller-1"}


def test_logs_of_what_is_not_there_say_what_is(place: Place) -> None:
    missing = place.run("logs", place.shop, "nobody")
    assert missing.exit_code == 1
    assert "there are: teller, web" in missing.stderr
    missing = place.run("logs", "no-such-application")
    assert missing.exit_code == 1
    assert "nothing of 'no-such-application' runs here" in missing.stderr
    assert place.run("logs", place.shop, "--tail", "few").exit_code == 1


def test_anothers_container_with_our_names_and_labels_is_not_shown(place: Place, docker_api: docker.APIClient) -> None:
    labels = docker_api.inspect_container(f"{place.shop}-web-1")["Config"]["Labels"]
    name = f"{place.shop}-web-2"
    made = docker_api.create_container(BASE_IMAGE, ["echo", "i am a forgery"], name=name, labels=labels)
    try:
        docker_api.start(made)
        docker_api.wait(made)
        assert "forgery" not in place.run("logs", place.shop).output
    finally:
        docker_api.remove_container(made, force=True)


def test_following_survives_a_restart_and_repeats_nothing(place: Place, docker_api: docker.APIClient) -> None:
    engine = wiring.open_engine(place.config, keep_key=False)
    output = ApplicationOutput(engine.driver, AppKey.parse(place.shop), "web", follow=True)
    seen: list[str] = []

    def read_on() -> None:
        # As they come: extend() would only show them at the end.
        for line in output:
            seen.append(line.text)  # noqa: PERF401

    thread = threading.Thread(target=read_on, daemon=True)
    thread.start()
    try:
        eventually(lambda: seen.count("version-one") == 1, what="the line from before")
        docker_api.restart(f"{place.shop}-web-1", timeout=1)
        eventually(lambda: seen.count("version-one") == 2, what="the line of the new run")
        assert len(seen) == 4
    finally:
        output.close()
        thread.join(20)
        engine.close()
    assert not thread.is_alive()


def test_images_tell_what_they_were_built_from_and_who_needs_them(place: Place) -> None:
    listed = json.loads(place.run("images", place.shop, "-o", "json").stdout)["images"]
    (image,) = listed
    assert image["ref"].startswith(f"trimtab/default/{place.shop}-web:")
    assert image["commit"] == place.repo.head()
    assert image["path"] == "apps/shop/web"
    assert image["containers"] == [f"{place.shop}-web-1"]
    assert image["releases"] == [f"{place.shop}#1"]
    text = place.run("images").stdout
    assert image["ref"] in text
    assert f"{place.shop}-web-1, release {place.shop}#1" in text
    assert "no image of" in place.run("images", place.other).stdout


def test_rollback_takes_back_what_is_the_applications_and_leaves_the_others(place: Place) -> None:
    first = place.repo.head()
    place.repo.deploy(place.files("version-two"), "version two")
    other = OTHER.format(image=BASE_IMAGE, name=place.other, seconds=2000)
    place.repo.deploy({"apps/other/compose.yaml": other, "README": "more\n"}, "the other one")
    place.apply()
    assert "version-two" in place.said()
    done = place.run("rollback", place.shop)
    assert done.exit_code == 0, done.output
    assert "back to release 1" in done.stdout
    assert "apps/shop" in done.stdout
    place.repo.git("pull", "--quiet", "origin", "main")
    assert place.repo.tree("apps/shop") == place.repo.tree("apps/shop", first)
    assert "2000" in (place.repo.path / "apps/other/compose.yaml").read_text()
    assert (place.repo.path / "README").read_text() == "more\n"
    assert f"release {1}" in place.repo.git("log", "-1", "--format=%B")
    place.apply()
    assert place.said().endswith("version-one\n")
    listed = json.loads(place.run("images", place.shop, "-o", "json").stdout)["images"]
    assert len(listed) == 2


def test_rollback_says_why_it_cannot(place: Place) -> None:
    unknown = place.run("rollback", place.shop, "--to", "99")
    assert unknown.exit_code == 1
    assert "has no release 99" in unknown.stderr
    same = place.run("rollback", place.shop, "--to", "1")
    assert same.exit_code == 1
    assert "as it was in release 1 already" in same.stderr
    stranger = place.run("rollback", "no-such-application")
    assert stranger.exit_code == 1
    assert "there is no application 'no-such-application'" in stranger.stderr


def test_rollback_over_a_broken_manifest(place: Place) -> None:
    good = place.repo.tree("apps/shop")
    place.repo.deploy({"apps/shop/compose.yaml": "services: {web: [\n"}, "a slip")
    done = place.run("rollback", place.shop, "--to", "1", "-o", "json")
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    assert answer["release"] == 1
    place.repo.git("pull", "--quiet", "origin", "main")
    assert place.repo.head() == answer["commit"]
    assert place.repo.tree("apps/shop") == good


def test_delete_keeps_volumes_asks_and_minds_a_running_controller(place: Place) -> None:
    asked = place.run("delete", place.shop)
    assert asked.exit_code == 1
    assert "--yes" in asked.stderr
    engine = wiring.open_engine(place.config, keep_key=False)
    try:
        with EngineLock(engine.client, place.config.installation, on_lost=lambda _why: None):
            refused = place.run("delete", place.shop, "--yes")
    finally:
        engine.close()
    assert refused.exit_code == 3
    assert "would be brought back" in refused.stderr
    assert len(place.scope.containers()) == 3
    done = place.run("delete", place.shop, "--yes")
    assert done.exit_code == 0, done.output
    assert f"its volumes are kept: {place.shop}_data" in done.stdout
    assert "brings it back" in done.stderr
    assert [c["Names"][0] for c in place.scope.containers()] == [f"/{place.other}-idle-1"]
    assert f"{place.shop}_data" in {volume["Name"] for volume in place.scope.volumes()}
    again = place.run("delete", place.shop, "--yes")
    assert again.exit_code == 0
    assert "nothing of" in again.stdout
    assert place.shop not in {line.split()[0] for line in place.run("status").stdout.splitlines()}


def test_delete_beside_a_controller_when_git_has_it_no_more(place: Place) -> None:
    place.repo.write({"apps/other/compose.yaml": None})
    place.repo.deploy({}, "the other one goes")
    engine = wiring.open_engine(place.config, keep_key=False)
    try:
        with EngineLock(engine.client, place.config.installation, on_lost=lambda _why: None):
            done = place.run("delete", place.other, "--yes")
    finally:
        engine.close()
    assert done.exit_code == 0, done.output
    assert "brings it back" not in done.stderr
    assert place.scope.containers() == []


def test_doctor_finds_the_engine_and_the_key(place: Place) -> None:
    done = place.run("doctor", "-o", "json")
    assert done.exit_code == 0, done.output
    checks = {check["check"]: check for check in json.loads(done.stdout)["checks"]}
    assert checks["engine"]["state"] == "ok"
    assert checks["key"]["message"].endswith("its key is kept here and on the engine")
    (place.config.data_dir / "installation.key").write_text("ab" * 32 + "\n")
    broken = place.run("doctor")
    assert broken.exit_code == 1
    assert "is not the one that the engine keeps" in broken.stdout
