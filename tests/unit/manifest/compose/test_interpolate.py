"""Variables in values: every operator, what is refused, and where it says so."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.manifest.compose.interpolate import MAX_VALUE_LENGTH, TemplateError, interpolate, substitute
from trimtab.manifest.nodes import to_plain
from trimtab.manifest.yaml_nodes import parse

VARIABLES = {"A": "a", "EMPTY": "", "RAW": "${A}", "PASSWORD": "hunter2"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$A-${A}", "a-a"),
        ("$AB$A", "a"),
        ("${A:-d} ${EMPTY:-d} ${X:-d}", "a d d"),
        ("${A-d} ${EMPTY-d} ${X-d}", "a  d"),
        ("${A:+d}${EMPTY:+d}${X:+d}", "d"),
        ("${A+d}${EMPTY+d}${X+d}", "dd"),
        ("${A:?no} ${EMPTY?no}", "a "),
        ("${X:-${Y:-${A}}}", "a"),
        ("${X:-pre-$A-post}", "pre-a-post"),
        ('${X:-{"a": 1}} b', '{"a": 1} b'),
        ("${X:-{}", "{"),
        ("${X:-{}}", "{}"),
        ("${X:-{}} and {$A}", "{}} and {a"),
        ("$$A $${A} $$$A", "$A ${A} $a"),
        ("costs $5, $ and $", "costs $5, $ and $"),
        ("$RAW", "${A}"),
        ("${X:-}", ""),
        ("${X:-a:b?c-d+e}", "a:b?c-d+e"),
    ],
)
def test_expressions(text: str, value: str) -> None:
    assert substitute(text, VARIABLES.get) == value


@pytest.mark.parametrize("text", ["${}", "${1}", "${A", "${A b}", "${A!}", "${A:-x\n}", "${X:-${}}"])
def test_malformed_expressions_are_refused(text: str) -> None:
    with pytest.raises(TemplateError) as caught:
        substitute(text, VARIABLES.get)
    assert caught.value.code == "TT1042"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${X:?set it}", "the required variable X is not set: set it"),
        ("${EMPTY:?}", "the required variable EMPTY is empty"),
        ("${X?$PASSWORD}", "the required variable X is not set: $PASSWORD"),
    ],
)
def test_a_required_variable_without_value(text: str, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        substitute(text, VARIABLES.get)
    assert (caught.value.code, caught.value.message) == ("TT1041", message)


def test_nesting_and_growth_have_limits() -> None:
    with pytest.raises(TemplateError, match="nest deeper"):
        substitute("${X:-" * 100 + "}" * 100, VARIABLES.get)
    large = {"L": "x" * (MAX_VALUE_LENGTH // 2 + 1)}
    with pytest.raises(TemplateError, match="grows past"):
        substitute("$L$L", large.get)


def run(text: str) -> tuple[object, list[str]]:
    documents, problems = parse(text.encode(), "f.yaml")
    assert problems == ()
    node, diagnostics = interpolate(documents[0], VARIABLES)
    return to_plain(node), [str(d) for d in diagnostics]


def test_values_are_replaced_and_keys_are_not() -> None:
    assert run('$A: [$A, {b: "${A}"}, 1, true, null]') == ({"$A": ["a", {"b": "a"}, 1, True, None]}, [])


def test_an_unset_variable_is_a_warning_at_its_own_column() -> None:
    plain, diagnostics = run("a:\n  b: x-$NOPE\n")
    assert plain == {"a": {"b": "x-"}}
    message = "the variable NOPE is not set; an empty string takes its place"
    assert diagnostics == [f"f.yaml:2:8: warning TT1040: {message} (set it in .env, or give a default: ${{NOPE:-...}})"]


def test_all_problems_of_a_file_are_found() -> None:
    _, diagnostics = run('a: "${X:?first}"\nb: ${}\nc: "ok $X"\n')
    assert [line.split(": ")[0] + " " + line.split(" ")[2] for line in diagnostics] == [
        "f.yaml:1:5 TT1041:",
        "f.yaml:2:4 TT1042:",
        "f.yaml:3:8 TT1040:",
    ]


def test_an_alias_is_told_about_once() -> None:
    _, diagnostics = run("a: &a {x: $NOPE}\nb: *a\nc: *a\n")
    assert len(diagnostics) == 1


def test_the_values_of_one_file_together_have_a_limit() -> None:
    documents, _ = parse(("a: [" + ", ".join(["$L"] * 100) + "]").encode(), "f.yaml")
    _, diagnostics = interpolate(documents[0], {"L": "x" * 900_000})
    assert [d.message for d in diagnostics] == ["the file's values grow past 16777216 characters"]


@given(st.text(alphabet="ab$"), st.dictionaries(st.sampled_from("ab"), st.text(max_size=3)))
def test_doubling_every_dollar_protects_a_text(text: str, variables: dict[str, str]) -> None:
    assert substitute(text.replace("$", "$$"), variables.get) == text


@given(st.text(alphabet="aA_1${}:-+?! \n", max_size=30))
def test_no_text_breaks_it(text: str) -> None:
    with contextlib.suppress(TemplateError):
        assert isinstance(substitute(text, VARIABLES.get), str)
