"""Env files: what each form of a line means, and what is wrong where, without showing a value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.manifest.compose.dotenv import parse_env, parse_raw

NOTHING: dict[str, str] = {}
OUTSIDE = {"OUT": "outside", "BOTH": "outside"}


def read(text: str) -> dict[str, str]:
    found = parse_env(text.encode(), ".env", OUTSIDE.get)
    assert [str(d) for d in found.diagnostics] == []
    return dict(found.variables)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("K=v", "v"),
        ("K = v ", "v"),
        ("export K=v", "v"),
        ("  K=v", "v"),
        ("K: v", "v"),
        ("K=two words", "two words"),
        ("K=v # comment", "v"),
        ("K=a#b", "a#b"),
        ("K=#b", "#b"),
        ("K= #b", "#b"),
        ("K=", ""),
        ("K=a\r\n", "a"),
        ("K='a $OUT \\n'", "a $OUT \\n"),
        ("K='it\\'s'", "it's"),
        ("K='a\nb'", "a\nb"),
        ('K="a\nb"', "a\nb"),
        ('K="a $OUT" # comment', "a outside"),
        ('K="\\t\\"\\\\\\n"', '\t"\\\n'),
        ('K="\\0101 \\08 \\c \\$OUT"', "A \\8 \\c $OUT"),
        ("K=$OUT-${NO:-d}", "outside-d"),
        ("K=$$OUT", "$OUT"),
        ("\ufeffK=v", "v"),
        ("K=a=b", "a=b"),
    ],
)
def test_a_value(text: str, value: str) -> None:
    assert read(text) == {"K": value}


def test_later_lines_win_and_earlier_ones_can_be_used() -> None:
    assert read("A=1\nB=$A\nA=2\nC=$A$BOTH\nBOTH=mine\nD=$BOTH\n") == {
        "A": "2",
        "B": "1",
        "C": "2outside",
        "BOTH": "mine",
        "D": "outside",
    }


def test_a_bare_name_is_passed_on() -> None:
    assert read("OUT\n") == {"OUT": "outside"}
    assert read("A=1\nOUT") == {"A": "1", "OUT": "outside"}


def test_names_may_have_dots_dashes_and_brackets() -> None:
    assert read("a.b-c[0]=v\n") == {"a.b-c[0]": "v"}


def test_places_are_known() -> None:
    found = parse_env(b"# c\n\nA='x\ny'\n  B=2\n", "d/.env", NOTHING.get)
    assert {name: str(origin) for name, origin in found.origins.items()} == {"A": "d/.env:3:1", "B": "d/.env:5:3"}


def test_every_bad_line_is_told_and_the_others_count() -> None:
    text = 'A=1\nb c=hunter2\nx!=hunter2\n=hunter2\nQ="hunter2" junk\nN=${hunter2!}\nR=${R:?hint}\nNOPE\nE=$NOPE\n'
    text += 'U="open\nZ=2\n'
    found = parse_env(text.encode(), ".env", NOTHING.get)
    assert [(d.severity.value, d.code, str(d.origin)) for d in found.diagnostics] == [
        ("error", "TT1026", ".env:2:1"),
        ("error", "TT1026", ".env:3:2"),
        ("error", "TT1026", ".env:4:1"),
        ("error", "TT1026", ".env:5:12"),
        ("error", "TT1042", ".env:6:1"),
        ("error", "TT1041", ".env:7:1"),
        ("warning", "TT1040", ".env:8:1"),
        ("warning", "TT1040", ".env:9:1"),
        ("error", "TT1026", ".env:10:1"),
    ]
    assert dict(found.variables) == {"A": "1", "E": "", "Z": "2"}
    assert "hunter2" not in "".join(str(d) for d in found.diagnostics)


def test_raw_lines_are_taken_literally() -> None:
    text = '# c\n\nA="$B" # not a comment\n  C= x \r\nOUT\nNOPE\nbad name=1\n=2\n'
    found = parse_raw(text.encode(), "raw.env", OUTSIDE.get)
    assert dict(found.variables) == {"A": '"$B" # not a comment', "C": " x ", "OUT": "outside"}
    assert [(d.code, str(d.origin)) for d in found.diagnostics] == [
        ("TT1040", "raw.env:6:1"),
        ("TT1026", "raw.env:7:1"),
        ("TT1026", "raw.env:8:1"),
    ]


def test_limits_and_encoding() -> None:
    assert [d.code for d in parse_env(b"A=" + b"x" * 2**20, ".env", NOTHING.get).diagnostics] == ["TT1001"]
    assert [str(d.origin) for d in parse_env(b"A=1\nB=\xff", ".env", NOTHING.get).diagnostics] == [".env:2"]
    doubling = "A0=" + "x" * 1000 + "\n" + "".join(f"A{i}=$A{i - 1}$A{i - 1}\n" for i in range(1, 40))
    codes = [d.code for d in parse_env(doubling.encode(), ".env", NOTHING.get).diagnostics]
    assert codes[0] == "TT1042"


def test_the_values_of_a_file_together_have_a_limit() -> None:
    text = "A=" + "x" * 600_000 + "\n" + "".join(f"B{i}=$A\n" for i in range(40))
    found = parse_env(text.encode(), ".env", NOTHING.get)
    assert [d.code for d in found.diagnostics] == ["TT1001"]
    assert len(found.variables) < 40


@given(st.dictionaries(st.from_regex(r"[A-Z][A-Z0-9_]{0,5}", fullmatch=True), st.text(max_size=20), max_size=4))
def test_single_quotes_keep_any_value(variables: dict[str, str]) -> None:
    # A backslash before a quote, or at the end, cannot be written in single quotes.
    variables = {name: value.replace("\\", "/") for name, value in variables.items()}
    lines = [f"{name}='{value.replace(chr(39), chr(92) + chr(39))}'" for name, value in variables.items()]
    found = parse_env("\n".join(lines).encode("utf-8", "surrogatepass"), ".env", NOTHING.get)
    assert dict(found.variables) == variables or any("\ud800" <= c <= "\udfff" for v in variables.values() for c in v)


@given(st.text(alphabet="AB=:'\"\\$#{} \nexport", max_size=60))
def test_no_text_breaks_it(text: str) -> None:
    found = parse_env(text.encode(), ".env", NOTHING.get)
    assert set(found.origins) == set(found.variables)
