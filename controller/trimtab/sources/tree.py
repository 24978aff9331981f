"""A commit of a Git repository as the core's `Tree`, and the facts about the commit itself."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

from trimtab.errors import GitUnavailable
from trimtab.model.snapshot import Entry, EntryKind, FileTooLarge
from trimtab.sources.errors import MalformedObject, QuotaExceeded
from trimtab.sources.objects import ObjectMissing, ObjectTooLarge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from trimtab.sources.objects import ObjectStore, TreeItem

# Source: git's cache.h, S_IFGITLINK.
_GITLINK = 0o160000


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitFacts:
    """Who said what, when; ``subject`` is the first line of the message."""

    revision: str
    tree_oid: str
    parents: tuple[str, ...]
    author: str
    committed_at: datetime
    subject: str
    message: str = ""


class GitTree:
    """The files of one commit; reads only the tree objects on the way to what is asked for."""

    __slots__ = ("_damaged", "_max_entries", "_root", "_store")

    def __init__(
        self, store: ObjectStore, root: str, *, max_entries: int, damaged: Callable[[], None] = lambda: None
    ) -> None:
        self._store = store
        self._root = root
        self._max_entries = max_entries
        self._damaged = damaged

    def entry(self, path: str) -> Entry | None:
        """What is at ``path``; None if nothing is."""
        parts = [part for part in path.split("/") if part not in ("", ".")]
        here = Entry("", EntryKind.DIRECTORY, self._root)
        for depth, part in enumerate(parts, start=1):
            if here.kind is not EntryKind.DIRECTORY:
                return None
            item = self._items(here.oid).get(part)
            if item is None:
                return None
            here = Entry("/".join(parts[:depth]), _kind(item), item.oid)
        return here

    def children(self, path: str) -> tuple[Entry, ...]:
        """Direct entries of a directory, sorted by path; empty if it is not a directory."""
        entry = self.entry(path)
        if entry is None or entry.kind is not EntryKind.DIRECTORY:
            return ()
        return tuple(sorted(self._below(entry)))

    def walk(self, path: str) -> Iterator[Entry]:
        """Every entry below a directory that is not itself a directory, sorted by path."""
        entry = self.entry(path)
        if entry is None:
            return
        # A tree of 20 levels that names the level below it 10 times has 10^20 files in 20 objects: hence the limit.
        left = self._max_entries
        pending = [entry] if entry.kind is EntryKind.DIRECTORY else []
        while pending:
            here = pending.pop()
            if here.kind is not EntryKind.DIRECTORY:
                yield here
                continue
            below = self._below(here)
            left -= len(below)
            if left < 0:
                raise QuotaExceeded(
                    f"there are more than {self._max_entries} files below '{path or '.'}'",
                    hint="point the source's path at a smaller directory, or raise the limit",
                )
            pending.extend(sorted(below, key=_walk_order, reverse=True))

    def read(self, path: str, limit_bytes: int | None = None) -> bytes:
        """A file's content, or a symbolic link's target. Raises FileNotFoundError, FileTooLarge, QuotaExceeded."""
        entry = self.entry(path)
        if entry is None or entry.kind in (EntryKind.DIRECTORY, EntryKind.SUBMODULE):
            raise FileNotFoundError(path)
        try:
            return self._store.blob(entry.oid, limit_bytes)
        except ObjectMissing:
            raise self._damage(entry.oid) from None
        except ObjectTooLarge as err:
            raise FileTooLarge(entry.path, err.size_bytes, limit_bytes or 0) from None

    def _below(self, directory: Entry) -> list[Entry]:
        prefix = f"{directory.path}/" if directory.path else ""
        return [Entry(prefix + item.name, _kind(item), item.oid) for item in self._items(directory.oid).values()]

    def _items(self, oid: str) -> Mapping[str, TreeItem]:
        try:
            return self._store.tree(oid)
        except ObjectMissing:
            raise self._damage(oid) from None

    def _damage(self, oid: str) -> GitUnavailable:
        self._damaged()
        return GitUnavailable(
            f"object {oid} cannot be read: the copy of the repository is damaged or incomplete",
            hint="a mirror is made anew at the next look; a local repository needs `git fsck`",
        )


def _walk_order(entry: Entry) -> str:
    """Makes a walk over directories come out sorted by full path: 'a-b' before 'a/b'."""
    return f"{entry.path}/" if entry.kind is EntryKind.DIRECTORY else entry.path


def _kind(item: TreeItem) -> EntryKind:
    if item.mode == _GITLINK:
        return EntryKind.SUBMODULE
    if stat.S_ISDIR(item.mode):
        return EntryKind.DIRECTORY
    if stat.S_ISLNK(item.mode):
        return EntryKind.SYMLINK
    if stat.S_ISREG(item.mode):
        return EntryKind.EXECUTABLE if item.mode & stat.S_IXUSR else EntryKind.FILE
    raise MalformedObject(f"'{item.name}' has the unknown mode {item.mode:o}")


def parse_commit(revision: str, raw: bytes) -> CommitFacts:
    """The facts in a raw commit object.

    Raises:
        MalformedObject: a header is missing or unreadable.
    """
    head, _, body = raw.partition(b"\n\n")
    headers: dict[str, list[bytes]] = {}
    for line in head.split(b"\n"):
        # A line that starts with a space continues a signature.
        key, _, value = line.partition(b" ")
        if key:
            headers.setdefault(key.decode("ascii", "replace"), []).append(value)
    try:
        encoding = headers.get("encoding", [b"utf-8"])[0].decode("ascii")
        author, _ = _person(headers["author"][0], encoding)
        _, committed_at = _person(headers["committer"][0], encoding)
        message = _text(body, encoding).strip("\n")
        return CommitFacts(
            revision=revision,
            tree_oid=headers["tree"][0].decode("ascii"),
            parents=tuple(parent.decode("ascii") for parent in headers.get("parent", [])),
            author=author,
            committed_at=committed_at,
            subject=message.partition("\n")[0].strip(),
            message=message,
        )
    except (KeyError, ValueError, OverflowError) as err:
        raise MalformedObject(f"commit {revision} cannot be read: {type(err).__name__}") from err


def _person(line: bytes, encoding: str) -> tuple[str, datetime]:
    """Name and time from "Name <address> seconds zone"; an empty name gives the address."""
    who, _, when = line.rpartition(b">")
    name, _, address = who.partition(b"<")
    seconds, _, zone = when.strip().partition(b" ")
    sign = -1 if zone.startswith(b"-") else 1
    digits = zone.lstrip(b"+-")
    offset = timedelta(hours=int(digits[:-2] or 0), minutes=int(digits[-2:])) if digits.isdigit() else timedelta()
    clock = timezone(sign * offset) if offset < timedelta(days=1) else UTC
    return _text(name.strip() or address, encoding), datetime.fromtimestamp(int(seconds), tz=clock)


def _text(raw: bytes, encoding: str) -> str:
    try:
        return raw.decode(encoding, "replace")
    except LookupError:
        return raw.decode("utf-8", "replace")
