"""No secret value is in a label, an answer of a command, the log, the data directory or a process's arguments (I7)."""

from __future__ import annotations

import contextlib
import json
import threading
from pathlib import Path
from typing import Self

import pytest

from tests.support.scenario import Shop, inside
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
    secrets: [token]
"""


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
    compose = (
        compose.replace("\nnetworks: {front", f"\n{SERVICE}networks: {{front") + "secrets: {token: {file: ./token}}\n"
    )
    with Arguments() as arguments:
        shop.push({"compose.yaml": compose, "token": f"{FIRST}\n", ".env": f"API_TOKEN={FIRST}\n"}, "a vault")
        shop.eventually_settled()
        assert inside(shop.scope, f"{shop.name}-vault-1", "cat", "/run/secrets/token") == FIRST
        assert inside(shop.scope, f"{shop.name}-vault-1", "sh", "-c", "echo $API_TOKEN") == FIRST

        assert shop.controller.trimtab("suspend", shop.name).code == 0
        shop.push({"token": f"{SECOND}\n", ".env": f"API_TOKEN={SECOND}\n"}, "another secret")
        repo = ("--repo", str(shop.repo.remote))
        said = [
            shop.controller.trimtab("plan", *repo).text,
            shop.controller.trimtab("plan", *repo, "-o", "json").text,
            shop.controller.trimtab("diff", shop.name).text,
        ]
        assert "vault" in said[0]
        assert shop.controller.trimtab("resume", shop.name).code == 0
        shop.eventually_settled()
        assert inside(shop.scope, f"{shop.name}-vault-1", "cat", "/run/secrets/token") == SECOND
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


def _labels(shop: Shop) -> list[str]:
    scope = shop.scope
    found = [scope.api.inspect_container(item["Id"])["Config"]["Labels"] for item in scope.containers()]
    found += [item["Labels"] for item in (*scope.networks(), *scope.volumes(), *scope.images())]
    return [json.dumps(labels) for labels in found]
