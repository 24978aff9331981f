"""The specification's merge rules, on files in their long form."""

from __future__ import annotations

import json
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.manifest.compose.canonical import canonical
from trimtab.manifest.compose.directives import take_directives
from trimtab.manifest.compose.merge import merge, unique
from trimtab.manifest.nodes import MappingNode, to_plain
from trimtab.manifest.yaml_nodes import parse
from trimtab.model.diagnostics import Diagnostic


def long_form(text: str, path: str) -> tuple[MappingNode, MappingNode]:
    """The file as written, and its long form without merge tags."""
    documents, problems = parse(text.encode(), path)
    assert problems == ()
    document = documents[0]
    assert isinstance(document, MappingNode)
    plain, _, _ = take_directives(document)
    return document, unique(canonical(plain, path=path)[0])[0]


def merged(base: str, over: str) -> tuple[dict[str, object], tuple[Diagnostic, ...]]:
    _, first = long_form(base, "base.yaml")
    written, second = long_form(over, "over.yaml")
    directives = take_directives(written)[1]
    result, diagnostics = merge(directives.apply(first), second)
    return cast("dict[str, object]", to_plain(unique(result)[0])), diagnostics


def service(base: str, over: str) -> dict[str, object]:
    model, diagnostics = merged(f"services: {{a: {{{base}}}}}", f"services: {{a: {{{over}}}}}")
    assert diagnostics == ()
    return cast("dict[str, dict[str, dict[str, object]]]", model)["services"]["a"]


@pytest.mark.parametrize(
    ("base", "over", "result"),
    [
        ("image: a", "image: b", {"image": "b"}),
        ("image: a", "image: ", {"image": "a"}),
        ("command: [a, b]", "command: [c]", {"command": ["c"]}),
        ("command: [a]", "command: ", {"command": None}),
        ("entrypoint: [a]", "entrypoint: c d", {"entrypoint": ["c", "d"]}),
        (
            "healthcheck: {test: [CMD, a], retries: 1}",
            "healthcheck: {test: b}",
            {"healthcheck": {"test": ["CMD-SHELL", "b"], "retries": 1}},
        ),
        ("environment: [A=1, B=1]", "environment: {B: 2, C: }", {"environment": {"A": "1", "B": "2", "C": None}}),
        ("environment: {A: 1}", "environment: [A]", {"environment": {"A": None}}),
        ("labels: {a: 1}", "labels: [a, b=2]", {"labels": {"a": "", "b": "2"}}),
        ("dns: 1.1.1.1", "dns: [2.2.2.2, 1.1.1.1]", {"dns": ["1.1.1.1", "2.2.2.2"]}),
        ("security_opt: [a]", "security_opt: [a]", {"security_opt": ["a", "a"]}),
        ("cap_add: [A, B]", "cap_add: [B, C]", {"cap_add": ["A", "B", "C"]}),
        ("tmpfs: /a", "tmpfs: [/b]", {"tmpfs": ["/a", "/b"]}),
        ("ulimits: {n: {soft: 1, hard: 2}}", "ulimits: {n: 5}", {"ulimits": {"n": 5}}),
        ("networks: [x]", "networks: {x: {aliases: [q]}}", {"networks": {"x": {"aliases": ["q"]}}}),
        ("networks: {x: {aliases: [q]}}", "networks: [x]", {"networks": {"x": {"aliases": ["q"]}}}),
        (
            "logging: {driver: a, options: {x: '1'}}",
            "logging: {options: {y: '2'}}",
            {"logging": {"driver": "a", "options": {"x": "1", "y": "2"}}},
        ),
        (
            "logging: {driver: a, options: {x: '1'}}",
            "logging: {driver: b}",
            {"logging": {"driver": "b"}},
        ),
        ("x-a: {b: [1]}", "x-a: {b: [2], c: 3}", {"x-a": {"b": [1, 2], "c": 3}}),
        ("expose: ['1', '2']", "expose: [2, 3]", {"expose": ["1", "2", "3"]}),
    ],
)
def test_an_attribute(base: str, over: str, result: dict[str, object]) -> None:
    assert service(base, over) == result


def test_mounts_are_merged_by_target_and_ports_by_all_of_them() -> None:
    found = service(
        'volumes: ["vol:/v", "./a:/a"], ports: ["80:80", "81:80"], secrets: [s], configs: [c]',
        'volumes: ["./w:/v:ro"], ports: ["80:80/udp", "81:80"], secrets: [{source: s, mode: "0400"}],'
        " configs: [{source: d, target: /c}]",
    )
    volumes = cast("list[dict[str, object]]", found["volumes"])
    assert [(v["target"], v["source"]) for v in volumes] == [("/v", "./w"), ("/a", "./a")]
    ports = cast("list[dict[str, object]]", found["ports"])
    assert [(p["published"], p["protocol"]) for p in ports] == [("80", "tcp"), ("81", "tcp"), ("80", "udp")]
    assert len(cast("list[object]", found["secrets"])) == 1
    assert [cast("dict[str, object]", c)["source"] for c in cast("list[object]", found["configs"])] == ["d"]


def test_dependencies_are_merged_by_name() -> None:
    found = service("depends_on: {a: {condition: service_healthy, restart: true}}", "depends_on: [a, b]")
    depends = cast("dict[str, dict[str, object]]", found["depends_on"])
    assert depends["a"] == {"condition": "service_started", "restart": True, "required": True}
    assert set(depends) == {"a", "b"}


@pytest.mark.parametrize(
    ("over", "result"),
    [
        ("ports: !reset []", {"image": "i", "environment": {"A": "1", "B": "1"}}),
        ("ports: !override [9:9]", {"image": "i", "environment": {"A": "1", "B": "1"}, "ports": 1}),
        ("environment: {A: !reset null, C: 3}", {"image": "i", "environment": {"B": "1", "C": "3"}, "ports": 2}),
        ("environment: !override {C: 3}", {"image": "i", "environment": {"C": "3"}, "ports": 2}),
        ("image: !reset x", {"environment": {"A": "1", "B": "1"}, "ports": 2}),
        ("nothing: !reset null", {"image": "i", "environment": {"A": "1", "B": "1"}, "ports": 2}),
    ],
)
def test_reset_and_override(over: str, result: dict[str, object]) -> None:
    found = service('image: i, environment: {A: 1, B: 1}, ports: ["1:1", "2:2"]', over)
    if "ports" in found:
        found["ports"] = len(cast("list[object]", found["ports"]))
    assert found == result


def test_a_whole_service_can_be_reset() -> None:
    model, _ = merged("services: {a: {image: x}, b: {image: y}}", "services: {b: !reset null}")
    assert model == {"services": {"a": {"image": "x"}}}


def test_a_tag_inside_a_list_is_refused() -> None:
    documents, _ = parse(b"services: {a: {ports: [!reset '1:1', {target: !override 1}]}}", "f.yaml")
    document = documents[0]
    assert isinstance(document, MappingNode)
    assert [(d.code, str(d.origin)) for d in take_directives(document)[2]] == [
        ("TT1060", "f.yaml:1:24"),
        ("TT1060", "f.yaml:1:47"),
    ]


def test_shapes_that_do_not_fit_are_told_with_both_places() -> None:
    _, diagnostics = merged("services:\n  a: {deploy: {replicas: 1}}\n", "services:\n  a: {deploy: [x]}\n")
    assert [d.code for d in diagnostics] == ["TT1060"]
    assert str(diagnostics[0].origin) == "over.yaml:2:15"
    assert "base.yaml:2:15" in diagnostics[0].message


def test_address_pools_are_merged_by_subnet() -> None:
    base = "networks: {n: {ipam: {config: [{subnet: 10.0.0.0/24, gateway: 10.0.0.1}]}}}"
    same, diagnostics = merged(base, "networks: {n: {ipam: {config: [{subnet: 10.0.0.0/24, ip_range: 10.0.0.0/28}]}}}")
    assert diagnostics == ()
    pool = {"subnet": "10.0.0.0/24", "gateway": "10.0.0.1", "ip_range": "10.0.0.0/28"}
    assert same == {"networks": {"n": {"ipam": {"config": [pool]}}}}
    other, diagnostics = merged(base, "networks: {n: {ipam: {config: [{subnet: 10.1.0.0/24}]}}}")
    assert other == {"networks": {"n": {"ipam": {"config": [{"subnet": "10.1.0.0/24"}]}}}}
    assert [d.code for d in diagnostics] == ["TT1061"]


def test_two_entries_for_one_thing_in_one_file_are_warned_about() -> None:
    documents, _ = parse(b"services: {a: {volumes: ['one:/v', 'two:/v', 'zed:/z', 'zed:/z']}}", "f.yaml")
    document = documents[0]
    assert isinstance(document, MappingNode)
    model, diagnostics = unique(canonical(document, path="f.yaml")[0])
    plain = cast("dict[str, dict[str, dict[str, list[dict[str, object]]]]]", to_plain(model))
    assert [v["source"] for v in plain["services"]["a"]["volumes"]] == ["two", "zed"]
    assert [(d.code, str(d.origin)) for d in diagnostics] == [("TT1061", "f.yaml:1:36")]


scalars = st.none() | st.booleans() | st.integers(0, 9) | st.sampled_from(["a", "b"])
trees = st.dictionaries(
    st.sampled_from(["services", "x-a", "x-b"]), st.dictionaries(st.sampled_from("ab"), scalars), max_size=3
)


def as_node(plain: object) -> MappingNode:
    documents, _ = parse(json.dumps(plain).encode(), "f.json")
    node = documents[0]
    assert isinstance(node, MappingNode)
    return node


@given(trees)
def test_merging_with_nothing_or_with_itself_changes_nothing(tree: dict[str, dict[str, object]]) -> None:
    node, nothing = as_node(tree), as_node({})
    for base, over in ((node, nothing), (nothing, node), (node, node)):
        assert to_plain(merge(base, over)[0]) == tree


@given(trees, trees, trees)
def test_merging_is_associative_where_no_rule_depends_on_shape(
    a: dict[str, dict[str, object]], b: dict[str, dict[str, object]], c: dict[str, dict[str, object]]
) -> None:
    one, two, three = as_node(a), as_node(b), as_node(c)
    left = merge(merge(one, two)[0], three)[0]
    right = merge(one, merge(two, three)[0])[0]
    assert to_plain(left) == to_plain(right)
