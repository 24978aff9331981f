"""``include``: whole compose files, with their own directory and variables, imported into a model.

Source: Compose Specification, 14-include.md; compose-go, loader/include.go.
"""

from __future__ import annotations

import difflib
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, replace

from trimtab.manifest.codes import Code
from trimtab.manifest.compose.tree_files import Place, TreeFiles, is_remote
from trimtab.manifest.nodes import MappingNode, Node, Scalar, SequenceNode, to_plain

SECTIONS = ("services", "networks", "volumes", "configs", "secrets", "models")
_ATTRIBUTES = ("path", "project_directory", "env_file")
_NOTHING = "/dev/null"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inclusion:
    """One entry: files to merge in order, and env files (none: the directory's ``.env``), with who names each."""

    paths: tuple[tuple[str, Place], ...]
    directory: str
    env_files: tuple[tuple[str, Place], ...]
    default_env: bool


def inclusions(document: MappingNode, directory: str, files: TreeFiles) -> tuple[Inclusion, ...]:
    """The entries of a document's ``include``; what cannot be understood is reported and left out."""
    node = document.items.get("include")
    if node is None or (isinstance(node, Scalar) and node.value is None):
        return ()
    if not isinstance(node, SequenceNode):
        message = "`include` is a list of files"
        files.error(Code.BAD_INCLUDE, message, Place(origin=node.origin), "put a dash before each file")
        return ()
    found = (_inclusion(entry, directory, files) for entry in node.items)
    return tuple(inclusion for inclusion in found if inclusion is not None)


def _inclusion(entry: Node, directory: str, files: TreeFiles) -> Inclusion | None:
    if isinstance(entry, Scalar):
        entry = MappingNode(items={"path": entry}, origin=entry.origin)
    if not isinstance(entry, MappingNode):
        files.error(Code.BAD_INCLUDE, "an entry of `include` is a path or a mapping", Place(origin=entry.origin))
        return None
    _unknown_attributes(entry, files)
    names = list(_texts(entry, "path", files))
    if "path" not in entry.items:
        files.error(Code.BAD_INCLUDE, "an entry of `include` has no `path`", Place(origin=entry.origin))
    if not names:
        return None
    paths = [_locate(name, directory, "the included file", files) for name in names]
    env_names = list(_texts(entry, "env_file", files))
    wanted = [name for name in env_names if name.value != _NOTHING]
    env_files = [_locate(name, directory, "the env file of an include", files) for name in wanted]
    located = [path for path in paths if path is not None]
    if len(located) != len(paths) or None in env_files:
        return None
    base = posixpath.dirname(located[0][0])
    for own in _texts(entry, "project_directory", files):
        joined = files.join(directory, str(own.value), "the project directory", Place.of(own))
        if joined is None:
            return None
        base = joined
    return Inclusion(
        paths=tuple(located),
        directory=base,
        env_files=tuple(path for path in env_files if path is not None),
        default_env=not env_names,
    )


def _unknown_attributes(entry: MappingNode, files: TreeFiles) -> None:
    for key in entry.items:
        if key not in _ATTRIBUTES:
            close = difflib.get_close_matches(key, _ATTRIBUTES, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"known are {', '.join(_ATTRIBUTES)}"
            at = Place(origin=entry.key_origin(key), length=len(key))
            files.error(Code.BAD_INCLUDE, f"unknown attribute '{key}' in an entry of `include`", at, hint)


def _texts(entry: MappingNode, key: str, files: TreeFiles) -> Iterator[Scalar]:
    """The text, or the texts, of an attribute."""
    node = entry.items.get(key)
    many = node.items if isinstance(node, SequenceNode) and key != "project_directory" else (node,)
    for item in many:
        if item is None or (isinstance(item, Scalar) and item.value is None and key != "path"):
            continue
        if isinstance(item, Scalar) and isinstance(item.value, str) and item.value:
            yield item
        else:
            files.error(Code.BAD_INCLUDE, f"`{key}` of an include is not a path", Place(origin=item.origin))


def _locate(name: Scalar, directory: str, what: str, files: TreeFiles) -> tuple[str, Place] | None:
    path, at = str(name.value), Place.of(name)
    if is_remote(path):
        hint = "copy it into the repository, or name the repository as another Application's source"
        files.error(Code.REMOTE_RESOURCE, f"{what} '{path}' is not in the repository", at, hint)
        return None
    joined = files.join(directory, path, what, at)
    return None if joined is None else (joined, at)


def import_model(model: MappingNode, included: MappingNode, files: TreeFiles) -> MappingNode:
    """``model`` with the resources of ``included``; two different ones with one name are a conflict."""
    items, origins = dict(model.items), dict(model.key_origins)
    for section in SECTIONS:
        theirs, ours = included.items.get(section), items.get(section)
        if not isinstance(theirs, MappingNode):
            continue
        if not isinstance(ours, MappingNode):
            # A section that is empty, or malformed and reported as such by the schema check.
            if ours is None or (isinstance(ours, Scalar) and ours.value is None):
                items[section] = theirs
                origins.setdefault(section, included.key_origin(section))
            continue
        for name in theirs.items:
            if name in ours.items and to_plain(ours.items[name]) != to_plain(theirs.items[name]):
                message = f"{section}.{name} conflicts with the included one at {theirs.key_origin(name)}"
                hint = (
                    "rename one, or change the included one from a second compose file, not from the one that includes"
                )
                at = Place(origin=ours.key_origin(name), length=len(name))
                files.error(Code.INCLUDE_CONFLICT, message, at, hint)
        added = {name: node for name, node in theirs.items.items() if name not in ours.items}
        key_origins = {**{name: theirs.key_origin(name) for name in added}, **ours.key_origins}
        items[section] = replace(ours, items={**ours.items, **added}, key_origins=key_origins)
    return replace(model, items=items, key_origins=origins)
