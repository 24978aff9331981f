"""One commit as the pure core sees it: a tree of named, content-addressed blobs; never a checkout."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

# Source: path_resolution(7) stops at 40 links (ELOOP).
MAX_SYMLINKS = 40
# Source: limits.h, PATH_MAX.
MAX_LINK_BYTES = 4096


class EntryKind(StrEnum):
    """What a tree entry is; Git's modes 100644, 100755, 120000, 040000, 160000."""

    FILE = "file"
    EXECUTABLE = "executable"
    SYMLINK = "symlink"
    DIRECTORY = "directory"
    SUBMODULE = "submodule"


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One name in a tree; ``oid`` changes exactly when the content below it does."""

    path: str
    kind: EntryKind
    oid: str


class FileTooLarge(Exception):
    """A file that has more bytes than its reader wants; none of them were read."""

    def __init__(self, path: str, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(f"{path} has {size_bytes} bytes; at most {limit_bytes} are read")
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes


class Tree(Protocol):
    """Read access to one commit; paths are POSIX, relative to the root, "" is the root itself.

    No method follows a symbolic link; ``resolve_path`` does, inside the tree only.
    """

    def entry(self, path: str) -> Entry | None:
        """What is at ``path``; None if nothing is."""
        ...

    def children(self, path: str) -> tuple[Entry, ...]:
        """Direct entries of a directory, sorted by path; empty if it is not a directory."""
        ...

    def walk(self, path: str) -> Iterator[Entry]:
        """Every entry below a directory that is not itself a directory, sorted by path."""
        ...

    def read(self, path: str, limit_bytes: int | None = None) -> bytes:
        """A file's content, or a symbolic link's target; nothing of one that is larger than the limit.

        Raises:
            FileNotFoundError: there is none.
            FileTooLarge: it has more than ``limit_bytes``.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One commit of one repository; ``revision`` is the full commit id ("" for a plain directory)."""

    repo_url: str
    ref: str
    revision: str
    subject: str
    author: str
    committed_at: datetime | None
    tree: Tree


class PathEscapesTree(ValueError):
    """A path, or a symbolic link on the way, leads out of the repository."""


def join_path(base: str, path: str) -> str:
    """``path`` relative to directory ``base``, normalised; "" is the root.

    Raises:
        PathEscapesTree: it is absolute, or climbs above the root.
    """
    if path.startswith("/"):
        raise PathEscapesTree(path)
    joined = posixpath.normpath(posixpath.join(base, path))
    if joined == ".." or joined.startswith("../"):
        raise PathEscapesTree(path)
    return "" if joined == "." else joined


def resolve_path(tree: Tree, path: str) -> str:
    """Follow symbolic links in ``path``; the result may not exist.

    Raises:
        PathEscapesTree: a link is absolute, climbs above the root, never ends, or is longer than a path can be.
    """
    done, todo, links = "", [p for p in path.split("/") if p], 0
    while todo:
        part = todo.pop(0)
        here = join_path(done, part)
        entry = tree.entry(here)
        if entry is None or entry.kind is not EntryKind.SYMLINK:
            done = here
            continue
        links += 1
        if links > MAX_SYMLINKS:
            raise PathEscapesTree(path)
        try:
            target = tree.read(here, MAX_LINK_BYTES).decode("utf-8", "surrogateescape")
        except FileTooLarge:
            raise PathEscapesTree(path) from None
        if target.startswith("/"):
            raise PathEscapesTree(path)
        # '..' in a target is relative to the link's own directory.
        whole = join_path(done, target)
        todo = [*(p for p in whole.split("/") if p), *todo]
        done = ""
    return done
