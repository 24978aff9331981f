"""The Compose Specification's own JSON schema, applied to nodes, so that every finding has a place.

It checks names, kinds, enums, ranges and what must be there. Only the part of JSON Schema that the
specification uses is known here; a test fails if a newer schema uses more.

Source: compose-spec.json of https://github.com/compose-spec/compose-spec (Apache-2.0), unchanged, as the Compose
tools embed it (compose-go v2.9.1, schema/).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any

from trimtab.manifest.codes import Code
from trimtab.manifest.nodes import MappingNode, Node, Scalar, SequenceNode, to_plain
from trimtab.model.diagnostics import Diagnostic, Severity

Schema = Mapping[str, Any]

KNOWN_KEYWORDS = frozenset(
    {
        "$ref", "$schema", "$id", "title", "description", "default", "deprecated", "definitions", "type", "properties",
        "patternProperties", "additionalProperties", "items", "oneOf", "enum", "minimum", "maximum", "pattern",
        "required", "uniqueItems",
    }
)  # fmt: skip
_KINDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "nothing",
}
# Where a bare number lacks its unit more likely than its quotes.
_DURATIONS = frozenset(
    {"interval", "timeout", "start_period", "start_interval", "stop_grace_period", "delay", "monitor", "window"}
)
# "Did you mean": how alike two names must be, from 0 to 1; difflib's own default is 0.6.
_LIKENESS = 0.6
# A file of 1 MiB may hold tens of thousands of mistakes; hints for them must not cost minutes.
_MAX_HINTS, _MAX_NAMES, _MAX_NAME = 50, 250, 100


@cache
def schema() -> Schema:
    """The specification's schema, read once."""
    text = files("trimtab.manifest.compose").joinpath("compose-spec.json").read_text(encoding="utf-8")
    loaded: Schema = json.loads(text)
    return loaded


def check_schema(node: Node) -> list[Diagnostic]:
    """Every place where a compose model differs from the schema; the model may be in short or long form."""
    check = _Check()
    check.value(node, schema(), "")
    return check.diagnostics


class Hints:
    """Names the most similar known name, for a limited number of mistakes: each costs a look at all names."""

    def __init__(self) -> None:
        self.left = _MAX_HINTS

    def did_you_mean(self, name: str, known: Mapping[str, object] | list[str]) -> str:
        """A hint, or "" if no known name is similar."""
        if self.left <= 0 or len(known) > _MAX_NAMES or len(name) > _MAX_NAME:
            return ""
        self.left -= 1
        close = get_close_matches(name, sorted(known), n=1, cutoff=_LIKENESS)
        return f"did you mean '{close[0]}'?" if close else ""


class _Check:
    def __init__(self) -> None:
        self.diagnostics: list[Diagnostic] = []
        self.hints = Hints()

    def value(self, node: Node, rule: Schema, where: str) -> None:
        self.check(node, _compiled(rule), where)

    def check(self, node: Node, rule: _Rule, where: str) -> None:
        kind = _kind_of(node)
        if rule.options:
            self._one_of(node, kind, rule, where)
        elif kind not in rule.kinds and not (kind == "number" and rule.takes_whole(node)):
            self._wrong_type(node, rule.types, where)
        elif kind == "object":
            self._mapping(node, rule, where)  # type: ignore[arg-type]  # what the kind says
        elif kind == "array":
            self._sequence(node, rule, where)  # type: ignore[arg-type]
        elif rule.limits_scalars:
            self._scalar(node, rule.schema, where)  # type: ignore[arg-type]

    def _one_of(self, node: Node, kind: str, rule: _Rule, where: str) -> None:
        fitting = [
            option for option in rule.options if kind in option.kinds or (kind == "number" and option.takes_whole(node))
        ]
        # In this schema, no two options of an attribute take the same kind of value; a test holds it to that.
        if fitting:
            self.check(node, fitting[0], where)
        else:
            self._wrong_type(node, [name for option in rule.options for name in option.types], where)

    def _wrong_type(self, node: Node, expected: Sequence[str], where: str) -> None:
        names = list(dict.fromkeys(_KINDS[name] for name in expected))
        wanted = " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
        hint = ""
        attribute = where.rpartition(".")[2]
        if isinstance(node, Scalar) and attribute in _DURATIONS and isinstance(node.value, int | float):
            hint = f"write it with a unit: {node.value}s"
        elif isinstance(node, Scalar) and "string" in expected and node.value is not None:
            hint = f'put it in quotes: "{str(node.value).lower() if isinstance(node.value, bool) else node.value}"'
        elif isinstance(node, Scalar) and node.value is None:
            hint = "give it a value, or leave it out"
        elif isinstance(node, Scalar) and "array" in expected:
            hint = f"write it as a list: [{node.value}]"
        self._error(Code.WRONG_TYPE, f"{where or 'the file'} is {_kind(node)}; it must be {wanted}", node, hint)

    def _scalar(self, node: Scalar, rule: Schema, where: str) -> None:
        value = node.value
        allowed = [str(one) for one in rule.get("enum", ())]
        if allowed and value not in allowed:
            hint = self.hints.did_you_mean(str(value), allowed) or f"one of: {', '.join(allowed)}"
            self._error(Code.WRONG_VALUE, f"'{value}' is not a value of {where}", node, hint)
        if isinstance(value, str) and "pattern" in rule and not re.search(rule["pattern"], value):
            self._error(
                Code.WRONG_VALUE, f"'{value}' is not a value of {where}", node, f"it must match {rule['pattern']}"
            )
        if isinstance(value, int | float) and not isinstance(value, bool):
            if value < rule.get("minimum", value):
                self._error(Code.OUT_OF_RANGE, f"{where} is {value}; it must be at least {rule['minimum']}", node)
            if value > rule.get("maximum", value):
                self._error(Code.OUT_OF_RANGE, f"{where} is {value}; it must be at most {rule['maximum']}", node)

    def _sequence(self, node: SequenceNode, rule: _Rule, where: str) -> None:
        seen: list[object] = []
        for i, item in enumerate(node.items):
            if rule.items is not None:
                self.check(item, _compiled(rule.items), f"{where}[{i}]")
            if not rule.unique:
                continue
            plain = to_plain(item)
            if plain in seen:
                self._error(
                    Code.DUPLICATE_ITEM, f"{where}[{i}] is the same as item {seen.index(plain)}", item, "leave one out"
                )
            seen.append(plain)

    def _mapping(self, node: MappingNode, rule: _Rule, where: str) -> None:
        known = rule.properties
        for name, item in node.items.items():
            inside = f"{where}.{name}" if where else name
            if name in known:
                self.check(item, _compiled(known[name]), inside)
                continue
            matching = [inner for pattern, inner in rule.patterns if pattern.search(name)]
            for inner in matching:
                self.check(item, _compiled(inner), inside)
            if not matching and rule.closed:
                self._unknown(node, name, rule.schema, where)
        for name in rule.required:
            if name not in node.items:
                self._error(Code.MISSING_ATTRIBUTE, f"{where} has no attribute '{name}'", node, f"add `{name}:`")

    def _unknown(self, node: MappingNode, name: str, rule: Schema, where: str) -> None:
        known: Schema = rule.get("properties", {})
        if known:
            code, message = Code.UNKNOWN_ATTRIBUTE, f"unknown attribute '{name}' in {where or 'the compose file'}"
            hint = self.hints.did_you_mean(name, known) or "an attribute of your own starts with 'x-'"
        else:
            code, message = Code.BAD_NAME, f"'{name}' is not a name that {where} may have"
            hint = f"it must match {next(iter(rule.get('patternProperties', {})), '')}"
        self.diagnostics.append(
            Diagnostic(
                severity=Severity.ERROR,
                code=code,
                message=message,
                origin=node.key_origin(name),
                hint=hint,
                length=max(1, len(name)),
            )
        )

    def _error(self, code: Code, message: str, node: Node, hint: str = "") -> None:
        length = node.length if isinstance(node, Scalar) else 1
        self.diagnostics.append(
            Diagnostic(
                severity=Severity.ERROR, code=code, message=message, origin=node.origin, hint=hint, length=length
            )
        )


def _resolve(rule: Schema) -> Schema:
    while "$ref" in rule:
        rule = schema()["definitions"][rule["$ref"].rpartition("/")[2]]
    return rule


def _flat(options: list[Schema]) -> list[Schema]:
    """Options of options, as one list."""
    flat: list[Schema] = []
    for option in options:
        flat += _flat([_resolve(inner) for inner in option["oneOf"]]) if "oneOf" in option else [option]
    return flat


def _types(rule: Schema) -> list[str]:
    kinds = rule.get("type", list(_KINDS))
    return [kinds] if isinstance(kinds, str) else list(kinds)


class _Rule:
    """One part of the schema with all that checking asks it, looked up once."""

    __slots__ = (
        "closed", "items", "kinds", "limits_scalars", "options", "patterns", "properties", "required", "schema",
        "types", "unique",
    )  # fmt: skip

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.types = tuple(_types(schema))
        self.kinds = frozenset(self.types)
        self.options = tuple(_compiled(one) for one in _flat([schema])) if "oneOf" in schema else ()
        self.properties: Schema = schema.get("properties", {})
        self.patterns = tuple((re.compile(p), inner) for p, inner in schema.get("patternProperties", {}).items())
        self.closed = schema.get("additionalProperties") is False
        self.required = tuple(schema.get("required", ()))
        self.items: Schema | None = schema.get("items")
        self.unique = bool(schema.get("uniqueItems"))
        self.limits_scalars = bool(schema.keys() & {"enum", "pattern", "minimum", "maximum"})

    def takes_whole(self, node: Node) -> bool:
        """Whether it wants a whole number, and the node, which is a number, is one."""
        value = node.value if isinstance(node, Scalar) else None
        return "integer" in self.kinds and isinstance(value, int | float) and value == int(value)


# By identity: the parts of the schema live as long as the process.
_RULES: dict[int, _Rule] = {}


def _compiled(schema: Schema) -> _Rule:
    rule = _RULES.get(id(schema))
    if rule is None:
        rule = _RULES[id(schema)] = _Rule(_resolve(schema))
    return rule


def _kind_of(node: Node) -> str:
    """What JSON Schema calls it; a whole number is a number, too."""
    if type(node) is MappingNode:
        return "object"
    if type(node) is SequenceNode:
        return "array"
    return _SCALARS[type(node.value)]  # type: ignore[union-attr]  # the one kind that is left


_SCALARS: Mapping[type, str] = {
    type(None): "null",
    bool: "boolean",
    str: "string",
    int: "number",
    float: "number",
}


def _kind(node: Node) -> str:
    match node:
        case MappingNode():
            return "a mapping"
        case SequenceNode():
            return "a list"
        case Scalar(value=None):
            return "empty"
        case Scalar(value=bool()):
            return f"{node.value}".lower()
        case Scalar(value=str()):
            return "a text"
        case Scalar():  # pragma: no branch - there is no other node
            return "a number"
