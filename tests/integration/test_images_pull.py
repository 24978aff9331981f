"""Pulling from a real registry: open, with a login, away; and looking up what the engine has."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.support.engine import BASE_IMAGE, EngineScope, connect
from tests.support.memory_tree import MemoryTree
from tests.support.registry import PASSWORD, USER, NoRegistryError, Registry, registry_program, running_registry
from trimtab.errors import BackendUnavailable, BuildFailed, Conflict, DeadlineExceeded, RegistryUnavailable, UserError
from trimtab.images.builder import EngineBuilder
from trimtab.images.buildkey import build_plan
from trimtab.images.pins import ImagePins
from trimtab.images.pull import EnginePuller
from trimtab.model.diagnostics import Origin

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    try:
        return registry_program(tmp_path_factory.mktemp("registry-program"))
    except NoRegistryError as error:
        if os.environ.get("REQUIRE_DOCKER") == "1":
            pytest.fail(f"{error} (REQUIRE_DOCKER=1)", pytrace=False)
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def registry(program: str, engine_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with running_registry(program, tmp_path_factory.mktemp("registry")) as running:
        with contextlib.closing(connect(engine_url)) as api:
            try:
                pull(api, f"{running.address}/nothing:1")
            except RegistryUnavailable:
                pytest.skip("the engine is on another host or in another network than these tests and their registry")
            except UserError:
                pass
        yield running
        forget_digests(running)


@pytest.fixture
def guarded(program: str, registry: Registry, tmp_path: Path) -> Iterator[Registry]:
    with running_registry(program, tmp_path / "guarded", login=True) as running:
        yield running
        forget_digests(running)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A docker configuration of this test's own, without logins."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    return tmp_path / "config.json"


def forget_digests(registry: Registry) -> None:
    """A pull leaves a digest's name on the image, which here is everybody's base image."""
    with contextlib.closing(connect()) as api:
        for digest in api.inspect_image(BASE_IMAGE)["RepoDigests"]:
            if digest.startswith(f"{registry.address}/"):
                api.remove_image(digest)


def log_in(config: Path, registry: Registry) -> None:
    token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    config.write_text(json.dumps({"auths": {registry.address: {"auth": token}}}))


def published(scope: EngineScope, registry: Registry, *, login: bool = False) -> str:
    """The base image under a name in ``registry``, pushed and not on the engine any more."""
    ref = f"{registry.address}/{scope.name}-image:1"
    scope.api.tag(BASE_IMAGE, ref)
    try:
        credentials = {"username": USER, "password": PASSWORD} if login else None
        said = list(scope.api.push(ref, stream=True, decode=True, auth_config=credentials))
        assert not [line for line in said if "error" in line], said
    finally:
        scope.api.remove_image(ref)
    return ref


def pull(api: docker.APIClient, ref: str, lines: list[str] | None = None) -> str:
    log = [].append if lines is None else lines.append
    return EnginePuller(api).pull(ref, platform="", log=log, cancelled=threading.Event(), timeout_s=60)


def test_pulls_and_reports_progress(registry: Registry, config: Path, scope: EngineScope) -> None:
    ref = published(scope, registry)
    lines: list[str] = []
    assert (
        pull(scope.api, ref, lines) == scope.api.inspect_image(ref)["Id"] == scope.api.inspect_image(BASE_IMAGE)["Id"]
    )
    assert any("Pulling from" in line for line in lines)


def test_pulls_by_digest(registry: Registry, config: Path, scope: EngineScope) -> None:
    ref = published(scope, registry)
    pull(scope.api, ref)
    name = ref.rpartition(":")[0]
    (digest,) = (d for d in scope.api.inspect_image(ref)["RepoDigests"] if d.startswith(f"{name}@"))
    assert pull(scope.api, digest) == scope.api.inspect_image(ref)["Id"]


def test_what_is_not_there_is_the_users_to_put_right(registry: Registry, config: Path, scope: EngineScope) -> None:
    with pytest.raises(UserError, match="does not exist"):
        pull(scope.api, f"{registry.address}/{scope.name}/nothing:1")
    with pytest.raises(UserError, match="does not exist"):
        pull(scope.api, published(scope, registry).replace(":1", ":2"))


def test_a_registry_that_is_away_is_tried_again(config: Path, docker_api: docker.APIClient) -> None:
    with pytest.raises(RegistryUnavailable):
        pull(docker_api, "127.0.0.1:9/nothing:1")


def test_a_login_is_needed_and_taken_from_dockers_configuration(
    guarded: Registry, config: Path, scope: EngineScope
) -> None:
    ref = published(scope, guarded, login=True)
    with pytest.raises(UserError, match="may not be pulled"):
        pull(scope.api, ref)
    # A login while the controller runs counts from the next pull on.
    log_in(config, guarded)
    assert pull(scope.api, ref)


def test_a_build_takes_its_base_image_with_the_login(guarded: Registry, config: Path, scope: EngineScope) -> None:
    ref = published(scope, guarded, login=True)
    tree = MemoryTree({"Dockerfile": f"FROM {ref}\nRUN true {scope.name}\n"})
    spec, problems = build_plan(tree, {"context": "."}, origin=Origin("compose.yaml"))
    assert spec is not None, problems

    def build() -> str:
        return EngineBuilder(scope.api).build(
            spec,
            tree,
            tags=[f"{scope.name}/built:1"],
            labels=scope.labels,
            log=lambda _line: None,
            cancelled=threading.Event(),
            timeout_s=60,
        )

    with pytest.raises(BuildFailed) as caught:
        build()
    assert caught.value.instruction.startswith("FROM ")
    log_in(config, guarded)
    assert build()


def test_a_cancelled_pull_is_not_begun(config: Path, docker_api: docker.APIClient) -> None:
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(Conflict):
        EnginePuller(docker_api).pull("127.0.0.1:9/x", log=print, cancelled=cancelled, timeout_s=5)


@pytest.mark.parametrize("end", [Conflict, DeadlineExceeded])
def test_a_registry_that_takes_a_connection_and_says_nothing(
    config: Path, docker_api: docker.APIClient, end: type[Exception]
) -> None:
    cancelled = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        timer = threading.Timer(0.5, cancelled.set if end is Conflict else lambda: None)
        timer.start()
        begun = time.monotonic()
        try:
            with pytest.raises(end):
                EnginePuller(docker_api).pull(
                    f"127.0.0.1:{silent.getsockname()[1]}/x",
                    log=print,
                    cancelled=cancelled,
                    timeout_s=60 if end is Conflict else 1,
                )
        finally:
            timer.cancel()
    # Far less than the engine's own patience.
    assert time.monotonic() - begun < 10


def test_pins_ask_once_until_an_event_says_otherwise(scope: EngineScope) -> None:
    pins = ImagePins(scope.api)
    ref = f"{scope.name}-image"
    base = scope.api.inspect_image(BASE_IMAGE)["Id"]
    for _ in range(3):
        assert pins.resolve([ref, BASE_IMAGE, BASE_IMAGE]) == {ref: None, BASE_IMAGE: base}
    assert pins.lookups == 2
    scope.api.tag(BASE_IMAGE, ref)
    pins.forget(f"{ref}:latest")
    assert pins.resolve([ref, BASE_IMAGE])[ref] == base
    assert pins.lookups == 3
    # An event that names the image forgets all its names.
    pins.forget(base)
    pins.resolve([ref, BASE_IMAGE])
    assert pins.lookups == 5
    pins.forget_all()
    pins.resolve([ref])
    assert pins.lookups == 6


def test_an_engine_that_does_not_answer_is_said_so() -> None:
    with docker.APIClient(base_url="tcp://127.0.0.1:9", version="1.41", timeout=2) as api:
        with pytest.raises(BackendUnavailable):
            ImagePins(api).resolve(["busybox"])
        with pytest.raises(BackendUnavailable):
            pull(api, "busybox:1.36")
