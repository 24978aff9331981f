"""Finding a build's files in a tree, and the digest of what a context holds. Pure."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field

from trimtab.images.buildspec import BuildSpec
from trimtab.images.dockerignore import IgnoreRules
from trimtab.model.snapshot import Entry, EntryKind, FileTooLarge, Tree, join_path, resolve_path

# A Dockerfile of this size is somebody's mistake.
MAX_FILE_BYTES = 1 << 20

_FILES = frozenset({EntryKind.FILE, EntryKind.EXECUTABLE})


class NotInTreeError(LookupError):
    """There is nothing usable at a path; the message continues a sentence that begins with the path."""

    def __init__(self, message: str, *, submodule: bool = False, too_large: bool = False) -> None:
        super().__init__(message)
        self.submodule = submodule
        self.too_large = too_large


@dataclass(frozen=True, slots=True)
class SmallFile:
    """A file that was read: where it was asked for, and where it is once symbolic links are resolved."""

    path: str
    resolved: str
    content: bytes = field(repr=False)

    @property
    def plain(self) -> bool:
        """Whether no symbolic link leads to it."""
        return self.path == self.resolved


@dataclass(frozen=True, slots=True)
class Located:
    """Where a build's context, Dockerfile and rules are; fields as in BuildSpec."""

    context_path: str
    dockerfile: bytes = field(repr=False)
    dockerfile_label: str
    dockerfile_in_context: str
    rules: IgnoreRules


def directory(tree: Tree, path: str) -> str:
    """The directory at ``path``, symbolic links resolved; "" is the root.

    Raises:
        PathEscapesTree: it leads out of the repository.
        NotInTreeError: there is none.
    """
    resolved = resolve_path(tree, join_path("", path))
    _refuse_submodule(tree, resolved)
    if resolved:
        entry = tree.entry(resolved)
        if entry is None:
            raise NotInTreeError("is not in the repository")
        if entry.kind is not EntryKind.DIRECTORY:
            raise NotInTreeError("is not a directory")
    return resolved


def read_small_file(tree: Tree, base: str, path: str) -> SmallFile:
    """The file at ``path`` relative to directory ``base``, symbolic links resolved inside the repository.

    Raises:
        PathEscapesTree: it leads out of the repository.
        NotInTreeError: there is none, or it is too large.
    """
    joined = join_path(base, path)
    resolved = resolve_path(tree, joined)
    _refuse_submodule(tree, resolved)
    entry = tree.entry(resolved) if resolved else None
    if entry is None:
        raise NotInTreeError("is not in the repository")
    if entry.kind not in _FILES:
        raise NotInTreeError("is not a file")
    try:
        return SmallFile(joined, resolved, tree.read(resolved, MAX_FILE_BYTES))
    except FileTooLarge as error:
        told = f"has {error.size_bytes} bytes, more than the {error.limit_bytes} that are read"
        raise NotInTreeError(told, too_large=True) from None


def _refuse_submodule(tree: Tree, path: str) -> None:
    parts = path.split("/")
    for end in range(1, len(parts) + 1):
        entry = tree.entry("/".join(parts[:end]))
        if entry is None:
            return
        if entry.kind is EntryKind.SUBMODULE:
            raise NotInTreeError(f"is in the Git submodule {entry.path}", submodule=True)


def relative_to(context_path: str, path: str) -> str:
    """A repository path below the context, relative to it."""
    return path.removeprefix(f"{context_path}/") if context_path else path


def visible(tree: Tree, context_path: str, rules: IgnoreRules) -> Iterator[tuple[str, Entry | None]]:
    """All that instructions see, as (path relative to the context, entry); a directory's entry is None.

    Directories come before what is in them, also those that stay although their files are left out, as in docker.
    """
    seen: set[str] = {""}
    for entry in tree.walk(context_path):
        path = relative_to(context_path, entry.path)
        included = not rules.ignores(path)
        for parent in _parents(path):
            if parent not in seen and (included or not rules.ignores(parent)):
                seen.add(parent)
                yield parent, None
        if included:
            yield path, entry


def _parents(path: str) -> list[str]:
    parents = []
    while path := posixpath.dirname(path):
        parents.append(path)
    return parents[::-1]


def first_submodule(tree: Tree, context_path: str, rules: IgnoreRules) -> str:
    """The first Git submodule that the context would contain; "" if none.

    Only a repository with a .gitmodules can have one that works, so others are not searched.
    """
    if tree.entry(".gitmodules") is None:
        return ""
    found = (e.path for _, e in visible(tree, context_path, rules) if e and e.kind is EntryKind.SUBMODULE)
    return next(found, "")


def context_digest(tree: Tree, spec: BuildSpec) -> str:
    """A digest of all that instructions can see: the tree id itself where nothing is left out."""
    root = tree.entry(spec.context_path)
    if not spec.rules.patterns and root is not None and root.oid:
        return root.oid
    listing = hashlib.sha256()
    for path, entry in visible(tree, spec.context_path, spec.rules):
        kind, oid = (entry.kind.value, entry.oid) if entry else (EntryKind.DIRECTORY.value, "")
        # A NUL cannot be part of a path, so no two listings read the same.
        listing.update(f"{kind}\0{oid}\0{path}\0".encode("utf-8", "surrogateescape"))
    return f"listing:{listing.hexdigest()}"
