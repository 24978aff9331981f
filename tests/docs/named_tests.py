"""The tests that a page names as `tests/path.py::function`, and whether they are there."""

from __future__ import annotations

import re
from pathlib import Path

from tests.docs.reading import ROOT

NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def named(text: str) -> list[tuple[str, str]]:
    """Path and function ("" for a whole file) of each test that a text names."""
    return NAMED.findall(text)


def missing(page: Path) -> list[str]:
    """What a page names as a test and is not there."""
    absent = []
    for path, function in named(page.read_text(encoding="utf-8")):
        file = ROOT / path
        text = file.read_text(encoding="utf-8") if file.is_file() else ""
        if not text or (function and not re.search(rf"^def {function}\(", text, re.MULTILINE)):
            absent.append(f"{path}::{function}" if function else path)
    return absent
