"""A directory of a tree as a tar stream: the same tree gives the same bytes, links stay links."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator, Mapping

from trimtab.model.snapshot import Entry, EntryKind, Tree

_PLAIN, _PROGRAM, _ANY = 0o644, 0o755, 0o777


def iter_tar(
    tree: Tree,
    path: str,
    include: Callable[[str], bool] = lambda _path: True,
    extra: Mapping[str, bytes] | None = None,
    *,
    mtime_s: int = 0,
) -> Iterator[bytes]:
    """Stream the directory ``path`` of ``tree`` in parts; one file at a time is in memory.

    ``include`` is asked about each file with its path relative to ``path``; ``extra`` adds or replaces files by such
    paths. All belong to root and have the time ``mtime_s``; a submodule is an empty directory, as in `git archive`.

    Raises:
        FileNotFoundError: ``path`` is not a directory of the tree.
    """
    added = dict(extra or {})
    root = tree.entry(path)
    if root is None or root.kind is not EntryKind.DIRECTORY:
        raise FileNotFoundError(path)
    cut = len(root.path) + 1 if root.path else 0
    known: set[str] = set()
    size = 0
    for name, entry in _merged(tree, path, cut, include, added):
        for parent in _parents(name):
            if parent not in known:
                known.add(parent)
                yield (head := _header(parent, tarfile.DIRTYPE, _PROGRAM, mtime_s))
                size += len(head)
        for part in _member(tree, name, entry, added, mtime_s):
            yield part
            size += len(part)
    end = tarfile.BLOCKSIZE * 2
    yield b"\0" * (end + -(size + end) % tarfile.RECORDSIZE)


def _merged(
    tree: Tree, path: str, cut: int, include: Callable[[str], bool], added: Mapping[str, bytes]
) -> Iterator[tuple[str, Entry | None]]:
    """Files of the tree and added ones, in one sorted sequence; an added one replaces one of the tree."""
    pending = sorted(added, reverse=True)
    for entry in tree.walk(path):
        name = entry.path[cut:]
        while pending and pending[-1] < name:
            yield pending.pop(), None
        if name not in added and include(name):
            yield name, entry
    while pending:
        yield pending.pop(), None


def _member(tree: Tree, name: str, entry: Entry | None, added: Mapping[str, bytes], mtime_s: int) -> Iterator[bytes]:
    if entry is not None and entry.kind is EntryKind.SYMLINK:
        target = tree.read(entry.path).decode("utf-8", "surrogateescape")
        yield _header(name, tarfile.SYMTYPE, _ANY, mtime_s, link=target)
        return
    if entry is not None and entry.kind is EntryKind.SUBMODULE:
        yield _header(name, tarfile.DIRTYPE, _PROGRAM, mtime_s)
        return
    content = added[name] if entry is None else tree.read(entry.path)
    mode = _PROGRAM if entry is not None and entry.kind is EntryKind.EXECUTABLE else _PLAIN
    yield _header(name, tarfile.REGTYPE, mode, mtime_s, size=len(content))
    if content:
        yield content
    if rest := -len(content) % tarfile.BLOCKSIZE:
        yield b"\0" * rest


def _header(name: str, kind: bytes, mode: int, mtime_s: int, *, size: int = 0, link: str = "") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.mtime, info.size, info.linkname = kind, mode, mtime_s, size, link
    # GNU's format takes names of any length as the bytes they are; every engine's tar reader knows it.
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def _parents(name: str) -> Iterator[str]:
    at = name.find("/")
    while at >= 0:
        yield name[:at]
        at = name.find("/", at + 1)
