"""Shapes: how one kind of compose value is read, completed and printed.

A shape has three uses. ``read`` turns every way of writing a value into the long form and keeps
what it does not understand as it is, for the schema check to report: a partial file stays usable.
``complete`` runs after all files are merged: it fills in attribute defaults and leaves out values
that mean "not set", as ``docker compose config`` does. ``document`` makes the printed form.
Nodes tagged ``!reset`` are never touched; other tags survive.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from operator import is_
from typing import TYPE_CHECKING

from typing_extensions import override

from trimtab.manifest.nodes import MappingNode, Node, Scalar, SequenceNode
from trimtab.model.diagnostics import Diagnostic, Origin, Severity

if TYPE_CHECKING:
    from trimtab.manifest.codes import Code

EXTENSION_PREFIX = "x-"


class Style(Enum):
    """What Compose prints differs by format: JSON lacks ``x-`` attributes, and shows what is missing as null or {}."""

    JSON = "json"
    YAML = "yaml"


@dataclass(slots=True)
class Report:
    """Collects what is wrong while a file is read."""

    diagnostics: list[Diagnostic] = field(default_factory=list)

    def error(self, code: Code, message: str, node: Node, hint: str = "") -> None:
        """Add an error at a node."""
        self._add(Severity.ERROR, code, message, node, hint)

    def warning(self, code: Code, message: str, node: Node, hint: str = "") -> None:
        """Add a warning at a node."""
        self._add(Severity.WARNING, code, message, node, hint)

    def _add(self, severity: Severity, code: Code, message: str, node: Node, hint: str) -> None:
        length = node.length if isinstance(node, Scalar) else 1
        self.diagnostics.append(
            Diagnostic(severity=severity, code=code, message=message, origin=node.origin, hint=hint, length=length)
        )


class Shape:
    """A value that is taken as it is: text, or anything the schema check judges."""

    def read(self, node: Node, where: str, report: Report) -> Node:  # noqa: ARG002 - what other shapes need
        """The long form of ``node``, which stands at ``where``, such as "services.web.ports"."""
        return node

    def complete(self, node: Node) -> Node:
        """``node`` after merging, with defaults filled in and unset values left out."""
        return node

    def document(self, value: object, style: Style) -> object:  # noqa: ARG002 - what other shapes need
        """The printed form of a plain value."""
        return value

    def is_unset(self, node: Node) -> bool:
        """Whether the value means the same as a missing one."""
        match node:
            case Scalar():
                return node.value is None or node.value == "" or (not isinstance(node.value, str) and node.value == 0)
            case SequenceNode() | MappingNode():  # pragma: no branch - there is no other node
                return not node.items


def is_reset(node: Node) -> bool:
    """Whether ``!reset`` removes this value when files are merged."""
    return node.tag == "!reset"


def text(value: str | float | None, at: Node) -> Scalar:
    """A text, a number or null that takes its place from ``at``."""
    return Scalar(value=value, origin=at.origin, length=at.length if isinstance(at, Scalar) else 1)


def yes(at: Node) -> Scalar:
    """A true that takes its place from ``at``."""
    return text(True, at)  # noqa: FBT003 - the value of a node


def mapping(items: Mapping[str, Node], at: Node, *, keys: Mapping[str, Origin] | None = None) -> MappingNode:
    """A mapping that takes its place and its tag from ``at``."""
    return MappingNode(items=items, origin=at.origin, key_origins=keys or {}, tag=at.tag)


def sequence(items: Sequence[Node], at: Node) -> SequenceNode:
    """A list that takes its place and its tag from ``at``."""
    return SequenceNode(items=tuple(items), origin=at.origin, tag=at.tag)


def from_text(name: str, *, required: bool = False) -> Callable[[Node, str, Report], Node]:
    """How a text becomes a mapping with one attribute, and with ``required: true`` if asked for."""

    def long(node: Node, _where: str, _report: Report) -> Node:
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            return node
        items: dict[str, Node] = {name: text(node.value, node)}
        if required:
            items["required"] = yes(node)
        return mapping(items, node)

    return long


@dataclass(frozen=True, slots=True)
class Field:
    """An attribute of a record; ``keep`` tells a value of zero, false or nothing from a missing one."""

    shape: Shape
    keep: bool = False


class Record(Shape):
    """A mapping with known attributes; ``x-`` attributes are kept, but not printed.

    ``always`` are attributes that become ``{}`` when they are missing, ``defaults`` others that are
    filled in once files are merged; ``nulls`` are printed as null when they are missing, and
    ``hidden`` are never printed: the schema has them, Compose 2.40 reads them and forgets them.
    """

    def __init__(
        self,
        fields: Mapping[str, Shape | Field],
        *,
        always: Sequence[str] = (),
        defaults: Callable[[MappingNode], Mapping[str, Node]] | None = None,
        short: Callable[[Node, str, Report], Node] | None = None,
        renames: Mapping[str, str] | None = None,
        nulls: Sequence[str] = (),
        hidden: Sequence[str] = (),
    ) -> None:
        self.fields = {name: item if isinstance(item, Field) else Field(item) for name, item in fields.items()}
        self.always = tuple(always)
        self.defaults = defaults
        self.short = short
        self.renames = renames or {}
        self.nulls = tuple(nulls)
        self.hidden = frozenset(hidden)

    @override
    def read(self, node: Node, where: str, report: Report) -> Node:
        if is_reset(node):
            return node
        if not isinstance(node, MappingNode):
            long = self.short(node, where, report) if self.short else node
            return self.read(long, where, report) if isinstance(long, MappingNode) else node
        items = {
            name: self.fields[name].shape.read(item, f"{where}.{name}", report) if name in self.fields else item
            for name, item in node.items.items()
        }
        return _with(node, items)

    @override
    def complete(self, node: Node) -> Node:
        if not isinstance(node, MappingNode):
            return node
        items: dict[str, Node] = {}
        filled = {**node.items}
        for name, default in (self.defaults(node) if self.defaults else {}).items():
            filled.setdefault(name, default)
        for name in self.always:
            filled.setdefault(name, MappingNode(items={}, origin=node.origin))
        for name, item in filled.items():
            entry = self.fields.get(name)
            if entry is None:
                items[name] = item
                continue
            done = entry.shape.complete(item)
            missing = isinstance(done, Scalar) and done.value is None
            if missing or (not entry.keep and entry.shape.is_unset(done)):
                continue
            items[name] = done
        return _with(node, items)

    @override
    def document(self, value: object, style: Style) -> object:
        if not isinstance(value, Mapping):
            return value
        items = {
            name: self.fields[name].shape.document(item, style) if name in self.fields else item
            for name, item in value.items()
            if name not in self.hidden
        }
        if style is Style.YAML:
            return {name: item for name, item in items.items() if name not in self.always or item != {}}
        missing: dict[str, object] = dict.fromkeys(self.nulls) | {name: {} for name in self.always}
        own = {name: item for name, item in items.items() if not name.startswith(EXTENSION_PREFIX)}
        return missing | {self.renames.get(name, name): item for name, item in own.items()}

    @override
    def is_unset(self, node: Node) -> bool:
        # An empty record is printed: `healthcheck: {}`.
        return not isinstance(node, MappingNode) and super().is_unset(node)


class Items(Shape):
    """A list whose items have one shape; ``single`` makes a lone scalar a list of one."""

    def __init__(self, item: Shape, *, single: bool = False) -> None:
        self.item = item
        self.single = single

    @override
    def read(self, node: Node, where: str, report: Report) -> Node:
        if is_reset(node):
            return node
        if self.single and isinstance(node, Scalar) and isinstance(node.value, str):
            node = sequence((replace(node, tag=""),), node)
        if not isinstance(node, SequenceNode):
            return node
        items = [self.item.read(item, f"{where}[{i}]", report) for i, item in enumerate(node.items)]
        return _with_all(node, items)

    @override
    def complete(self, node: Node) -> Node:
        if not isinstance(node, SequenceNode):
            return node
        return _with_all(node, [self.item.complete(item) for item in node.items])

    @override
    def document(self, value: object, style: Style) -> object:
        if not isinstance(value, list | tuple):
            return value
        return [self.item.document(item, style) for item in value]


class Values(Shape):
    """A mapping with keys of the user's choice and values of one shape.

    ``names`` makes a list of names a mapping; it gives each name's value.
    """

    def __init__(self, value: Shape, *, names: Callable[[Scalar], Node] | None = None) -> None:
        self.value = value
        self.names = names

    @override
    def read(self, node: Node, where: str, report: Report) -> Node:
        if is_reset(node):
            return node
        if self.names is not None and isinstance(node, SequenceNode):
            node = _by_name(node, self.names)
        if not isinstance(node, MappingNode):
            return node
        items = {name: self.value.read(item, f"{where}.{name}", report) for name, item in node.items.items()}
        return _with(node, items)

    @override
    def complete(self, node: Node) -> Node:
        if not isinstance(node, MappingNode):
            return node
        return _with(node, {name: self.value.complete(item) for name, item in node.items.items()})

    @override
    def document(self, value: object, style: Style) -> object:
        if not isinstance(value, Mapping):
            return value
        return {name: self.value.document(item, style) for name, item in value.items()}


def _with(node: MappingNode, items: dict[str, Node]) -> MappingNode:
    """The mapping with these items; itself where they are its own, so that most of a file is never copied."""
    if len(items) == len(node.items) and all(map(is_, items.values(), node.items.values())):
        return node
    return MappingNode(items=items, origin=node.origin, key_origins=node.key_origins, tag=node.tag)


def _with_all(node: SequenceNode, items: list[Node]) -> SequenceNode:
    if all(map(is_, items, node.items)):
        return node
    return SequenceNode(items=tuple(items), origin=node.origin, tag=node.tag)


def _by_name(node: SequenceNode, value: Callable[[Scalar], Node]) -> Node:
    """A list of distinct names as a mapping; another list is left for the schema check to report."""
    items: dict[str, Node] = {}
    keys: dict[str, Origin] = {}
    for item in node.items:
        if not isinstance(item, Scalar) or not isinstance(item.value, str) or item.value in items:
            return node
        items[item.value], keys[item.value] = value(item), item.origin
    return mapping(items, node, keys=keys)
