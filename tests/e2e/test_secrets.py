"""No secret value is in a label, an answer of a command, the log, the data directory or a process's arguments (I7)."""

from __future__ import annotations

import contextlib
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from tests.support.engine import EngineScope
from tests.support.scenario import Shop, free_port, inside, running
from tests.support.waiting import eventually

pytestmark = [pytest.mark.engine, pytest.mark.e2e]

FIRST, SECOND = "canary-7f3a-first", "canary-7f3a-second"
CANARY = "canary-7f3a"
SERVICE = """\
  vault:
    image: busybox:1.36
    init: true
    stop_grace_period: 1s
    command: [sleep, "86400"]
    environment: {API_TOKEN: "${API_TOKEN}"}
    env_file: [vault.env]
    secrets: [token, from_variable]
    configs: [{source: conf, target: /etc/conf}]
    logging: {driver: json-file, options: {tag: "${API_TOKEN}"}}
"""
REST = """\
secrets: {token: {file: ./token}, from_variable: {environment: API_TOKEN}}
configs: {conf: {content: "password=${API_TOKEN}"}}
"""
API = ("/", "/metrics", "/readyz", "/api/v1/applications", "/api/v1/events?limit=1000")
OF_IT = ("", "/plan", "/resources", "/history", "/events?limit=1000", "/logs")


def secrets(value: str) -> dict[str, str | bytes | None]:
    """The files that a secret comes from."""
    return {"token": f"{value}\n", ".env": f"API_TOKEN={value}\n", "vault.env": f"VAULT_PASSWORD={value}\n"}


@pytest.fixture(scope="module")
def running_shop(module_scope: EngineScope, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """As for the other scenarios, and it listens."""
    listen = ("--listen", f"127.0.0.1:{free_port()}")
    made = Shop.create(module_scope, tmp_path_factory.mktemp("shop"), port=free_port(), options=listen)
    with running(made.controller):
        yield made


class Arguments:
    """Looks at the arguments of every process, again and again, until told to stop."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self.rounds = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.02):
            self.rounds += 1
            for entry in Path("/proc").iterdir():
                if entry.name.isdigit():
                    with contextlib.suppress(OSError):
                        text = (entry / "cmdline").read_bytes()
                        if CANARY.encode() in text:
                            self.seen.add(text.replace(b"\0", b" ").decode(errors="replace"))


def test_a_secret_is_nowhere_but_where_it_belongs(shop: Shop) -> None:
    compose = (shop.repo.path / "compose.yaml").read_text(encoding="utf-8")
    compose = compose.replace("\nnetworks: {front", f"\n{SERVICE}networks: {{front") + REST
    with Arguments() as arguments:
        shop.push({"compose.yaml": compose, **secrets(FIRST)}, "a vault")
        shop.eventually_settled()
        assert found_inside(shop) == [FIRST] * 5

        assert shop.controller.trimtab("suspend", shop.name).code == 0
        shop.push(secrets(SECOND), "another secret")
        repo = ("--repo", str(shop.repo.remote))
        plan = shop.controller.folder / "plan.json"
        said = [shop.controller.trimtab("plan", *repo, "-o", form).text for form in ("text", "json", "markdown")]
        said += [shop.controller.trimtab("diff", shop.name).text, *answers(shop)]
        assert shop.controller.trimtab("plan", *repo, "--out", str(plan)).code in {0, 2}
        said.append(plan.read_text(encoding="utf-8"))
        assert "vault" in said[0]
        assert "(secret" in said[0]
        assert shop.controller.trimtab("resume", shop.name).code == 0
        shop.eventually_settled()
        assert found_inside(shop) == [SECOND] * 5

        shop.push(shop.edit("    env_file: [vault.env]", '    mem_limit: "${API_TOKEN}"'), "a password for a limit")
        shop.eventually_says("mem_limit")
        said += answers(shop)
        said += [
            shop.controller.trimtab(verb, shop.name, "-o", "json").text for verb in ("status", "events", "history")
        ]
    assert arguments.rounds > 10
    assert arguments.seen == set()
    assert [text for text in said if CANARY in text] == []
    assert CANARY not in shop.controller.log
    assert _labels(shop) != []
    assert [labels for labels in _labels(shop) if CANARY in labels] == []

    def files_with_it() -> list[str]:
        found = (file for file in shop.controller.data_dir.rglob("*") if file.is_file())
        return [str(file) for file in found if CANARY.encode() in file.read_bytes()]

    assert files_with_it() == []
    eventually(
        lambda: not shop.controller.ask("SELECT 1 FROM events WHERE fields LIKE ?", f"%{CANARY}%"), what="no event"
    )


def found_inside(shop: Shop) -> list[str]:
    """What the container finds, wherever it is handed a secret."""
    name = f"{shop.name}-vault-1"
    script = (
        "cat /run/secrets/token /run/secrets/from_variable; echo; echo $API_TOKEN; echo $VAULT_PASSWORD; cat /etc/conf"
    )
    return [
        line.removeprefix("password=") for line in inside(shop.scope, name, "sh", "-c", script).splitlines() if line
    ]


def answers(shop: Shop) -> list[str]:
    """All that the HTTP listener tells."""
    address = f"http://{shop.controller.options[1]}"
    paths = (*API, *(f"/api/v1/applications/default/{shop.name}{path}" for path in OF_IT))
    found = []
    for path in paths:
        try:
            with urllib.request.urlopen(address + path, timeout=60) as answer:
                found.append(answer.read().decode())
        except urllib.error.HTTPError as refusal:
            found.append(refusal.read().decode())
    return found


def _labels(shop: Shop) -> list[str]:
    scope = shop.scope
    found = [scope.api.inspect_container(item["Id"])["Config"]["Labels"] for item in scope.containers()]
    found += [item["Labels"] for item in (*scope.networks(), *scope.volumes(), *scope.images())]
    return [json.dumps(labels) for labels in found]
