"""RFC 6902 patches on the merged compose model: what ``trimtab render`` prints is what a patch's path points into.

A patch either applies as a whole or not at all. Its result is read, completed and checked like
what stands in a compose file, so that a patch may use the short forms and cannot smuggle in what
a file may not say. Relative paths in a patch are relative to the repository's root.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import jsonpatch
import jsonpointer

from trimtab.manifest.codes import Code
from trimtab.manifest.compose.canonical import canonical, complete
from trimtab.manifest.compose.paths import rebase
from trimtab.manifest.compose.tree_files import TreeFiles
from trimtab.manifest.kinds.decode import did_you_mean
from trimtab.manifest.kinds.settings import Patch, PatchOperation
from trimtab.manifest.nodes import MappingNode, Node, Scalar, ScalarValue, SequenceNode, to_plain
from trimtab.manifest.yaml_nodes import DEFAULT_LIMITS
from trimtab.model.application import Pointer
from trimtab.model.diagnostics import Diagnostic, Origin, Severity
from trimtab.model.snapshot import Tree

_PATHS = "paths are those of the long form that `trimtab render` prints"
_SECTIONS = {
    "Service": "services",
    "Network": "networks",
    "Volume": "volumes",
    "Config": "configs",
    "Secret": "secrets",
}


@dataclass(frozen=True, slots=True)
class PlacedPatch:
    """A patch and the places of its parts."""

    patch: Patch
    node: Node

    def target_origin(self) -> Origin:
        """The place of the target."""
        target = self.node.items.get("target") if isinstance(self.node, MappingNode) else None
        return (target or self.node).origin

    def operation_origin(self, index: int) -> Origin:
        """The place of one operation."""
        operations = self.node.items.get("patch") if isinstance(self.node, MappingNode) else None
        return operations.items[index].origin if isinstance(operations, SequenceNode) else self.node.origin


def apply_patches(
    model: MappingNode, patches: Sequence[PlacedPatch], tree: Tree
) -> tuple[MappingNode, tuple[Diagnostic, ...]]:
    """A merged compose model with ``patches`` carried out in order, those that fail left out."""
    diagnostics: list[Diagnostic] = []
    for placed in patches:
        section, name = _SECTIONS[placed.patch.target.kind], placed.patch.target.name
        entries = model.items.get(section)
        if not isinstance(entries, MappingNode) or name not in entries.items:
            diagnostics.append(_no_target(placed, entries))
            continue
        whole = MappingNode(items={section: _only(entries, name)}, origin=model.origin)
        entry = _entry(complete(whole), section, name)
        patched, problems = _carry_out(placed, entry)
        diagnostics += problems
        if patched is None:
            continue
        whole, problems = canonical(
            MappingNode(items={section: _only(entries, name, patched)}, origin=placed.node.origin),
            path=placed.node.origin.path,
        )
        files = TreeFiles(tree)
        changed = _entry(rebase(whole, "", files), section, name)
        diagnostics += (*problems, *files.diagnostics)
        model = replace(model, items={**model.items, section: replace(entries, items={**entries.items, name: changed})})
    return model, tuple(diagnostics)


def _only(entries: MappingNode, name: str, entry: Node | None = None) -> MappingNode:
    """The one entry ``name`` of a section."""
    return replace(entries, items={name: entry or entries.items[name]}, key_origins={name: entries.key_origin(name)})


def _entry(model: MappingNode, section: str, name: str) -> Node:
    entries = model.items[section]
    return entries.items[name] if isinstance(entries, MappingNode) else entries


def _no_target(placed: PlacedPatch, section: Node | None) -> Diagnostic:
    target = placed.patch.target
    known = sorted(section.items) if isinstance(section, MappingNode) else []
    hint = did_you_mean(target.name, known) or (f"there are: {', '.join(known)}" if known else "there are none")
    return _error(
        Code.PATCH_TARGET,
        f"the application has no {target.kind.lower()} '{target.name}' to patch",
        placed.target_origin(),
        hint,
    )


def _carry_out(placed: PlacedPatch, entry: Node) -> tuple[Node | None, tuple[Diagnostic, ...]]:
    """The patched entry, in which what a patch has written is at the patch's place; None if it fails."""
    document: Any = to_plain(entry)
    origins = dict(_origins(entry, ()))
    for index, operation in enumerate(placed.patch.patch):
        try:
            document = jsonpatch.JsonPatch([operation.to_plain()]).apply(document)
        except jsonpatch.JsonPatchTestFailed:
            # The values are not shown: either may be a secret.
            message = f"the value at '{operation.path}' is not the one that the patch expects"
            return None, (_error(Code.PATCH_FAILED, message, placed.operation_origin(index)),)
        except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError, ValueError, KeyError):
            return None, (_failed(placed, index, operation, document),)
        if operation.op == "copy" and _size(document, DEFAULT_LIMITS.max_nodes) > DEFAULT_LIMITS.max_nodes:
            message = f"with '{operation.path}' it has more than {DEFAULT_LIMITS.max_nodes} values"
            return None, (_error(Code.PATCH_FAILED, message, placed.operation_origin(index), "copy less of it"),)
        for pointer in _written(operation, document):
            _overwrite(origins, pointer, placed.operation_origin(index))
    if not isinstance(document, dict):
        message = f"the patch leaves no mapping of {placed.patch.target.kind.lower()} '{placed.patch.target.name}'"
        return None, (_error(Code.PATCH_FAILED, message, placed.node.origin),)
    return _node(document, (), origins, entry.origin), ()


def _size(document: object, enough: int) -> int:
    """How many values there are, counted until there are more than ``enough``."""
    found, waiting = 0, [document]
    while waiting and found <= enough:
        found += 1
        match waiting.pop():
            case dict() as mapping:
                waiting.extend(mapping.values())
            case list() as items:
                waiting.extend(items)
    return found


def _overwrite(origins: dict[Pointer, Origin], pointer: Pointer, origin: Origin) -> None:
    """Finer places below ``pointer`` belonged to what was there before."""
    for old in [p for p in origins if p[: len(pointer)] == pointer]:
        del origins[old]
    origins[pointer] = origin


def _origins(node: Node, pointer: Pointer) -> Iterator[tuple[Pointer, Origin]]:
    match node:
        case MappingNode():
            for key, item in node.items.items():
                yield (*pointer, key), node.key_origins.get(key, item.origin)
                yield from _origins(item, (*pointer, key))
        case SequenceNode():
            for index, item in enumerate(node.items):
                yield (*pointer, index), item.origin
                yield from _origins(item, (*pointer, index))
        case Scalar():  # pragma: no branch - there is no other node
            return


def _failed(placed: PlacedPatch, index: int, operation: PatchOperation, document: object) -> Diagnostic:
    where = f"{placed.patch.target.kind.lower()} '{placed.patch.target.name}'"
    why, hint = _reason(operation, document)
    message = f"cannot {operation.op} '{operation.path}' of {where}: {why}"
    return _error(Code.PATCH_FAILED, message, placed.operation_origin(index), hint)


def _reason(operation: PatchOperation, document: object) -> tuple[str, str]:
    """Why the operation cannot be carried out, and what to do about it."""
    path, taken = operation.path, operation.from_ if operation.op in ("move", "copy") else None
    if taken is not None and (missing := _first_missing(document, taken)) is not None:
        return f"there is nothing at '{missing}'", _PATHS
    if taken is not None and operation.op == "move" and path.startswith(f"{taken}/"):
        return f"'{taken}' cannot go into itself", "copy it there, and remove what is too much"
    missing = _first_missing(document, path)
    if missing is None:
        return "that is all of it", "remove what is in it"
    why = f"there is nothing at '{missing}'"
    match operation.op:
        case "replace" if missing == path:
            return why, "use 'op: add', which also replaces"
        case "add" | "move" | "copy" if missing == path:
            parent = path.rpartition("/")[0]
            return f"'{parent}' has no such place", "in a list, '-' is the place behind the last one"
        case "add" | "replace" | "move" | "copy":
            return why, f"add '{missing}' with its content first"
        case _:
            return why, _PATHS


def _first_missing(document: object, path: str) -> str | None:
    """The shortest beginning of ``path`` that leads nowhere; None if there is something at it."""
    parts = jsonpointer.JsonPointer(path).parts
    for end in range(1, len(parts) + 1):
        part = parts[end - 1]
        if isinstance(document, Mapping) and part in document:
            document = document[part]
        elif isinstance(document, list) and part in map(str, range(len(document))):
            document = document[int(part)]
        else:
            return "/" + "/".join(jsonpointer.escape(p) for p in parts[:end])
    return None


def _written(operation: PatchOperation, document: object) -> Iterator[Pointer]:
    """Which parts of the patched ``document`` an operation has changed."""
    if operation.op == "test":
        return
    yield _pointer(operation.path, document, shifts=operation.op != "replace")
    if operation.op == "move" and operation.from_ is not None:
        yield _pointer(operation.from_, document, shifts=True)


def _pointer(path: str, document: object, *, shifts: bool) -> Pointer:
    """``path`` as a pointer of the model; where items of a list have changed places, the list's."""
    found: list[str | int] = []
    parts = jsonpointer.JsonPointer(path).parts
    for depth, part in enumerate(parts, start=1):
        if not isinstance(document, list):
            found.append(part)
            document = document.get(part) if isinstance(document, Mapping) else None
            continue
        if part == "-":
            return (*found, len(document) - 1)
        if shifts and depth == len(parts):
            break
        found.append(int(part))
        document = document[int(part)]
    return tuple(found)


def _node(value: object, pointer: Pointer, origins: Mapping[Pointer, Origin], inherited: Origin) -> Node:
    """A plain value with the places that are known of it."""
    origin = origins.get(pointer, inherited)
    if isinstance(value, Mapping):
        items = {str(key): _node(item, (*pointer, str(key)), origins, origin) for key, item in value.items()}
        return MappingNode(
            items=items, origin=origin, key_origins={key: origins.get((*pointer, key), origin) for key in items}
        )
    if isinstance(value, list | tuple):
        children = tuple(_node(item, (*pointer, index), origins, origin) for index, item in enumerate(value))
        return SequenceNode(items=children, origin=origin)
    # Patches and models are JSON: what is neither mapping nor list is a scalar.
    return Scalar(value=cast("ScalarValue", value), origin=origin, quoted=isinstance(value, str))


def _error(code: Code, message: str, origin: Origin, hint: str = "") -> Diagnostic:
    return Diagnostic(severity=Severity.ERROR, code=code.value, message=message, origin=origin, hint=hint)
