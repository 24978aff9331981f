"""Writes the pages of docs/reference that are made from the code: ``python -m tests.docs.update``."""

from __future__ import annotations

import sys

from tests.docs.pages import ROOT, pages


def main() -> int:
    """Write those that differ, and say which."""
    for path, text in pages().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"{path.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
