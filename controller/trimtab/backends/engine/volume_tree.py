"""What a volume holds, read as one tar stream through the engine's API, and a digest of it that can be compared.

The digest covers every path with its type, owner, mode, link target, device numbers, capabilities and content, and the
modification time of files. It does not cover what the engine's archives do not carry: other extended attributes (ACLs
among them) and sockets; docs/guide/data.md says so to users.
Source: Engine API ContainerArchive; moby pkg/archive: of all attributes it records security.capability alone.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from trimtab.backends.engine.client import EngineClient
from trimtab.backends.engine.filler import ROOT
from trimtab.errors import DeadlineExceeded
from trimtab.ports import StepContext

CHUNK_BYTES = 1 << 20
# How long the engine may be silent while it reads or writes a volume's files.
SILENCE_S = 300.0
# PAX keys that say something about a file; the others repeat what the header says, or change with each reading.
_ATTRIBUTES = "SCHILY.xattr."


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeFacts:
    """One volume's content in short. ``entries`` counts everything but the root; ``size_bytes`` is that of files."""

    digest: str
    entries: int
    size_bytes: int


@contextmanager
def stream(client: EngineClient, container_id: str, volume: str) -> Iterator[Iterator[bytes]]:
    """The volume that ``container_id`` mounts, root directory included, as chunks of a tar archive."""
    response = client.open(
        "GET",
        f"/containers/{container_id}/archive",
        what="read volume",
        key=volume,
        params={"path": ROOT},
        # Compressed, an engine on the same machine would be the slower one.
        headers={"Accept-Encoding": "identity"},
        timeout_s=SILENCE_S,
    )
    with response:
        yield response.iter_content(CHUNK_BYTES)


def write(client: EngineClient, container_id: str, chunks: Iterable[bytes], volume: str) -> None:
    """Unpack such an archive into the volume that ``container_id`` mounts; the root directory's owner comes with it."""
    client.call(
        "PUT",
        f"/containers/{container_id}/archive",
        what="write volume",
        key=volume,
        params={"path": "/"},
        data=chunks,
        headers={"Content-Type": "application/x-tar"},
        timeout_s=SILENCE_S,
    )


def watched(chunks: Iterable[bytes], context: StepContext, what: str) -> Iterator[bytes]:
    """The same chunks, until the sync is told to stop."""
    for chunk in chunks:
        if context.cancelled.is_set():
            raise DeadlineExceeded(
                f"{what}: stopped before its end", hint="the application's `timeout` bounds a whole sync: raise it"
            )
        yield chunk


def facts_of(chunks: Iterable[bytes]) -> TreeFacts:
    """The digest of an archive. Raises tarfile.TarError when it is cut off or none."""
    lines, entries, size_bytes = [], -1, 0
    with tarfile.open(
        fileobj=io.BufferedReader(_Chunks(chunks), CHUNK_BYTES), mode="r|", bufsize=CHUNK_BYTES
    ) as archive:
        for member in archive:
            content = _content(archive, member)
            size_bytes += member.size if member.isreg() else 0
            entries += 1
            lines.append(json.dumps([member.name.rstrip("/"), *_described(member), content]))
    whole = hashlib.sha256()
    for line in sorted(lines):
        whole.update(line.encode("utf-8", "surrogateescape") + b"\n")
    return TreeFacts(digest=whole.hexdigest(), entries=max(entries, 0), size_bytes=size_bytes)


def _described(member: tarfile.TarInfo) -> list[object]:
    attributes = {k: v for k, v in sorted(member.pax_headers.items()) if k.startswith(_ATTRIBUTES)}
    # Of a directory the time changes with each unpacking into it; of the rest it is content.
    modified = int(member.mtime) if member.isreg() else 0
    device = [member.devmajor, member.devminor] if member.isdev() else []
    kind = member.type.decode("latin-1")
    return [kind, member.mode & 0o7777, member.uid, member.gid, modified, member.linkname, device, attributes]


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    source = archive.extractfile(member) if member.isreg() else None
    return hashlib.file_digest(source, "sha256").hexdigest() if source is not None else ""  # type: ignore[arg-type]


class _Chunks(io.RawIOBase):
    """Chunks as a file that can be read once."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        super().__init__()
        self._chunks = iter(chunks)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Fill ``buffer`` as far as the next chunk goes; 0 at the end."""
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size
