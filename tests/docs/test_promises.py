"""The pages on safety, on the comparison and on cases from the field name tests that are there, and every invariant."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.named_tests import NAMED, missing, named
from tests.docs.reading import ROOT

SAFETY = ROOT / "docs" / "guide" / "safety.md"
CASES = ROOT / "docs" / "reference" / "field-cases.md"
PAGES = (SAFETY, ROOT / "docs" / "reference" / "comparison.md", CASES)
# Where a case was met: "project#12, owner/project#7, CVE-2022-24348"; or "tried".
_ONE = r"(?:[\w.-]+(?:/[\w.-]+)?#\d+|CVE-\d{4}-\d+|GO-\d{4}-\d+|GHSA(?:-[0-9a-z]{4}){3})"
MET = re.compile(rf"{_ONE}(?:, {_ONE})*|tried")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_test_that_is_named_exists(page: Path) -> None:
    assert named(page.read_text(encoding="utf-8"))
    assert not missing(page)


def test_every_invariant_is_promised_and_proved() -> None:
    text = SAFETY.read_text(encoding="utf-8")
    promised = re.split(r"^\*\*(I\d+)\. ", text, flags=re.MULTILINE)[1:]
    sections = dict(zip(promised[::2], promised[1::2], strict=True))
    assert list(sections) == [f"I{number}" for number in range(1, 13)]
    for invariant, section in sections.items():
        assert NAMED.search(section), invariant


def test_every_case_from_the_field_says_where_it_was_met_and_names_a_test() -> None:
    proved, _, open_ones = CASES.read_text(encoding="utf-8").partition("\n## Not yet\n")
    rows = [row for row in _rows(proved) if row[0] != "case"]
    assert rows
    for case, *met, does, proof in rows:
        # What was tried by hand was met nowhere.
        assert len(met) < 2, case
        assert all(MET.fullmatch(one) for one in met), f"{case}: {met}"
        assert case, rows
        assert does, case
        assert any(function for _, function in named(proof)), f"{case}: no test"
    for row in _rows(open_ones):
        assert row == ["case", "met"] or MET.fullmatch(row[1]), row


def _rows(text: str) -> list[list[str]]:
    """The rows of all tables: headings included, rules not."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
