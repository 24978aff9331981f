"""Archives of volumes that may go: written to the data directory, verified by reading both sides again.

    <data directory>/archives/<volume>.<time>/
        volume.tar      the volume under the name `volume/`, its root directory's owner and mode included
        SHA256SUMS      the checksum of volume.tar, as `sha256sum -c` reads it
        manifest.json   what it was: volume, application, labels, driver, entries, digest of the tree

It is written under a name that ends in `.unfinished` and renamed when it is whole and verified, so that a directory
without that ending is one that can be relied on, whatever happened in between.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from trimtab.backends.engine import filler, volume_tree
from trimtab.backends.engine.bench import Bench, Outputs
from trimtab.backends.engine.client import EngineClient
from trimtab.backends.engine.errors import NoSpace
from trimtab.backends.engine.steps import ArchiveVolume
from trimtab.backends.engine.volume_tree import TreeFacts
from trimtab.errors import Conflict, UnsupportedByBackend
from trimtab.model.keys import Kind
from trimtab.ports import StepContext

UNFINISHED = ".unfinished"
TAR, SUMS, MANIFEST = "volume.tar", "SHA256SUMS", "manifest.json"
# The data directory also holds the database: an archive may not be what fills its disk.
SPARE_BYTES = 256 << 20
_PRIVATE = 0o700


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveShelf:
    """Where archives are. ``spare_bytes`` of the disk stay free."""

    folder: Path
    now: Callable[[], datetime]
    spare_bytes: int = SPARE_BYTES

    def path_for(self, volume: str) -> Path:
        """A directory that is not there yet."""
        stamp = self.now().strftime("%Y%m%dT%H%M%SZ")
        path = self.folder / f"{volume}.{stamp}"
        number = 1
        while path.exists():
            number += 1
            path = self.folder / f"{volume}.{stamp}.{number}"
        return path

    def of(self, volume: str) -> tuple[Path, ...]:
        """Whole archives of one volume, oldest first."""
        found = self.folder.glob(f"{volume}.*") if self.folder.is_dir() else ()
        return tuple(sorted(p for p in found if not p.name.endswith(UNFINISHED) and (p / MANIFEST).is_file()))

    def tidy(self, volume: str) -> None:
        """Remove what a crash left unfinished."""
        for path in self.folder.glob(f"{volume}.*{UNFINISHED}"):
            shutil.rmtree(path, ignore_errors=True)


def archive(bench: Bench, step: ArchiveVolume, context: StepContext) -> Outputs:
    """Archive a volume that nothing uses. One that holds what the newest archive of it holds is not archived again."""
    shelf = bench.shelf
    if shelf is None:
        raise UnsupportedByBackend(
            f"archive volume {step.name}: there is no data directory to put it in", hint="a defect of the wiring"
        )
    there = bench.inspect(Kind.VOLUME, step.name)
    if there is None:
        return {"archive": "", "digest": ""}
    check_unused(bench.client, step.name, "archive volume")
    shelf.tidy(step.name)
    with filler.mounted(bench.client, step.name, bench.installation) as container_id:
        try:
            return _archive(bench, shelf, container_id, step, there, context)
        except OSError as error:
            raise NoSpace(
                f"archive volume {step.name} in {shelf.folder}: {error.strerror or error}",
                hint="the volume is kept; make room there, or put the data directory elsewhere",
            ) from error
        finally:
            shelf.tidy(step.name)


def _archive(  # noqa: PLR0917 - what its caller has open
    bench: Bench,
    shelf: ArchiveShelf,
    container_id: str,
    step: ArchiveVolume,
    there: Mapping[str, object],
    context: StepContext,
) -> Outputs:
    def look(what: str) -> TreeFacts:
        context.log(f"{step.name}: {what}")
        with volume_tree.stream(bench.client, container_id, step.name) as chunks:
            return volume_tree.facts_of(volume_tree.watched(chunks, context, f"read volume {step.name}"))

    known = shelf.of(step.name)
    if known and known_digest(known[-1]) == (facts := look("compares with the archive that is there")).digest:
        return {"archive": str(known[-1]), "digest": facts.digest}
    final = shelf.path_for(step.name)
    draft = final.with_name(final.name + UNFINISHED)
    draft.mkdir(parents=True, mode=_PRIVATE)
    context.log(f"{step.name}: writes {final}")
    with volume_tree.stream(bench.client, container_id, step.name) as chunks:
        checksum = _write(shelf, draft / TAR, volume_tree.watched(chunks, context, f"archive volume {step.name}"))
    try:
        written = volume_tree.facts_of(checked(draft / TAR, checksum))
    except (tarfile.TarError, Differs) as error:
        raise Conflict(f"archive volume {step.name}: {final.name} cannot be read again: {error}") from error
    now = look("reads it again")
    if now.digest != written.digest:
        raise Conflict(
            f"archive volume {step.name}: what was written is not what the volume holds now",
            hint="something writes to it; it is kept",
        )
    manifest = {
        "volume": step.name,
        "application": step.app,
        "driver": there.get("Driver"),
        "options": there.get("Options"),
        "labels": there.get("Labels"),
        "createdAt": there.get("CreatedAt"),
        "archivedAt": shelf.now().isoformat(),
        "approval": step.approval,
        "entries": written.entries,
        "sizeBytes": written.size_bytes,
        "treeDigest": written.digest,
        "sha256": checksum,
    }
    _put(draft / SUMS, f"{checksum}  {TAR}\n")
    _put(draft / MANIFEST, json.dumps(manifest, indent=2, sort_keys=True) + "\n")
    _sync(draft)
    draft.rename(final)
    _sync(final.parent)
    return {"archive": str(final), "digest": written.digest}


def known_digest(path: Path) -> str:
    """The tree's digest as the manifest of an archive has it; "" when it has none."""
    try:
        found = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(found.get("treeDigest") or "") if isinstance(found, dict) else ""


def check_unused(client: EngineClient, volume: str, what: str, *, running_only: bool = False) -> None:
    """Raise Conflict if a container uses the volume (or runs with it), other than those that only look into it."""
    filters = json.dumps({"volume": [volume]})
    params = {"filters": filters} | ({} if running_only else {"all": "1"})
    users = client.call("GET", "/containers/json", what="list users of volume", key=volume, params=params)
    names = sorted(str((user.get("Names") or ["?"])[0]).lstrip("/") for user in users if not filler.is_one(user))
    if names:
        raise Conflict(f"{what} {volume}: {', '.join(names)} uses it", hint="stop and remove that first; it is kept")


class Differs(Exception):
    """The file is not what was written."""


def _write(shelf: ArchiveShelf, path: Path, chunks: Iterable[bytes]) -> str:
    checksum = hashlib.sha256()
    with path.open("xb") as file:
        path.chmod(0o600)
        for chunk in chunks:
            free = shutil.disk_usage(shelf.folder).free
            if free < shelf.spare_bytes + len(chunk):
                raise NoSpace(
                    f"archive volume in {shelf.folder}: only {free >> 20} MiB are left on that disk",
                    hint="the volume is kept; make room there, or put the data directory elsewhere",
                )
            file.write(chunk)
            checksum.update(chunk)
        file.flush()
        os.fsync(file.fileno())
    return checksum.hexdigest()


def checked(path: Path, expected: str) -> Iterator[bytes]:
    """The bytes of a file. Raises Differs at their end when their checksum is not ``expected``."""
    checksum = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(volume_tree.CHUNK_BYTES):
            checksum.update(chunk)
            yield chunk
    if checksum.hexdigest() != expected:
        message = "its checksum is another one than when it was written"
        raise Differs(message)


def _put(path: Path, text: str) -> None:
    with path.open("x", encoding="utf-8") as file:
        path.chmod(0o600)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def is_whole(path: Path, expected: str) -> bool:
    """Whether an archive is there whose tar has the checksum that was written beside it, for a tree of ``expected``."""
    try:
        words = (path / SUMS).read_text(encoding="ascii").split()
        if known_digest(path) != expected or not words:
            return False
        for _chunk in checked(path / TAR, words[0]):
            pass
    except (OSError, Differs):
        return False
    return True
