"""``!reset`` and ``!override``: what a file takes out of those it is merged onto.

Both act on what came before: their paths are taken out of the base, then the files are merged.
``!reset`` also drops the value it stands at.

Source: Compose Specification, 13-merge.md; compose-go, loader/reset.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from operator import is_

from trimtab.manifest.codes import Code
from trimtab.manifest.nodes import MappingNode, Node, Scalar, SequenceNode
from trimtab.model.diagnostics import Diagnostic, Severity

# Keys from the top level down: ("services", "web", "ports").
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Directives:
    """The paths that ``!reset`` and ``!override`` take out of whatever a file is merged onto."""

    paths: tuple[Path, ...] = ()

    def apply(self, base: MappingNode, prefix: Path = ()) -> MappingNode:
        """``base``, which stands at ``prefix``, without the named values."""
        for path in self.paths:
            if path[: len(prefix)] == prefix and len(path) > len(prefix):
                base = _without(base, path[len(prefix) :])
        return base


def take_directives(document: MappingNode) -> tuple[MappingNode, Directives, tuple[Diagnostic, ...]]:
    """A file as written, without its merge tags and reset values; and what the tags ask for."""
    paths: list[Path] = []
    diagnostics: list[Diagnostic] = []
    taken = _take(document, (), paths, diagnostics)
    stripped = taken if isinstance(taken, MappingNode) else replace(document, items={}, key_origins={})
    return stripped, Directives(paths=tuple(paths)), tuple(diagnostics)


def _take(node: Node, path: Path, paths: list[Path], diagnostics: list[Diagnostic]) -> Node | None:
    if node.tag:
        paths.append(path)
        if node.tag == "!reset":
            return None
        node = replace(node, tag="")
    match node:
        case Scalar():
            return node
        case SequenceNode():
            for item in node.items:
                _refuse_tags(item, path, diagnostics)
            return node
        case MappingNode():  # pragma: no branch - there is no other node
            taken = {key: _take(item, (*path, key), paths, diagnostics) for key, item in node.items.items()}
            if all(map(is_, taken.values(), node.items.values())):
                return node
            return replace(node, items={key: item for key, item in taken.items() if item is not None})


def _refuse_tags(node: Node, path: Path, diagnostics: list[Diagnostic]) -> None:
    """Inside a list there is nothing to reset or override: entries of lists have no names."""
    if node.tag:
        message = f"{node.tag} has no effect on an entry of the list {'.'.join(path)}"
        hint = f"put {node.tag} before the whole list"
        diagnostics.append(
            Diagnostic(
                severity=Severity.ERROR, code=Code.CANNOT_MERGE.value, message=message, origin=node.origin, hint=hint
            )
        )
    children: Iterable[Node] = ()
    if isinstance(node, SequenceNode):
        children = node.items
    elif isinstance(node, MappingNode):
        children = node.items.values()
    for child in children:
        _refuse_tags(child, path, diagnostics)


def _without(node: MappingNode, path: Path) -> MappingNode:
    child = node.items.get(path[0])
    if child is None:
        return node
    items = dict(node.items)
    if len(path) == 1:
        del items[path[0]]
    elif isinstance(child, MappingNode):
        items[path[0]] = _without(child, path[1:])
    return replace(node, items=items)
