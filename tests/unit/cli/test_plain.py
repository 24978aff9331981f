"""Foreign text cannot drive a reader's terminal."""

from __future__ import annotations

import pytest

from trimtab.cli.common import say
from trimtab.cli.plain import plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;owned\x07", "\\x1b]0;owned\\x07"),  # the window's title
        ("good\rbad", "good\\rbad"),  # over what stands there
        ("\x1b[2J\x1b[8mhidden", "\\x1b[2J\\x1b[8mhidden"),
        ("\x9b31m", "\\x9b31m"),
        ("a \u202e txt.exe", "a \\u202e txt.exe"),  # right to left
        ("\x1b[32mok\x1b[0m\tüber\nund", "\x1b[32mok\x1b[0m\tüber\nund"),
    ],
)
def test_control_characters_are_spelt_out(text: str, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert plain(text) == shown
    say(text)
    assert capsys.readouterr().out == f"{shown}\n"
