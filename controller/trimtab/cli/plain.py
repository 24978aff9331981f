"""Foreign text on a terminal: the subject of a commit may not move the cursor, or hide what stands beside it."""

from __future__ import annotations

import re

# What is no text, but for line feeds and tabs, and what turns its direction around. Some colours are our own.
_CONTROL = re.compile(
    r"\x1b(?!\[(?:0|3[1-6]|9[1-6])m)|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


def plain(text: str) -> str:
    r"""``text`` with control characters spelt out, as ``\x1b``."""
    return _CONTROL.sub(lambda found: ascii(found.group())[1:-1], text)
