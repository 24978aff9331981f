"""YAML as data with places: what every stage of the manifest loader works on.

Values are plain; each node remembers the file, line and column it came from, so that a
problem found late (after merging, extending, interpolating) still names its origin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from trimtab.model.diagnostics import Origin

ScalarValue = str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """A leaf; ``quoted`` tells "8080" from 8080 and "yes" from yes."""

    value: ScalarValue
    origin: Origin
    length: int = 1
    quoted: bool = False
    tag: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceNode:
    """A list; ``tag`` is "", "!reset" or "!override"."""

    items: tuple[Node, ...]
    origin: Origin
    tag: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingNode:
    """A mapping in file order, with the place of each key; ``tag`` is "", "!reset" or "!override"."""

    items: Mapping[str, Node]
    origin: Origin
    key_origins: Mapping[str, Origin] = field(default_factory=dict)
    tag: str = ""

    def key_origin(self, key: str) -> Origin:
        """The place of ``key`` itself, not of its value."""
        return self.key_origins.get(key, self.origin)


Node = Scalar | SequenceNode | MappingNode


def to_plain(node: Node) -> object:
    """The node as dicts, lists and scalars, without places."""
    match node:
        case Scalar():
            return node.value
        case SequenceNode():
            return [to_plain(item) for item in node.items]
        case MappingNode():  # pragma: no branch - there is no other node
            return {key: to_plain(item) for key, item in node.items.items()}
