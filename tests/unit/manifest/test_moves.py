"""``moved`` as it is written: chains, and everything that cannot be meant."""

from __future__ import annotations

import pytest

from trimtab.manifest.kinds.settings import Moved
from trimtab.manifest.moves import check_moves
from trimtab.manifest.nodes import Scalar
from trimtab.model.application import ComposeProject
from trimtab.model.diagnostics import Origin

PROJECT = ComposeProject(
    name="shop", services={"web": {}}, volumes={"data": {}, "theirs": {"external": True}}, networks={"front": {}}
)
NODE = Scalar(value="", origin=Origin("compose.yaml", 3))


def messages(*moves: tuple[str, str, str]) -> list[str]:
    entries = [Moved.model_validate({"kind": kind, "from": old, "to": new}) for kind, old, new in moves]
    return [found.message for found in check_moves(PROJECT, [(entry, NODE) for entry in entries])]


@pytest.mark.parametrize(
    "moves",
    [
        [("Volume", "old", "data")],
        [("Service", "older", "old"), ("Service", "old", "web")],
        [("Volume", "x", "data"), ("Network", "x", "front")],
    ],
)
def test_a_rename_or_a_chain_of_them_is_good(moves: list[tuple[str, str, str]]) -> None:
    assert messages(*moves) == []


@pytest.mark.parametrize(
    ("moves", "said"),
    [
        ([("Volume", "old", "new")], "no volume 'new'"),
        ([("Volume", "data", "data")], "in a circle"),
        ([("Volume", "a", "b"), ("Volume", "b", "a")], "in a circle"),
        ([("Network", "front", "front2")], "still there"),
        ([("Volume", "a", "data"), ("Volume", "b", "data")], "two entries move to"),
        ([("Volume", "a", "data"), ("Volume", "a", "theirs")], "two entries move from"),
        ([("Volume", "a", "theirs")], "is external"),
    ],
)
def test_what_cannot_be_meant_is_refused(moves: list[tuple[str, str, str]], said: str) -> None:
    assert any(said in message for message in messages(*moves)), messages(*moves)


def test_an_application_is_told_how_to_keep_its_name() -> None:
    with pytest.raises(ValueError, match="name: <old name>"):
        Moved.model_validate({"kind": "Application", "from": "old", "to": "new"})
