"""``extends``: a service on top of another one, of the same file or of another.

Only the service is taken: networks, volumes, configs and secrets it uses must be declared by
whoever extends it. What it extends in turn is resolved first, in its own file.

Source: Compose Specification, 05-services.md "extends"; compose-go, loader/extends.go.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from trimtab.manifest.codes import Code
from trimtab.manifest.compose.directives import Directives
from trimtab.manifest.compose.merge import merge_service
from trimtab.manifest.compose.tree_files import Place, TreeFiles, is_remote
from trimtab.manifest.nodes import MappingNode, Node, Scalar

_MAX_CHAIN = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Extensible:
    """A file whose services extend others: its long form, its merge tags, and what its paths are relative to."""

    path: str
    directory: str
    model: MappingNode
    directives: Directives


# Reads another file: its path, who names it, the directory its own paths are relative to.
ReadFile = Callable[[str, Place, str], Extensible | None]


@dataclass(slots=True)
class _Resolver:
    """Follows chains of services; every file and every service is looked at once."""

    files: TreeFiles
    read: ReadFile
    _files: dict[str, Extensible | None] = field(default_factory=dict)
    _done: dict[tuple[str, str], Node] = field(default_factory=dict)

    def service(self, file: Extensible, name: str, node: Node, chain: tuple[tuple[str, str], ...]) -> Node:
        """The service with all it extends merged below it; where that fails it keeps its `extends`."""
        here = (file.path, name)
        if here not in self._done:
            self._done[here] = self._resolve(file, name, node, (*chain, here))
        return self._done[here]

    def _resolve(self, file: Extensible, name: str, node: Node, chain: tuple[tuple[str, str], ...]) -> Node:
        if not isinstance(node, MappingNode) or "extends" not in node.items:
            return node
        own = replace(node, items={key: item for key, item in node.items.items() if key != "extends"})
        base = self._base(file, name, node.items["extends"], chain)
        if base is None:
            return node
        if not isinstance(base, MappingNode):
            return own
        base = file.directives.apply(base, ("services", name))
        merged, diagnostics = merge_service(base, own, name)
        self.files.diagnostics.extend(diagnostics)
        return merged

    def _base(self, file: Extensible, name: str, extends: Node, chain: tuple[tuple[str, str], ...]) -> Node | None:
        target = extends.items.get("service") if isinstance(extends, MappingNode) else None
        if not isinstance(extends, MappingNode) or not isinstance(target, Scalar) or not isinstance(target.value, str):
            return None  # the schema check says so
        source: Extensible | None = file
        if (other := extends.items.get("file")) is not None:
            source = self._other_file(file, name, other)
        if source is None:
            return None
        services = source.model.items.get("services")
        base = services.items.get(target.value) if isinstance(services, MappingNode) else None
        if base is None:
            message = f"service '{name}' extends '{target.value}', which is not in '{source.path}'"
            hint = "`extends` looks into one file only; name it with `file`" if source is file else ""
            self.files.error(Code.EXTENDS_NOT_FOUND, message, Place.of(target), hint)
            return None
        if (source.path, target.value) in chain or len(chain) > _MAX_CHAIN:
            steps = " -> ".join(f"{service} ({path})" for path, service in (*chain, (source.path, target.value)))
            message = f"services extend each other in a circle: {steps}"
            self.files.error(Code.EXTENDS_CYCLE, message, Place.of(target))
            return None
        return self.service(source, target.value, base, chain)

    def _other_file(self, file: Extensible, name: str, node: Node) -> Extensible | None:
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            return None  # the schema check says so
        at = Place.of(node)
        if is_remote(node.value):
            message = f"service '{name}' extends one of '{node.value}', which is not in the repository"
            self.files.error(Code.REMOTE_RESOURCE, message, at, "copy the file into the repository")
            return None
        path = self.files.join(file.directory, node.value, "the extended file", at)
        if path is None:
            return None
        if path == file.path:
            return file
        if path not in self._files:
            self._files[path] = self.read(path, at, posixpath.dirname(path))
        return self._files[path]


def resolve_extends(file: Extensible, files: TreeFiles, read: ReadFile) -> MappingNode:
    """The file's long form with no `extends` left."""
    services = file.model.items.get("services")
    if not isinstance(services, MappingNode):
        return file.model
    resolver = _Resolver(files, read)
    items = {name: resolver.service(file, name, node, ()) for name, node in services.items.items()}
    return replace(file.model, items={**file.model.items, "services": replace(services, items=items)})
