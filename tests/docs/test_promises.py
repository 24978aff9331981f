"""The page on safety names tests that are there, and every invariant."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.reading import ROOT

PAGES = (ROOT / "docs" / "guide" / "safety.md", ROOT / "docs" / "reference" / "comparison.md")
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def named(page: Path) -> list[tuple[str, str]]:
    return NAMED.findall(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_test_that_is_named_exists(page: Path) -> None:
    assert named(page)
    for path, function in named(page):
        assert (ROOT / path).is_file(), path
        text = (ROOT / path).read_text(encoding="utf-8")
        assert not function or re.search(rf"^def {function}\(", text, re.MULTILINE), f"{path}::{function}"


def test_every_invariant_is_promised_and_proved() -> None:
    text = PAGES[0].read_text(encoding="utf-8")
    promised = re.split(r"^\*\*(I\d+)\. ", text, flags=re.MULTILINE)[1:]
    sections = dict(zip(promised[::2], promised[1::2], strict=True))
    assert list(sections) == [f"I{number}" for number in range(1, 13)]
    for invariant, section in sections.items():
        assert NAMED.search(section), invariant
