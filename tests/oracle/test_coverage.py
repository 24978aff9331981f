"""The corpus uses every attribute of the Compose Specification, in every kind of value that its schema allows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import yaml

from tests.oracle.cases import cases
from trimtab.manifest.compose.schema_check import KNOWN_KEYWORDS, schema
from trimtab.manifest.compose.services import ATTRIBUTES

Schema = Mapping[str, Any]
Use = tuple[str, str]

# What no case can show, and why.
NOT_SHOWN: Mapping[Use, str] = {
    **dict.fromkeys(
        [("services.*.build.additional_contexts.*", kind) for kind in ("boolean", "null", "number")],
        "Compose 2.40 crashes on it; we read it as text, and refuse null",
    ),
    **dict.fromkeys(
        [("services.*.build.ssh.*", kind) for kind in ("boolean", "number", "string")],
        "Compose 2.40 prints no valid JSON for a key with a path",
    ),
    **dict.fromkeys(
        [(f"services.*.build.ulimits.*{end}", "string") for end in ("", ".soft", ".hard")],
        "Compose 2.40 refuses the text, or crashes on it; we read the number",
    ),
    **dict.fromkeys(
        [(f"services.*.blkio_config.{end}", "string") for end in ("weight", "weight_device[].weight")],
        "Compose 2.40 refuses the text; we read the number",
    ),
    ("services.*.pid", "null"): "Compose 2.40 crashes on it; for us it is not set",
}
# Compose 2.40 reads these and forgets them; we keep them in the model, and do not print them.
FORGOTTEN_BY_COMPOSE = {"services.*.pull_refresh_after", "networks.*.ipam.options", "models"}


def _resolve(rule: Schema) -> Schema:
    while "$ref" in rule:
        rule = schema()["definitions"][rule["$ref"].rpartition("/")[2]]
    return rule


def _options(rule: Schema) -> list[Schema]:
    rule = _resolve(rule)
    if "oneOf" not in rule:
        return [rule]
    return [option for inner in rule["oneOf"] for option in _options(inner)]


def _kinds(rule: Schema) -> list[str]:
    kinds = rule.get("type", [])
    return [kinds] if isinstance(kinds, str) else list(kinds)


def _allowed(rule: Schema, path: str) -> Iterator[Use]:
    """Every attribute below ``rule`` with every kind of value it may have."""
    for option in _options(rule):
        for kind in _kinds(option):
            if path:
                yield path, kind
        for name, inner in option.get("properties", {}).items():
            yield from _allowed(inner, f"{path}.{name}" if path else name)
        for pattern, inner in option.get("patternProperties", {}).items():
            if inner and pattern != "^x-":
                yield from _allowed(inner, f"{path}.*")
        if "items" in option:
            yield from _allowed(option["items"], f"{path}[]")


def _used(value: object, rule: Schema, path: str) -> Iterator[Use]:  # noqa: C901 - a walk of two trees
    """The same for a document."""
    kind = _kind(value)
    for option in _options(rule):
        kinds = _kinds(option)
        if kinds and kind not in kinds and not (kind == "integer" and "number" in kinds):
            continue
        yield path, kind
        if kind == "integer":
            yield path, "number"
        if isinstance(value, Mapping):
            for name, item in value.items():
                inside = f"{path}.{name}" if path else str(name)
                if name in option.get("properties", {}):
                    yield from _used(item, option["properties"][name], inside)
                for pattern, inner in option.get("patternProperties", {}).items():
                    if inner and re.search(pattern, str(name)):
                        yield from _used(item, inner, f"{path}.*")
        if isinstance(value, list):
            for item in value:
                yield from _used(item, option.get("items", {}), f"{path}[]")


def _kind(value: object) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}
    return names.get(type(value), "null")


class _Loader(yaml.SafeLoader):
    """Knows the tags of merging; what they stand before is read as it is."""


def _plain(loader: yaml.SafeLoader, node: yaml.Node) -> object:
    match node:
        case yaml.MappingNode():
            return loader.construct_mapping(node, deep=True)
        case yaml.SequenceNode():
            return loader.construct_sequence(node, deep=True)
    return None


_Loader.add_constructor("!reset", _plain)
_Loader.add_constructor("!override", _plain)


@cache
def _corpus_uses() -> frozenset[Use]:
    documents = [
        document
        for case in cases("corpus")
        for path in sorted(case.directory.rglob("*.yaml"))
        for document in yaml.load_all(path.read_text(encoding="utf-8"), _Loader)
    ]
    return frozenset(use for document in documents for use in _used(document, schema(), ""))


def test_every_attribute_is_used() -> None:
    allowed = {path for path, _ in _allowed(schema(), "")}
    assert sorted(allowed - {path for path, _ in _corpus_uses()}) == []


def test_every_kind_of_value_is_used() -> None:
    assert sorted(set(_allowed(schema(), "")) - _corpus_uses() - set(NOT_SHOWN)) == []


def test_every_attribute_of_a_service_has_a_shape() -> None:
    properties = schema()["definitions"]["service"]["properties"]
    assert len(properties) == 92
    assert sorted(ATTRIBUTES) == sorted(properties)


def test_what_compose_forgets_is_in_the_schema() -> None:
    assert {path for path, _ in _allowed(schema(), "")} >= FORGOTTEN_BY_COMPOSE


def test_the_schema_uses_no_keyword_that_is_not_checked() -> None:
    def keywords(rule: object, *, names: bool = False) -> Iterator[str]:
        if isinstance(rule, Mapping):
            for key, inner in rule.items():
                if not names:
                    yield key
                yield from keywords(
                    inner, names=not names and key in {"properties", "patternProperties", "definitions"}
                )
        elif isinstance(rule, list):
            for item in rule:
                yield from keywords(item)

    assert set(keywords(schema())) <= KNOWN_KEYWORDS
