from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.sources.errors import InvalidRef
from trimtab.sources.refs import Found, is_ref_name, parse_expression, parse_target, resolve

OID = {n: f"{n:040x}" for n in range(10)}


@pytest.mark.parametrize(
    "text",
    [
        "-",
        "--upload-pack=id",
        "-main",
        "main\n",
        "ma in",
        "a..b",
        "main:x",
        "main~1",
        "main^",
        "main^{tree}",
        "@{u}",
        "@",
        "a//b",
        "/a",
        "a/",
        "a.lock",
        "a.lock/b",
        ".a",
        "a/.b",
        "a.",
        "*?[",
        "$(id)",
        "`id`",
        "a;id",
        "a|id",
        "a\\b",
        "a\0b",
        "a" * 300,
        ">=",
        "refs/heads/a b",
    ],
)
def test_a_target_that_is_no_name_range_or_id_is_refused(text: str) -> None:
    with pytest.raises(InvalidRef):
        parse_target(text)


@pytest.mark.parametrize(
    ("text", "name", "steps"),
    [
        ("HEAD~1", "HEAD", "~1"),
        ("@~2^2", "HEAD", "~2^2"),
        ("feature/x^", "feature/x", "^"),
        ("v1.4^{}", "v1.4", "^{}"),
        ("abcdef1~", "abcdef1", "~"),
        ("^1.2", "^1.2", ""),
        ("~1.2", "~1.2", ""),
        ("main", "main", ""),
    ],
)
def test_an_expression_is_a_target_and_steps_back_from_it(text: str, name: str, steps: str) -> None:
    expression = parse_expression(text)
    assert (expression.target, expression.steps) == (parse_target(name), steps)


@pytest.mark.parametrize(
    "text",
    [
        "-main~1",
        "--upload-pack=id^",
        "main~1:x",
        "main^{tree}",
        "main^{/fix}",
        "main@{1}",
        "a..b~1",
        ":/fix",
        "main~1\n",
        "^",
        "main~1234567",
        "main" + "~1" * 40,
    ],
)
def test_an_expression_that_could_be_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidRef):
        parse_expression(text)


@pytest.mark.parametrize(
    "text", ["main", "feature/x-1", "v1.2.3", "über", "a@b", "1.x", "release_2", "refs/pull/7/head"]
)
def test_ordinary_names_are_names(text: str) -> None:
    assert is_ref_name(text)


@given(st.text(max_size=40))
def test_whatever_is_accepted_as_a_name_is_harmless_on_a_command_line(text: str) -> None:
    if is_ref_name(text):
        assert not text.startswith("-")
        assert not set(text) & set(" ~^:?*[\\\"'`$;&|<>()!\n\0\t")
        assert ".." not in text


@pytest.mark.parametrize(
    ("text", "refs", "found"),
    [
        ("", {"HEAD": 1, "refs/heads/main": 1}, ("HEAD", 1)),
        ("main", {"refs/heads/main": 1, "refs/tags/main": 2}, ("refs/heads/main", 1)),
        ("v1", {"refs/tags/v1": 2}, ("refs/tags/v1", 2)),
        ("refs/tags/v1", {"refs/heads/v1": 1, "refs/tags/v1": 2}, ("refs/tags/v1", 2)),
        # A name wins over the range or the id that it could also be.
        ("1.x", {"refs/heads/1.x": 3, "refs/tags/1.5.0": 4}, ("refs/heads/1.x", 3)),
        ("abcdef1", {"refs/heads/abcdef1": 5}, ("refs/heads/abcdef1", 5)),
        ("gone", {"refs/heads/main": 1}, None),
        ("origin/main", {"refs/remotes/origin/main": 6, "refs/heads/main": 1}, ("refs/remotes/origin/main", 6)),
    ],
)
def test_names_are_looked_up_branch_first(text: str, refs: dict[str, int], found: tuple[str, int] | None) -> None:
    known = {name: OID[n] for name, n in refs.items()}
    tags = {name.removeprefix("refs/tags/"): oid for name, oid in known.items() if name.startswith("refs/tags/")}
    expected = Found(found[0], OID[found[1]]) if found else None
    assert resolve(parse_target(text), known.get, lambda: tags) == expected


TAGS = {
    "v1.0.0": OID[1],
    "v1.2.0": OID[2],
    "1.2.5": OID[3],
    "v1.10.0": OID[4],
    "v2.0.0-rc.1": OID[5],
    "v2.0.0": OID[6],
    "nightly": OID[7],
    "v1.2": OID[8],
}


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        (">=1.0.0 <2", "v1.10.0"),
        (">=1.0.0, <2", "v1.10.0"),
        ("1.x", "v1.10.0"),
        ("^1.2", "v1.10.0"),
        ("~1.2", "1.2.5"),
        ("1.2.x", "1.2.5"),
        ("*", "v2.0.0"),
        ("2.0.0-rc.1", "v2.0.0-rc.1"),
        ("1.0.0 - 1.2.0", "v1.2.0"),
        ("~1.0 || ~1.2", "1.2.5"),
        (">=3", None),
    ],
)
def test_a_range_takes_the_highest_version_that_is_no_prerelease(text: str, tag: str | None) -> None:
    found = resolve(parse_target(text), lambda _name: None, lambda: TAGS)
    assert (found.ref if found else None) == (f"refs/tags/{tag}" if tag else None)


@given(st.permutations(sorted({**TAGS, "1.10.0": OID[9]}.items())))
def test_the_order_of_tags_does_not_matter(items: list[tuple[str, str]]) -> None:
    found = resolve(parse_target("^1"), lambda _name: None, lambda: dict(items))
    assert found == Found("refs/tags/1.10.0", OID[9])


def test_commits_are_known_by_their_digits() -> None:
    full = parse_target("A" * 40)
    assert full.is_full_commit
    assert resolve(full, lambda _name: None, dict) == Found("", "a" * 40)
    short = parse_target("abcdef1")
    assert not short.is_full_commit
    assert resolve(short, lambda _name: None, dict) == Found("", "abcdef1")
    assert parse_target("abcdef").commit == ""


def test_tags_are_not_asked_for_when_a_name_is_found() -> None:
    def never() -> dict[str, str]:
        raise AssertionError

    assert resolve(parse_target("1.x"), {"refs/heads/1.x": OID[1]}.get, never) == Found("refs/heads/1.x", OID[1])
