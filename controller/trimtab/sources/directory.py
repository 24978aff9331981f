"""A plain directory as the core's `Tree`, with the ids that Git would give the same content."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from trimtab.errors import Conflict
from trimtab.model.snapshot import Entry, EntryKind, FileTooLarge
from trimtab.sources.gitdir import find

_GIT = ".git"
_NO_COMMIT = "0" * 40
_CHUNK_BYTES = 1 << 20
_MODES = {
    EntryKind.FILE: b"100644",
    EntryKind.EXECUTABLE: b"100755",
    EntryKind.SYMLINK: b"120000",
    EntryKind.DIRECTORY: b"40000",
    EntryKind.SUBMODULE: b"160000",
}


class DirectoryTree:
    """Everything below a directory but ``.git`` and what Git cannot hold: empty directories, sockets, devices.

    Links are never followed; another repository inside is a SUBMODULE. Each directory is looked at once, so one
    tree is one state; a file that is changed afterwards is refused when it is read.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._children: dict[str, tuple[Entry, ...]] = {}
        self._entries: dict[str, Entry] = {}

    def entry(self, path: str) -> Entry | None:
        """What is at ``path``; None if nothing is."""
        self._look()
        return self._entries.get(_normal(path))

    def children(self, path: str) -> tuple[Entry, ...]:
        """Direct entries of a directory, sorted by path; empty if it is not a directory."""
        self._look()
        return self._children.get(_normal(path), ())

    def walk(self, path: str) -> Iterator[Entry]:
        """Every entry below a directory that is not itself a directory, sorted by path."""
        pending = sorted(self.children(path), key=_walk_order, reverse=True)
        while pending:
            here = pending.pop()
            if here.kind is EntryKind.DIRECTORY:
                pending.extend(sorted(self.children(here.path), key=_walk_order, reverse=True))
            else:
                yield here

    def read(self, path: str, limit_bytes: int | None = None) -> bytes:
        """A file's content, or a symbolic link's target.

        Raises:
            FileNotFoundError: there is none.
            FileTooLarge: it has more than ``limit_bytes``.
            Conflict: it was changed while we were at work.
        """
        entry = self.entry(path)
        if entry is None or entry.kind in (EntryKind.DIRECTORY, EntryKind.SUBMODULE):
            raise FileNotFoundError(path)
        place = self._root / entry.path
        try:
            size = place.lstat().st_size
            if limit_bytes is not None and size > limit_bytes:
                raise FileTooLarge(entry.path, size, limit_bytes)
            content = _target(place) if entry.kind is EntryKind.SYMLINK else _content(place)
        except OSError as err:
            raise Conflict(f"{entry.path} cannot be read any more: {err.strerror}", hint="run it again") from err
        if _blob_id(content) != entry.oid:
            raise Conflict(f"{entry.path} was changed while it was being read", hint="run it again")
        return content

    def _look(self) -> None:
        if "" not in self._entries:
            self._entries[""] = Entry("", EntryKind.DIRECTORY, self._scan(""))

    def _scan(self, path: str) -> str:
        """Fill in everything below ``path``; the id of the tree."""
        entries = []
        with os.scandir(self._root / path) as items:
            names = sorted(item.name for item in items if item.name != _GIT)
        for name in names:
            entry = self._entry_of(f"{path}/{name}" if path else name)
            if entry is not None:
                entries.append(entry)
                self._entries[entry.path] = entry
        self._children[path] = tuple(sorted(entries))
        raw = b"".join(
            b"%s %s\0%s" % (_MODES[e.kind], os.fsencode(e.path.rpartition("/")[2]), bytes.fromhex(e.oid))
            for e in sorted(entries, key=lambda e: os.fsencode(_walk_order(e)))
        )
        return hashlib.sha1(b"tree %d\0" % len(raw) + raw, usedforsecurity=False).hexdigest()

    def _entry_of(self, path: str) -> Entry | None:
        place = self._root / path
        try:
            mode = place.lstat().st_mode
            if stat.S_ISLNK(mode):
                return Entry(path, EntryKind.SYMLINK, _blob_id(_target(place)))
            if stat.S_ISREG(mode):
                kind = EntryKind.EXECUTABLE if mode & stat.S_IXUSR else EntryKind.FILE
                return Entry(path, kind, _file_id(place))
        except FileNotFoundError:
            # Gone between listing and looking: an editor's temporary file, as a rule.
            return None
        if not stat.S_ISDIR(mode):
            return None
        if (place / _GIT).exists():
            return Entry(path, EntryKind.SUBMODULE, _head(place))
        oid = self._scan(path)
        return Entry(path, EntryKind.DIRECTORY, oid) if self._children[path] else None


def _normal(path: str) -> str:
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def _walk_order(entry: Entry) -> str:
    return f"{entry.path}/" if entry.kind is EntryKind.DIRECTORY else entry.path


def _blob_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _target(place: Path) -> bytes:
    # Path.readlink would tidy the target up ("./a" to "a"), and the id would be another.
    return os.readlink(os.fsencode(place))  # noqa: PTH115


def _open(place: Path) -> int:
    return os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)


def _content(place: Path) -> bytes:
    with os.fdopen(_open(place), "rb") as stream:
        return stream.read()


def _file_id(place: Path) -> str:
    with os.fdopen(_open(place), "rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        digest, seen = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False), 0
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
            seen += len(chunk)
    if seen != size:
        raise Conflict(f"{place} was changed while it was being read", hint="run it again")
    return digest.hexdigest()


def _head(place: Path) -> str:
    """The commit that a repository inside is at; zeros when it has none, or keeps it in packed form."""
    git_dir = find(place)
    if git_dir is None:
        return _NO_COMMIT
    try:
        head = (git_dir.path / "HEAD").read_text(encoding="utf-8").strip()
        if head.startswith("ref: "):
            head = (git_dir.common / head.removeprefix("ref: ")).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return _NO_COMMIT
    return head if len(head) == len(_NO_COMMIT) and set(head) <= set("0123456789abcdef") else _NO_COMMIT
