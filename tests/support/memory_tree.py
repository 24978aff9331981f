"""A tree in memory: what a commit holds, from a mapping of paths to contents."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from trimtab.model.snapshot import Entry, EntryKind


@dataclass(frozen=True, slots=True)
class Link:
    target: str


@dataclass(frozen=True, slots=True)
class Program:
    content: bytes


@dataclass(frozen=True, slots=True)
class Submodule:
    oid: str = "0" * 40


Content = bytes | str | Link | Program | Submodule


class MemoryTree:
    """Implements model.snapshot.Tree; counts the reads."""

    def __init__(self, files: Mapping[str, Content]) -> None:
        self._files = {
            path: content.encode() if isinstance(content, str) else content for path, content in files.items()
        }
        self._directories = {""}
        for path in self._files:
            parts = path.split("/")
            self._directories.update("/".join(parts[:end]) for end in range(1, len(parts)))
        self.reads: list[str] = []

    def entry(self, path: str) -> Entry | None:
        if path in self._files:
            return self._entry(path)
        if path in self._directories:
            listing = "".join(f"{e.path.removeprefix(path)} {e.kind} {e.oid}\n" for e in self.walk(path))
            return Entry(path, EntryKind.DIRECTORY, hashlib.sha1(listing.encode()).hexdigest())
        return None

    def children(self, path: str) -> tuple[Entry, ...]:
        prefix = f"{path}/" if path else ""
        names = {
            p[len(prefix) :].split("/")[0] for p in (*self._files, *self._directories) if p and p.startswith(prefix)
        }
        found = (self.entry(prefix + name) for name in sorted(names))
        return tuple(e for e in found if e is not None)

    def walk(self, path: str) -> Iterator[Entry]:
        prefix = f"{path}/" if path else ""
        for name in sorted(self._files):
            if name.startswith(prefix):
                yield self._entry(name)

    def read(self, path: str) -> bytes:
        self.reads.append(path)
        match self._files.get(path):
            case bytes() as content:
                return content
            case Program(content):
                return content
            case Link(target):
                return target.encode()
            case _:
                raise FileNotFoundError(path)

    def _entry(self, path: str) -> Entry:
        match self._files[path]:
            case Link(target):
                return Entry(path, EntryKind.SYMLINK, hashlib.sha1(target.encode()).hexdigest())
            case Program(content):
                return Entry(path, EntryKind.EXECUTABLE, hashlib.sha1(content).hexdigest())
            case Submodule(oid):
                return Entry(path, EntryKind.SUBMODULE, oid)
            case bytes() as content:
                return Entry(path, EntryKind.FILE, hashlib.sha1(content).hexdigest())
            case str():
                raise AssertionError
