"""Whose a volume is, also by the answer of an engine that was just restarted."""

from __future__ import annotations

from typing import Any

from trimtab.backends.engine.volume_calls import make_volume

OURS = {"trimtab.dev/kind": "lock"}


class Client:
    """Answers a create with ``made`` and an inspect with ``there``."""

    def __init__(self, made: dict[str, str] | None, there: dict[str, str] | None = None) -> None:
        self.answers = {"POST": made, "GET": there}
        self.methods: list[str] = []

    def call(self, method: str, _path: str, **_parts: object) -> Any:
        self.methods.append(method)
        return {"Name": "v", "Labels": self.answers[method]}


def labels(client: Client) -> dict[str, str]:
    return dict(make_volume(client, {"Name": "v", "Labels": OURS}, what="take"))  # type: ignore[arg-type]


def test_an_engine_after_its_restart_is_asked_twice_whose_a_volume_is() -> None:
    client = Client(None, OURS)
    assert labels(client) == OURS
    assert client.methods == ["POST", "GET"]
    assert labels(Client(None, None)) == {}


def test_labels_in_the_answer_are_believed() -> None:
    client = Client({"theirs": "1"})
    assert labels(client) == {"theirs": "1"}
    assert client.methods == ["POST"]
