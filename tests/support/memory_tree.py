"""A tree in memory with ids as Git makes them: the same content has the same id, wherever it is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from trimtab.model.snapshot import Entry, EntryKind, FileTooLarge

_MODES = {
    EntryKind.FILE: "100644",
    EntryKind.EXECUTABLE: "100755",
    EntryKind.SYMLINK: "120000",
    EntryKind.DIRECTORY: "40000",
    EntryKind.SUBMODULE: "160000",
}


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link."""

    target: str


@dataclass(frozen=True, slots=True)
class Program:
    """An executable file."""

    content: bytes


@dataclass(frozen=True, slots=True)
class Submodule:
    """Another repository's commit."""

    oid: str = "0" * 40


Content = bytes | str | Link | Program | Submodule


class MemoryTree:
    """Implements model.snapshot.Tree: one commit, from a mapping of paths to contents; counts what is asked of it."""

    def __init__(self, files: Mapping[str, Content]) -> None:
        self.files = dict(files)
        self.reads: list[str] = []
        self.listings: list[str] = []
        self._blobs: dict[str, bytes] = {}
        self._entries: dict[str, Entry] = {}
        self._children: dict[str, list[Entry]] = {"": []}
        for path, content in sorted(self.files.items()):
            self._add_file(path, content)
        self._add_directory("")

    def commit(self, changes: Mapping[str, Content | None]) -> MemoryTree:
        """The next commit; None removes a path."""
        merged: dict[str, Content | None] = {**self.files, **changes}
        return MemoryTree({path: content for path, content in merged.items() if content is not None})

    def entry(self, path: str) -> Entry | None:
        return self._entries.get(path)

    def children(self, path: str) -> tuple[Entry, ...]:
        self.listings.append(path)
        return tuple(self._children.get(path, ()))

    def walk(self, path: str) -> Iterator[Entry]:
        prefix = f"{path}/" if path else ""
        for name in sorted(self._blobs):
            if name.startswith(prefix):
                yield self._entries[name]

    def read(self, path: str, limit_bytes: int | None = None) -> bytes:
        self.reads.append(path)
        entry = self._entries.get(path)
        if entry is None or entry.kind in (EntryKind.DIRECTORY, EntryKind.SUBMODULE):
            raise FileNotFoundError(path)
        if limit_bytes is not None and len(self._blobs[path]) > limit_bytes:
            raise FileTooLarge(path, len(self._blobs[path]), limit_bytes)
        return self._blobs[path]

    def _add_file(self, path: str, content: Content) -> None:
        match content:
            case Link(target):
                kind, data = EntryKind.SYMLINK, target.encode()
            case Program(data):
                kind = EntryKind.EXECUTABLE
            case Submodule(oid):
                kind, data = EntryKind.SUBMODULE, oid.encode()
            case str():
                kind, data = EntryKind.FILE, content.encode()
            case bytes():
                kind, data = EntryKind.FILE, content
        oid = data.decode() if kind is EntryKind.SUBMODULE else _oid("blob", data)
        self._blobs[path] = data
        self._entries[path] = entry = Entry(path, kind, oid)
        self._append(path, entry)

    def _append(self, path: str, entry: Entry) -> None:
        """Put an entry into its directory, making the directories on the way."""
        parent = path.rpartition("/")[0]
        known = parent in self._children
        self._children.setdefault(parent, []).append(entry)
        if not known:
            # Its id is filled in when all of its content is known.
            self._append(parent, Entry(parent, EntryKind.DIRECTORY, ""))

    def _add_directory(self, path: str) -> str:
        complete = sorted(
            Entry(e.path, e.kind, self._add_directory(e.path)) if e.kind is EntryKind.DIRECTORY else e
            for e in self._children[path]
        )
        self._children[path] = complete
        listing = b"".join(
            f"{_MODES[e.kind]} {e.path.rpartition('/')[2]}\0".encode() + bytes.fromhex(e.oid) for e in complete
        )
        oid = _oid("tree", listing)
        self._entries[path] = Entry(path, EntryKind.DIRECTORY, oid)
        return oid


def _oid(kind: str, data: bytes) -> str:
    return hashlib.sha1(f"{kind} {len(data)}\0".encode() + data, usedforsecurity=False).hexdigest()
