"""Relative paths of a compose file made relative to the repository, so that files from elsewhere can be merged.

A path of the repository is written with a leading "./"; an absolute one is the engine's host's.

Source: Compose Specification, 05-services.md; compose-go, paths/resolve.go names the attributes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from trimtab.manifest.compose.tree_files import Place, TreeFiles, is_remote
from trimtab.manifest.nodes import MappingNode, Node, Scalar, SequenceNode

Change = Callable[[Node], Node]


def repository_path(path: str) -> str:
    """How the model writes a path of the repository."""
    return f"./{path}"


def is_repository_path(path: str) -> bool:
    """Whether the model's ``path`` is one of the repository."""
    return path.startswith("./")


def tree_path(path: str) -> str:
    """The path from the repository's root, for a path that the model writes with "./"."""
    return path.removeprefix("./")


def rebase(model: MappingNode, base: str, files: TreeFiles) -> MappingNode:
    """A file's long form with its relative paths, which are relative to ``base``, made the repository's."""
    run = _Rebase(base, files)
    sections: dict[str, Change] = {
        "services": lambda node: _each(node, run.service),
        "configs": lambda node: _each(node, run.file_object),
        "secrets": lambda node: _each(node, run.file_object),
        "volumes": lambda node: _each(node, run.volume),
    }
    items = {key: sections[key](node) if key in sections else node for key, node in model.items.items()}
    return replace(model, items=items)


class _Rebase:
    """The changes for one base directory."""

    def __init__(self, base: str, files: TreeFiles) -> None:
        self._base = base
        self._files = files

    def service(self, node: Node) -> Node:
        return _fields(
            node,
            {
                "build": self._build,
                "env_file": lambda files: _each(files, self._env_file),
                "label_file": lambda files: _each(files, lambda path: self._inside(path, "the label file")),
                "volumes": lambda mounts: _each(mounts, self._mount),
                "develop": lambda develop: _fields(develop, {"watch": lambda watch: _each(watch, self._watch)}),
            },
        )

    def file_object(self, node: Node) -> Node:
        return _fields(node, {"file": lambda path: self._host_or_inside(path, "the file")})

    def volume(self, node: Node) -> Node:
        """A local volume may bind a directory, as a service does."""
        options = node.items.get("driver_opts") if isinstance(node, MappingNode) else None
        if not isinstance(node, MappingNode) or not isinstance(options, MappingNode):
            return node
        driver, kind = node.items.get("driver"), options.items.get("o")
        is_local = isinstance(driver, Scalar) and driver.value == "local"
        if not is_local or not isinstance(kind, Scalar) or kind.value != "bind":
            return node
        return _fields(
            node,
            {
                "driver_opts": lambda found: _fields(
                    found, {"device": lambda path: self._host_or_inside(path, "the volume's device")}
                )
            },
        )

    def _build(self, node: Node) -> Node:
        def ssh(path: Node) -> Node:
            return self._host_or_inside(path, "the SSH key")

        return _fields(
            node,
            {
                "context": self._context,
                "additional_contexts": lambda contexts: _each(contexts, self._context),
                "ssh": lambda keys: _each(keys, ssh),
            },
        )

    def _context(self, node: Node) -> Node:
        if isinstance(node, Scalar) and (is_remote(str(node.value)) or str(node.value).startswith("service:")):
            return node
        return self._inside(node, "the build context")

    def _env_file(self, node: Node) -> Node:
        return _fields(node, {"path": lambda path: self._inside(path, "the env file", or_null_device=True)})

    def _mount(self, node: Node) -> Node:
        kind = node.items.get("type") if isinstance(node, MappingNode) else None
        if not isinstance(kind, Scalar) or kind.value != "bind":
            return node
        return _fields(node, {"source": lambda path: self._host_or_inside(path, "the bind source")})

    def _watch(self, node: Node) -> Node:
        return _fields(node, {"path": lambda path: self._inside(path, "the watched path")})

    def _host_or_inside(self, node: Node, what: str) -> Node:
        """Absolute paths are the engine's host's; ``~`` is nobody's home there."""
        is_relative = isinstance(node, Scalar) and (_is_relative(node) or str(node.value).startswith("~"))
        return self._inside(node, what) if is_relative else node

    def _inside(self, node: Node, what: str, *, or_null_device: bool = False) -> Node:
        if not isinstance(node, Scalar) or not isinstance(node.value, str) or not node.value:
            return node
        if or_null_device and node.value == "/dev/null":
            return node
        joined = self._files.join(self._base, node.value, what, Place.of(node))
        # What leads outside has been reported; as an absolute path it is not reported again as missing.
        return replace(node, value="/" if joined is None else repository_path(joined))


def _is_relative(node: Scalar) -> bool:
    path = str(node.value)
    is_windows = (len(path) > 1 and path[1] == ":" and path[0].isalpha()) or path.startswith("\\\\")
    return bool(path) and not path.startswith(("/", "~")) and not is_windows


def _fields(node: Node, changes: dict[str, Change]) -> Node:
    """``node`` with some of its attributes changed; what is no mapping is left for the schema check."""
    if not isinstance(node, MappingNode):
        return node
    changed = {key: change(node.items[key]) for key, change in changes.items() if key in node.items}
    return replace(node, items={**node.items, **changed}) if changed else node


def _each(node: Node, change: Change) -> Node:
    match node:
        case MappingNode():
            return replace(node, items={key: change(item) for key, item in node.items.items()})
        case SequenceNode():
            return replace(node, items=tuple(change(item) for item in node.items))
        case Scalar():  # pragma: no branch - there is no other node
            return node
