"""Which files of a build differ between two commits, for a plan's reader. Pure.

Directories with the same id are not entered, so a small change in a large context costs little.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from itertools import islice

from trimtab.images.buildspec import BuildSpec
from trimtab.images.contextpaths import relative_to
from trimtab.images.dockerignore import FILE_NAME
from trimtab.model.snapshot import Entry, EntryKind, Tree

SHOWN = 3
# Who reads on after that? Counting a new directory of thousands of files would be the whole cost.
COUNTED = 100


def changed_files(spec: object, tree: Tree, before: Tree) -> str:
    """A sentence such as "services/web: index.html, style.css changed"; "" where no file differs."""
    if not isinstance(spec, BuildSpec):
        return ""
    names = list(islice(_changed(spec, tree, before), COUNTED + 1))
    if not names:
        return ""
    shown, more = ", ".join(names[:SHOWN]), len(names) - SHOWN
    if more > 0:
        shown += f" and {more} more" if len(names) <= COUNTED else f" and {COUNTED - SHOWN} or more others"
    where = f"{spec.context_path}: " if spec.context_path else ""
    return f"{where}{shown} changed"


def _changed(spec: BuildSpec, tree: Tree, before: Tree) -> Iterator[str]:
    """Paths relative to the context; first what steers the build and may be hidden from it or lie outside."""
    steering = []
    for path in (spec.dockerfile_label, f"{spec.dockerfile_label}.dockerignore", _join(spec.context_path, FILE_NAME)):
        if _id(tree.entry(path)) != _id(before.entry(path)) and path not in steering:
            steering.append(path)
            yield posixpath.relpath(path, spec.context_path or ".")
    for path in _differing(spec, tree, before, spec.context_path):
        if path not in steering and spec.included(name := relative_to(spec.context_path, path)):
            yield name


def _differing(spec: BuildSpec, tree: Tree, before: Tree, path: str) -> Iterator[str]:
    new = {entry.path: entry for entry in tree.children(path)}
    old = {entry.path: entry for entry in before.children(path)}
    for name in sorted({*new, *old}):
        here, there = new.get(name), old.get(name)
        if _id(here) == _id(there):
            continue
        kinds = {entry.kind for entry in (here, there) if entry is not None}
        if kinds != {EntryKind.DIRECTORY}:
            yield name
        if EntryKind.DIRECTORY in kinds:
            yield from _differing(spec, tree, before, name)


def _id(entry: Entry | None) -> tuple[EntryKind, str] | None:
    return (entry.kind, entry.oid) if entry is not None else None


def _join(directory: str, name: str) -> str:
    return f"{directory}/{name}" if directory else name
