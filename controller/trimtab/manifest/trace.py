"""What was read to load one application: enough to know, in another commit, that nothing of it changed."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from trimtab.model.snapshot import Entry, EntryKind, Tree

# A directory of which only the existence mattered.
_PRESENT = "present"
# Larger files are not manifests, and not worth their memory.
_SMALL_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Each path that was looked at, with what was found there.

    A fact is None (nothing is there), ``kind:oid``, or "present" for a directory that was only
    passed through. ``scope`` is a directory that contains every path, ``scope_oid`` its id then:
    as long as that is the same, no fact has to be looked at.
    """

    facts: Mapping[str, str | None]
    scope: str
    scope_oid: str

    def holds(self, tree: Tree) -> bool:
        """Whether ``tree`` would answer every question in the same way."""
        scope = tree.entry(self.scope)
        if self.scope_oid and scope is not None and scope.oid == self.scope_oid:
            return True
        return all(_same(fact, tree.entry(path)) for path, fact in self.facts.items())


def _same(fact: str | None, entry: Entry | None) -> bool:
    if entry is None or fact is None:
        return entry is None and fact is None
    return fact == (_PRESENT if fact == _PRESENT and entry.kind is EntryKind.DIRECTORY else _fact(entry))


def _fact(entry: Entry) -> str:
    return f"{entry.kind}:{entry.oid}"


class TracingTree:
    """A tree that remembers what was asked of it.

    Passing through a directory (``entry``, as path resolution does for each ancestor) is not a
    dependency on all that is below it; reading that entry's ``oid``, listing or walking it is.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._facts: dict[str, str | None] = {}
        self._contents: dict[str, bytes] = {}

    def entry(self, path: str) -> Entry | None:
        """What is at ``path``."""
        found = self._tree.entry(path)
        if found is not None and found.kind is EntryKind.DIRECTORY:
            self._facts.setdefault(path, _PRESENT)
            return _PassedDirectory(found, self)
        self._facts[path] = None if found is None else _fact(found)
        return found

    def children(self, path: str) -> tuple[Entry, ...]:
        """Direct entries of a directory."""
        self.depend_on(path)
        return self._tree.children(path)

    def walk(self, path: str) -> Iterator[Entry]:
        """Every file below a directory."""
        self.depend_on(path)
        return self._tree.walk(path)

    def read(self, path: str, limit_bytes: int | None = None) -> bytes:
        """A file's content; a small one is asked for once, since several stages of one loading look at the same."""
        known = self._contents.get(path)
        if known is not None and (limit_bytes is None or len(known) <= limit_bytes):
            return known
        self.depend_on(path)
        content = self._tree.read(path, limit_bytes)
        if len(content) <= _SMALL_BYTES:
            self._contents[path] = content
        return content

    def depend_on(self, path: str) -> None:
        """Record that all that is at and below ``path`` matters."""
        found = self._tree.entry(path)
        self._facts[path] = None if found is None else _fact(found)

    def trace(self) -> Trace:
        """What was asked up to now."""
        seen = [path for path, fact in self._facts.items() if fact not in (None, _PRESENT)]
        # A directory that holds something that was found need not be mentioned itself.
        implied = {parent for path in seen for parent in _parents(path)}
        facts = {p: f for p, f in sorted(self._facts.items()) if not (f == _PRESENT and p in implied)}
        scope = _common_directory(facts)
        while scope and (found := self._tree.entry(scope)) is None:
            scope = posixpath.dirname(scope)
        found = self._tree.entry(scope)
        is_directory = found is not None and found.kind is EntryKind.DIRECTORY
        return Trace(facts=facts, scope=scope, scope_oid=found.oid if found is not None and is_directory else "")


class _PassedDirectory(Entry):
    """A directory's entry that records a dependency when its id is looked at."""

    __slots__ = ("_entry", "_tracing")
    _entry: Entry
    _tracing: TracingTree

    def __init__(self, entry: Entry, tracing: TracingTree) -> None:
        # Entry is frozen; its slots are filled in the way that its own constructor does.
        object.__setattr__(self, "path", entry.path)
        object.__setattr__(self, "kind", entry.kind)
        object.__setattr__(self, "_entry", entry)
        object.__setattr__(self, "_tracing", tracing)

    @property
    def oid(self) -> str:
        self._tracing.depend_on(self.path)
        return self._entry.oid

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Entry) and (self.path, self.kind, self.oid) == (other.path, other.kind, other.oid)

    def __hash__(self) -> int:
        return hash((self.path, self.kind, self.oid))


def _parents(path: str) -> Iterator[str]:
    while path:
        path = posixpath.dirname(path)
        yield path


def _common_directory(paths: Mapping[str, str | None]) -> str:
    """The deepest directory that contains all of ``paths``."""
    directories = [
        path
        if fact is not None and (fact == _PRESENT or fact.startswith(f"{EntryKind.DIRECTORY}:"))
        else posixpath.dirname(path)
        for path, fact in paths.items()
    ]
    if not directories:
        return ""
    parts = [directory.split("/") if directory else [] for directory in directories]
    common = []
    for names in zip(*parts, strict=False):
        if len(set(names)) > 1:
            break
        common.append(names[0])
    return "/".join(common)
