from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.oracle.cases import HERE
from tests.support.compose_text import PATH, long_form, service
from trimtab.manifest.compose.canonical import canonical, complete
from trimtab.manifest.nodes import MappingNode, Node, Scalar, SequenceNode, to_plain
from trimtab.manifest.yaml_nodes import parse
from trimtab.model.diagnostics import Origin

FILES = sorted(HERE.glob("corpus/*/compose.yaml"))


def _first(path: str, data: bytes) -> MappingNode:
    documents, _ = parse(data, path)
    assert isinstance(documents[0], MappingNode)
    return documents[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_the_long_form_of_the_long_form_is_itself(path: Path) -> None:
    once, _ = canonical(_first(PATH, path.read_bytes()), path=PATH)
    twice, _ = canonical(once, path=PATH)
    assert to_plain(twice) == to_plain(once)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_completing_twice_is_completing_once(path: Path) -> None:
    once = complete(canonical(_first(PATH, path.read_bytes()), path=PATH)[0])
    assert to_plain(complete(once)) == to_plain(once)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_every_value_keeps_a_place(path: Path) -> None:
    def check(node: Node) -> None:
        assert node.origin.line > 0
        for item in node.items.values() if isinstance(node, MappingNode) else getattr(node, "items", ()):
            check(item)

    check(canonical(_first(PATH, path.read_bytes()), path=PATH)[0])


scalars = (
    st.none() | st.booleans() | st.integers(-5, 70000) | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(
    [
        "ports",
        "volumes",
        "environment",
        "build",
        "deploy",
        "healthcheck",
        "command",
        "networks",
        "depends_on",
        "ulimits",
        "configs",
        "secrets",
        "devices",
        "gpus",
        "extra_hosts",
        "env_file",
        "mem_limit",
        "cpus",
        "dns",
        "models",
        "blkio_config",
        "provider",
        "develop",
        "post_start",
        "logging",
        "stop_grace_period",
        "expose",
        "extends",
        "tmpfs",
        "storage_opt",
    ]
)


def _node(value: object) -> Node:
    origin = Origin(PATH, 1, 1)
    match value:
        case dict():
            return MappingNode(items={str(key): _node(item) for key, item in value.items()}, origin=origin)
        case list():
            return SequenceNode(items=tuple(_node(item) for item in value), origin=origin)
        case None | bool() | int() | float() | str():
            return Scalar(value=value, origin=origin)
    raise TypeError(value)


@given(st.dictionaries(names, values, max_size=4))
def test_nothing_that_parses_as_yaml_breaks_it(attributes: dict[str, object]) -> None:
    model = _node({"services": {"web": attributes}})
    assert isinstance(model, MappingNode)
    long, _ = canonical(model, path=PATH)
    complete(long)


@given(st.dictionaries(st.sampled_from(["networks", "volumes", "configs", "secrets", "models", "services"]), values))
def test_no_section_breaks_it(sections: dict[str, object]) -> None:
    model = _node(sections)
    assert isinstance(model, MappingNode)
    complete(canonical(model, path=PATH)[0])


def test_a_partial_file_stays_partial() -> None:
    model, _ = long_form(
        "services: {web: {ports: [{target: 80}], build: {target: t}, deploy: {}, depends_on: {a: {}}}}"
    )
    assert to_plain(model) == {
        "services": {
            "web": {"ports": [{"target": 80}], "build": {"target": "t"}, "deploy": {}, "depends_on": {"a": {}}}
        }
    }


def test_merge_tags_survive() -> None:
    model, _ = long_form(
        """
        services:
          web:
            environment: !override [A=1]
            ports: !reset null
            command: !override echo hi
            dns: !override 1.1.1.1
            build: !override .
        """
    )
    services = model.items["services"]
    assert isinstance(services, MappingNode)
    web = services.items["web"]
    assert isinstance(web, MappingNode)
    tags = {name: node.tag for name, node in web.items.items()}
    assert tags == {
        "environment": "!override",
        "ports": "!reset",
        "command": "!override",
        "dns": "!override",
        "build": "!override",
    }


@pytest.mark.parametrize(
    "attribute",
    [
        "ports",
        "volumes",
        "environment",
        "build",
        "command",
        "healthcheck",
        "extra_hosts",
        "gpus",
        "mem_limit",
        "networks",
    ],
)
def test_what_is_reset_is_not_touched(attribute: str) -> None:
    model, diagnostics = long_form(f"services: {{web: {{{attribute}: !reset text}}}}")
    assert to_plain(model) == {"services": {"web": {attribute: "text"}}}
    assert diagnostics == ()


def test_names_become_mappings() -> None:
    attributes, _ = service("networks: [a, b]\nmodels: [m]\ndepends_on: [db]")
    assert attributes == {
        "networks": {"a": None, "b": None},
        "models": {"m": None},
        "depends_on": {"db": {"condition": "service_started", "required": True}},
    }


def test_a_list_with_a_name_twice_is_left_to_the_schema() -> None:
    assert service("depends_on: [db, db]")[0]["depends_on"] == ["db", "db"]


def test_defaults() -> None:
    assert service("build: .")[0]["build"] == {"context": ".", "dockerfile": "Dockerfile"}
    assert service("build: {dockerfile_inline: FROM x}")[0]["build"] == {"dockerfile_inline": "FROM x", "context": "."}
    assert service("secrets: [s]")[0]["secrets"] == [{"source": "s", "target": "/run/secrets/s"}]
    assert service("build: {secrets: [s]}")[0]["build"]["secrets"] == [{"source": "s"}]  # type: ignore[index]
    assert service("gpus: [{driver: d}]")[0]["gpus"] == [{"driver": "d", "count": -1}]
    assert service("gpus: [{device_ids: [a]}]")[0]["gpus"] == [{"device_ids": ["a"]}]
    assert service("gpus: all")[0]["gpus"] == [{"count": -1}]
    assert service("env_file: a.env")[0]["env_file"] == [{"path": "a.env", "required": True}]
    assert service("deploy: {}")[0]["deploy"] == {"resources": {}, "placement": {}}
    assert service("scale: 2\ndeploy: {}")[0]["deploy"] == {"replicas": 2, "resources": {}, "placement": {}}


def test_devices() -> None:
    attributes, codes = service("devices: [/a, '/a:/b', '/a:/b:r', '/a::', 'a:b:c:d']")
    full = {"source": "/a", "target": "/a", "permissions": "rwm"}
    assert attributes["devices"] == [
        full,
        {**full, "target": "/b"},
        {**full, "target": "/b", "permissions": "r"},
        {"source": "/a", "target": "/a"},
        "a:b:c:d",
    ]
    assert codes == ["TT1216"]


def test_an_empty_name_server_is_left_out() -> None:
    assert service("dns: ['', 1.1.1.1]")[0] == {"dns": ["1.1.1.1"]}
    assert service("dns: ''")[0] == {}


def test_the_file_is_named_where_the_node_has_no_place() -> None:
    model, _ = canonical(MappingNode(items={}, origin=Origin("")), path=PATH)
    assert model.origin == Origin(PATH)
