"""Nothing of one machine is committed."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def committed() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "scripts" / "lib" / "committed.py"))


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("a.py", "# see https://mirror.example.test/debian"),
        ("a.py", f"path = '{ROOT}/x'"),
        ("a.md", "in /ho" + "me/somebody/trimtab"),
        ("requirements/run.txt", "--index-url https:" + "//elsewhere.example/simple"),
    ],
)
def test_found(committed: dict[str, Any], name: str, line: str) -> None:
    (problem,) = committed["problems"](name, f"fine\n{line}\n", frozenset({"mirror.example.test"}))
    assert problem.startswith(f"{name}:2: ")


def test_an_ordinary_file_is_fine(committed: dict[str, Any]) -> None:
    text = "see https://docs.example.org and /home/user/project\n"
    assert list(committed["problems"]("docs/a.md", text, frozenset({"mirror.example.test"}))) == []
