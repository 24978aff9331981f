"""Git's objects, read through two long-lived ``git cat-file`` processes: one tells what an id is, one gives content."""

from __future__ import annotations

import os
import select
import subprocess
import threading
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, cast

from trimtab.errors import ConfigError, GitUnavailable
from trimtab.sources.environment import OPTIONS
from trimtab.sources.errors import MalformedObject, QuotaExceeded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trimtab.sources.limits import GitLimits

_CHUNK_BYTES = 1 << 20
# Names in cached trees, all together; about 200 bytes each.
_CACHED_NAMES = 32_768


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What an id names."""

    oid: str
    type: str
    size: int


@dataclass(frozen=True, slots=True)
class TreeItem:
    """One line of a tree object, as Git stores it."""

    name: str
    mode: int
    oid: str


@dataclass(slots=True)
class ReadCounts:
    """How much was really asked of Git; work per commit shall be proportional to what changed."""

    infos: int = 0
    trees: int = 0
    blobs: int = 0
    commits: int = 0
    starts: int = 0


class ObjectMissing(Exception):
    """The repository does not have this object."""


class ObjectTooLarge(Exception):
    """An object that has more bytes than its reader wants; none of them were read."""

    def __init__(self, oid: str, size_bytes: int) -> None:
        super().__init__(f"{oid} has {size_bytes} bytes")
        self.size_bytes = size_bytes


class ObjectStore:
    """Objects of one repository; safe for several threads. Processes start at first use and again if they die."""

    def __init__(self, environment: Mapping[str, str], limits: GitLimits) -> None:
        self._environment = dict(environment)
        self._limits = limits
        self._lock = threading.Lock()
        self._info: _Pipe | None = None
        self._content: _Pipe | None = None
        self._trees: OrderedDict[str, dict[str, TreeItem]] = OrderedDict()
        self._cached_names = 0
        self._closed = False
        self.counts = ReadCounts()

    def info(self, name: str) -> ObjectInfo | None:
        """What a name means now: an id, a full ref name, or either with ``^{commit}``; None if nothing.

        Raises:
            GitUnavailable: Git does not answer.
        """
        if "\n" in name:
            # Would be two questions.
            return None
        with self._lock:
            self.counts.infos += 1
            _, header = self._ask("--batch-check", name)
        return _parsed(header)

    def commit(self, oid: str) -> bytes:
        """A commit's raw content. Raises ObjectMissing."""
        self.counts.commits += 1
        return self._read(oid, "commit")

    def blob(self, oid: str, limit_bytes: int | None = None) -> bytes:
        """A file's content. Raises ObjectMissing, ObjectTooLarge."""
        self.counts.blobs += 1
        return self._read(oid, "blob", limit_bytes)

    def tree(self, oid: str) -> Mapping[str, TreeItem]:
        """A directory's items by name, in Git's order. Raises ObjectMissing."""
        with self._lock:
            if (known := self._trees.get(oid)) is not None:
                self._trees.move_to_end(oid)
                return known
        items = {item.name: item for item in parse_tree(self._read(oid, "tree"), oid)}
        with self._lock:
            self.counts.trees += 1
            if oid not in self._trees:
                self._trees[oid] = items
                self._cached_names += len(items) + 1
            while self._cached_names > _CACHED_NAMES and len(self._trees) > 1:
                _, dropped = self._trees.popitem(last=False)
                self._cached_names -= len(dropped) + 1
        return items

    def restart(self) -> None:
        """End the processes; the next read starts new ones."""
        with self._lock:
            self._forget()

    def close(self) -> None:
        """End the processes; later reads are refused."""
        with self._lock:
            self._closed = True
            self._forget()

    def _read(self, oid: str, kind: str, limit_bytes: int | None = None) -> bytes:
        with self._lock:
            if limit_bytes is not None:
                self._check_size(oid, limit_bytes)
            pipe, header = self._ask("--batch", oid)
            info = _parsed(header)
            if info is None:
                raise ObjectMissing(oid)
            if info.size > self._limits.blob_bytes:
                self._forget()
                raise QuotaExceeded(
                    f"object {oid} has {info.size} bytes, more than the {self._limits.blob_bytes} allowed",
                    hint="keep large files out of Git, or raise the limit",
                )
            try:
                content = pipe.read_exactly(info.size + 1, self._deadline())
            except _Broken as err:
                # Git tells size and type first and finds out about damage while it unpacks.
                self._forget()
                raise ObjectMissing(oid) from err
        if info.type != kind:
            raise MalformedObject(f"object {oid} is a {info.type} where a {kind} was expected")
        return content[:-1]

    def _check_size(self, oid: str, limit_bytes: int) -> None:
        # Asked before: once Git has begun to send an object, all of it has to be taken, or the process ended.
        info = _parsed(self._ask("--batch-check", oid)[1])
        if info is not None and info.size > limit_bytes:
            raise ObjectTooLarge(oid, info.size)

    def _ask(self, mode: str, name: str) -> tuple[_Pipe, bytes]:
        """One request, one header line. A process that died meanwhile (killed, out of memory) is replaced once."""
        for attempt in (1, 2):
            pipe = self._pipe(mode)
            try:
                pipe.write(name.encode("utf-8", "surrogateescape") + b"\n")
                return pipe, pipe.read_line(self._deadline())
            except _Broken as err:
                self._forget()
                if attempt == 2:
                    raise GitUnavailable(
                        f"git cannot read {self._environment['GIT_DIR']}: {err}",
                        hint="look at the repository with `git fsck`; permissions and disk may be the cause",
                    ) from err
        raise AssertionError("unreachable")

    def _pipe(self, mode: str) -> _Pipe:
        pipe = self._info if mode == "--batch-check" else self._content
        if self._closed:
            raise GitUnavailable("this source is closed")
        if pipe is None:
            self.counts.starts += 1
            pipe = _Pipe(("git", *OPTIONS, "cat-file", mode), self._environment)
            if mode == "--batch-check":
                self._info = pipe
            else:
                self._content = pipe
        return pipe

    def _forget(self) -> None:
        for pipe in (self._info, self._content):
            if pipe is not None:
                pipe.close()
        self._info = self._content = None

    def _deadline(self) -> float:
        return time.monotonic() + self._limits.local_timeout_s


def parse_tree(raw: bytes, oid: str) -> tuple[TreeItem, ...]:
    """The items of a tree object: repeated ``<mode> SP <name> NUL <id>``, the id as long as the tree's own.

    Raises:
        MalformedObject: it is cut short, or a name could lead out of its directory.
    """
    id_bytes, items, at = len(oid) // 2, [], 0
    while at < len(raw):
        space = raw.find(b" ", at)
        nul = raw.find(b"\0", space)
        end = nul + 1 + id_bytes
        if space < 0 or nul < 0 or end > len(raw):
            raise MalformedObject(f"tree {oid} is cut short")
        name = raw[space + 1 : nul]
        if name in (b"", b".", b"..") or b"/" in name:
            raise MalformedObject(f"tree {oid} has an entry named {name!r}")
        try:
            mode = int(raw[at:space], 8)
        except ValueError:
            raise MalformedObject(f"tree {oid} has an entry of mode {raw[at:space]!r}") from None
        items.append(TreeItem(name.decode("utf-8", "surrogateescape"), mode, raw[nul + 1 : end].hex()))
        at = end
    return tuple(items)


def _parsed(header: bytes) -> ObjectInfo | None:
    """A line of ``cat-file --batch-check``: "<id> <type> <size>", or "<name> missing" (or "ambiguous")."""
    parts = header.split(b" ")
    if len(parts) != 3 or not parts[2].isdigit():
        return None
    return ObjectInfo(parts[0].decode("ascii"), parts[1].decode("ascii"), int(parts[2]))


class _Broken(Exception):
    """The process ended, or does not answer."""


class _Pipe:
    """One ``cat-file`` process: a line in, a line and perhaps content out."""

    def __init__(self, command: tuple[str, ...], environment: Mapping[str, str]) -> None:
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=dict(environment),
                bufsize=0,
                # Ctrl-C at a terminal is ours to handle; this process ends when its input does.
                start_new_session=True,
            )
        except FileNotFoundError as err:
            raise ConfigError("git cannot be run", hint="install it, for example with `apt-get install git`") from err
        self._in, self._out = (
            cast("IO[bytes]", self._process.stdin).fileno(),
            cast("IO[bytes]", self._process.stdout).fileno(),
        )
        self._buffer = bytearray()

    def write(self, line: bytes) -> None:
        try:
            # A request is shorter than a pipe's buffer and the last answer was read: this cannot block.
            os.write(self._in, line)
        except OSError as err:
            raise _Broken(str(err)) from err

    def read_line(self, deadline: float) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0:
            self._fill(deadline)
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def read_exactly(self, size: int, deadline: float) -> bytes:
        while len(self._buffer) < size:
            self._fill(deadline)
        content = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        return content

    def close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        with suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()

    def _fill(self, deadline: float) -> None:
        ready, _, _ = select.select([self._out], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise _Broken("no answer in time")
        chunk = os.read(self._out, _CHUNK_BYTES)
        if not chunk:
            raise _Broken("git cat-file ended")
        self._buffer += chunk
