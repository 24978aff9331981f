"""The rules of .dockerignore, as docker reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.images.dockerignore import BadPatternError, parse, rules_of

NAMES = st.text(alphabet="ab.", min_size=1, max_size=3).filter(lambda name: name not in {".", ".."})
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        # a name at the top, and all below it
        ("docs", "docs"),
        ("docs", "docs/guide/a.md"),
        ("/docs", "docs/a.md"),
        ("docs/", "docs/a.md"),
        ("./docs/../docs", "docs/a.md"),
        # one star stays within a name
        ("*", "anything"),
        ("*", "dir/file"),
        ("*.md", "README.md"),
        ("*/*.tmp", "a/b.tmp"),
        ("a?c", "abc"),
        ("a?c", "a\u00e9c"),
        # two stars cross directories, or nothing
        ("**", "a/b/c"),
        ("**/", "a/b/c"),
        ("**/**", "a/b"),
        ("**/build", "build"),
        ("**/build", "a/b/build/out.o"),
        ("**/*.log", "x.log"),
        ("**/*.log", "a/b/x.log"),
        ("**/a/*", "x/a/y"),
        ("**name", "my-name"),
        ("a**/*.txt", "a/b/c/d.txt"),
        ("a/**", "a/b"),
        ("a/*.txt**", "a/b.txt"),
        # classes and escapes
        ("a[b-d]e", "ace"),
        ("a[^b-d]e", "aze"),
        (r"a\*b", "a*b"),
        (r"[\-x]", "-"),
        (r"[\]a]", "]"),
        # nothing of a regular expression shines through
        ("a.|)$(}+{bc", "a.|)$(}+{bc"),
        ("dist/x-1.0+g1.whl", "dist/x-1.0+g1.whl"),
    ],
)
def test_leaves_out(pattern: str, path: str) -> None:
    assert rules_of([pattern]).ignores(path)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("docs", "mydocs"),
        ("docs", "a/docs"),
        ("*.md", "docs/README.md"),
        ("a?c", "a/c"),
        ("a*c", "a/c"),
        ("a/**", "a"),
        ("**/.env", "prod.env"),
        ("**/**/*.txt", "a/b.txt2"),
        ("a[b-d]e", "aae"),
        ("abc.def", "abcZdef"),
        (".*", "visible"),
        ("..", "a"),
        (".", "a"),
    ],
)
def test_keeps(pattern: str, path: str) -> None:
    assert not rules_of([pattern]).ignores(path)


@pytest.mark.parametrize(
    ("patterns", "path", "left_out"),
    [
        # the last match decides
        (["*.md", "!README.md"], "README.md", False),
        (["!README.md", "*.md"], "README.md", True),
        (["docs", "!docs/README.md"], "docs/README.md", False),
        (["docs", "!docs/README.md"], "docs/other.md", True),
        (["docs/*", "!docs/README.md"], "docs/README.md", False),
        (["**", "!util/web"], "util/web/deep/file", False),
        (["**", "!util/web", "util/web/file"], "util/web/file", True),
        (["*", "!src", "src/*.pyc"], "src/a.pyc", True),
        (["  spaced  ", "! spaced/keep "], "spaced/keep", False),
        # an exception reaches into a directory that is out
        (["secrets", "!**/*.txt"], "secrets/a.txt", False),
        (["secrets", "!secrets/a.txt"], "secrets/a.txt", False),
        # a pattern that could not change the verdict on a directory does not count for what is in it
        (["dir", "!dir/x", "di*"], "dir/x", False),
    ],
)
def test_order_and_exceptions(patterns: list[str], path: str, *, left_out: bool) -> None:
    assert rules_of(patterns).ignores(path) is left_out


def test_reads_lines_as_docker_does() -> None:
    rules = parse("\ufeff# a comment\r\n\r\n  # a name\r\n\tlogs \r\n")
    assert [pattern.text for pattern in rules.patterns] == ["# a name", "logs"]


@pytest.mark.parametrize("pattern", ["!", "[", "[^", "[]a]", "[-]", "[x-]", "[a-b-c]", "a[", "\\", "[z-a]"])
def test_refuses_what_is_no_pattern_and_says_where(pattern: str) -> None:
    with pytest.raises(BadPatternError) as caught:
        parse(f"# first\n{pattern}\n")
    assert caught.value.line == 2


@given(PATHS, PATHS)
def test_a_plain_pattern_leaves_out_itself_and_all_below_and_nothing_else(pattern: str, path: str) -> None:
    expected = path == pattern or path.startswith(f"{pattern}/")
    assert rules_of([pattern]).ignores(path) is expected


@pytest.mark.slow
@given(st.lists(st.tuples(st.booleans(), PATHS), max_size=5), st.lists(PATHS, min_size=1, max_size=5))
def test_the_order_of_questions_does_not_change_answers(rules: list[tuple[bool, str]], paths: list[str]) -> None:
    lines = [f"{'!' * negated}{pattern}" for negated, pattern in rules]
    used = rules_of(lines)
    forwards = [used.ignores(path) for path in paths]
    assert [rules_of(lines).ignores(path) for path in paths] == forwards
    assert [used.ignores(path) for path in reversed(paths)] == forwards[::-1]


@given(st.lists(PATHS, max_size=4), PATHS)
def test_an_exception_for_the_very_path_at_the_end_brings_it_back(patterns: list[str], path: str) -> None:
    assert not rules_of([*patterns, f"!{path}"]).ignores(path)
