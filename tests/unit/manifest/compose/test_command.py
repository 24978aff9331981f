from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.compose_text import service
from trimtab.manifest.compose.command import split_command


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", []),
        ("  a   b ", ["a", "b"]),
        ("a 'b c' \"d e\"", ["a", "b c", "d e"]),
        ("a\\ b", ["a b"]),
        ('"a\\"b"', ['a"b']),
        ("'a\\b'", ["a\\b"]),
        ("a''", ["a"]),
        ("''", [""]),
        ('x "" y', ["x", "", "y"]),
        ("echo $(date +%s)", ["echo", "$(date +%s)"]),
        ("echo `id -u`", ["echo", "`id -u`"]),
        ("echo `(id)`", ["echo", "`(id)`"]),
        ("$(a `b`)", ["$(a `b`)"]),
        ("'a && b'", ["a && b"]),
        ("a\tb\nc", ["a", "b", "c"]),
    ],
)
def test_words(line: str, words: list[str]) -> None:
    assert split_command(line) == (words, "")


@pytest.mark.parametrize(
    ("line", "words", "operator"),
    [
        ("a && b", ["a"], "&&"),
        ("a; b", ["a"], ";"),
        ("a | b", ["a"], "|"),
        ("a 2>/dev/null", ["a"], ">/dev/null"),
        ("a b>c", ["a", "b"], ">c"),
        ("a < b", ["a"], "<"),
    ],
)
def test_an_operator_ends_the_command(line: str, words: list[str], operator: str) -> None:
    assert split_command(line) == (words, operator)


@pytest.mark.parametrize("line", ["'open", '"open', "open\\", "(a)", "a)", "`open", "$(open", "echo $(a $(b))"])
def test_what_is_left_open_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        split_command(line)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)))
def test_quoted_words_come_back(words: list[str]) -> None:
    assert split_command(shlex.join(words)) == (words, "")


def test_forms_of_a_command() -> None:
    assert service("command: echo hi")[0] == {"command": ["echo", "hi"]}
    assert service("command: [echo, hi]")[0] == {"command": ["echo", "hi"]}
    assert service("command: []")[0] == {"command": []}
    assert service("command: ''")[0] == {"command": []}
    assert service("command: null")[0] == {}


def test_a_dropped_rest_is_told() -> None:
    assert service("command: a && b") == ({"command": ["a"]}, ["TT1217"])
    assert service("command: a 'b") == ({"command": "a 'b"}, ["TT1217"])
