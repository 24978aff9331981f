"""The YAML reader: values, places, limits, and every way to be refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.manifest.nodes import MappingNode, Scalar, SequenceNode, to_plain
from trimtab.manifest.yaml_nodes import Limits, parse
from trimtab.manifest.yaml_scalars import resolve_plain
from trimtab.model.diagnostics import Origin


def plain(text: str) -> object:
    documents, diagnostics = parse(text.encode(), "f.yaml")
    assert diagnostics == ()
    assert len(documents) == 1
    return to_plain(documents[0])


def problems(text: str | bytes, limits: Limits | None = None) -> list[tuple[str, str]]:
    data = text.encode() if isinstance(text, str) else text
    _, diagnostics = parse(data, "f.yaml", limits or Limits())
    return [(d.code, str(d.origin)) for d in diagnostics]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("Off", "Off"),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("null", None),
        ("0777", 511),
        ("0o777", 511),
        ("08", 8.0),
        ("0x1F", 31),
        ("-0b11", -3),
        ("1_000", 1000),
        ("1.10", 1.1),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("1e999", "1e999"),
        ("18446744073709551615", 2**64 - 1),
        ("18446744073709551616", 2.0**64),
        ("9" * 5000, "9" * 5000),
        ("1.2.3", "1.2.3"),
        ("22:22", "22:22"),
        ("2020-01-01", "2020-01-01"),
        ("-", "-"),
    ],
)
def test_a_plain_scalar_is_read_as_compose_reads_it(text: str, value: object) -> None:
    read = resolve_plain(text)
    assert read == value
    assert type(read) is type(value)


def test_quotes_make_text() -> None:
    documents, _ = parse(b"a: '8080'\nb: 8080\nc: |\n  1\n", "f.yaml")
    root = documents[0]
    assert isinstance(root, MappingNode)
    a, b, c = (root.items[key] for key in "abc")
    assert isinstance(a, Scalar)
    assert isinstance(b, Scalar)
    assert isinstance(c, Scalar)
    assert (a.value, a.quoted, b.value, b.quoted, c.value, c.quoted) == ("8080", True, 8080, False, "1\n", True)


def test_keys_and_values_know_their_places() -> None:
    documents, _ = parse(b"services:\n  web:\n    image: 'x'\n    ports: [80, 81]\n", "d/f.yaml")
    root = documents[0]
    assert isinstance(root, MappingNode)
    services = root.items["services"]
    assert isinstance(services, MappingNode)
    web = services.items["web"]
    assert isinstance(web, MappingNode)
    assert services.key_origin("web") == Origin("d/f.yaml", 2, 3)
    assert web.items["image"].origin == Origin("d/f.yaml", 3, 12)
    ports = web.items["ports"]
    assert isinstance(ports, SequenceNode)
    assert [str(item.origin) for item in ports.items] == ["d/f.yaml:4:13", "d/f.yaml:4:17"]


def test_columns_count_characters_and_not_bytes() -> None:
    documents, _ = parse("{ä: 1, b: 2}".encode(), "f.yaml")
    root = documents[0]
    assert isinstance(root, MappingNode)
    assert root.key_origin("b") == Origin("f.yaml", 1, 8)


def test_anchors_aliases_and_merge_keys() -> None:
    text = "x: &x {a: 1, b: 2}\ny: &y {b: 3, c: 4}\nz: {<<: [*x, *y], a: 0}\nw: {<<: *y}\nv: *x\n"
    assert plain(text) == {
        "x": {"a": 1, "b": 2},
        "y": {"b": 3, "c": 4},
        "z": {"a": 0, "b": 2, "c": 4},
        "w": {"b": 3, "c": 4},
        "v": {"a": 1, "b": 2},
    }


def test_a_quoted_merge_key_is_a_key() -> None:
    assert plain("'<<': 1") == {"<<": 1}


def test_a_merged_key_keeps_its_first_place() -> None:
    documents, _ = parse(b"x: &x\n  a: 1\nz:\n  <<: *x\n", "f.yaml")
    root = documents[0]
    assert isinstance(root, MappingNode)
    z = root.items["z"]
    assert isinstance(z, MappingNode)
    assert z.key_origin("a") == Origin("f.yaml", 2, 3)


def test_reset_and_override_are_kept() -> None:
    documents, diagnostics = parse(b"a: !reset null\nb: !override [1]\nc: !override {x: 1}\nd: !reset '1'\n", "f")
    root = documents[0]
    assert isinstance(root, MappingNode)
    assert diagnostics == ()
    assert [root.items[key].tag for key in "abcd"] == ["!reset", "!override", "!override", "!reset"]
    assert to_plain(root) == {"a": None, "b": [1], "c": {"x": 1}, "d": "1"}


def test_core_tags_are_honoured() -> None:
    assert plain("a: !!str 1\nb: !!int 2\nc: !!map {}\nd: !!seq []\ne: ! 3\nf: !!float 3\ng: !!null ''\n") == {
        "a": "1",
        "b": 2,
        "c": {},
        "d": [],
        "e": "3",
        "f": 3.0,
        "g": None,
    }


def test_empty_documents_are_no_documents() -> None:
    assert parse(b"# only a comment\n", "f") == ((), ())
    documents, _ = parse(b"---\n---\na: 1\n--- ~\n", "f")
    assert [to_plain(document) for document in documents] == [{"a": 1}]


def test_all_problems_at_once() -> None:
    text = "a: 1\na: 2\n1: x\nb: *no\nc: !foo 1\nd: !!python/name:os.system\ne: .inf\nf: {<<: 3}\n[x]: 1\ng: !!int x\n"
    assert problems(text) == [
        ("TT1004", "f.yaml:2:1"),
        ("TT1005", "f.yaml:3:1"),
        ("TT1009", "f.yaml:4:4"),
        ("TT1006", "f.yaml:5:4"),
        ("TT1006", "f.yaml:6:4"),
        ("TT1011", "f.yaml:7:4"),
        ("TT1010", "f.yaml:8:5"),
        ("TT1005", "f.yaml:9:1"),
        ("TT1011", "f.yaml:10:4"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [1\nb: 2\n", ("TT1003", "f.yaml:2:2")),
        ("a:\n\tb: 1\n", ("TT1003", "f.yaml:2:1")),
        ("a: '\x01'", ("TT1003", "f.yaml:1:5")),
        ("a: 1\nb: '\x00'", ("TT1003", "f.yaml:2:5")),
        (b"a: 1\nb: \xff", ("TT1002", "f.yaml:2:4")),
        (b"\xff\xfea\x00", ("TT1002", "f.yaml:1:1")),
        ("a: &a [*a]", ("TT1009", "f.yaml:1:8")),
        ("[" * 500, ("TT1007", "f.yaml:1:101")),
        ("a: 1\n" * 300_000, ("TT1001", "f.yaml")),
        ("a: {<<: {}, <<: {}}", ("TT1004", "f.yaml:1:13")),
    ],
)
def test_a_broken_file_names_the_place(text: str | bytes, expected: tuple[str, str]) -> None:
    assert problems(text) == [expected]


def test_documents_before_a_syntax_error_are_kept() -> None:
    documents, diagnostics = parse(b"a: 1\n---\nb: [\n", "f")
    assert [to_plain(document) for document in documents] == [{"a": 1}]
    assert [d.code for d in diagnostics] == ["TT1003"]


def test_a_bomb_of_aliases_is_refused_before_it_goes_off() -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    assert [code for code, _ in problems("\n".join(lines))] == ["TT1008"]


def test_many_plain_values_are_refused() -> None:
    assert [code for code, _ in problems("[1, 2, 3]", Limits(max_nodes=3))] == ["TT1008"]
    assert problems("[1, 2, 3]", Limits(max_nodes=4)) == []


def test_a_byte_order_mark_is_no_content() -> None:
    documents, _ = parse(b"\xef\xbb\xbfa: 1\n", "f")
    assert to_plain(documents[0]) == {"a": 1}


# libyaml reads no surrogate pairs, by which JSON escapes what is past U+FFFF.
json_text = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | json_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(json_text, inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_json_reads_as_itself(value: object) -> None:
    documents, diagnostics = parse(json.dumps(value).encode(), "f.json")
    assert diagnostics == ()
    assert [to_plain(document) for document in documents] == ([] if value is None else [value])


@given(st.binary(max_size=200) | st.text(alphabet="ab:-[]{}&*!|>'\"#,?\n \t<%@", max_size=80).map(str.encode))
def test_no_input_makes_the_reader_fail(data: bytes) -> None:
    documents, diagnostics = parse(data, "f.yaml")
    assert all(d.origin.path == "f.yaml" and d.message for d in diagnostics)
    assert isinstance(documents, tuple)
