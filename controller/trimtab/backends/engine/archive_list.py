"""The archives on the shelf: what each is, whether it is still what was written, and taking old ones away.

An archive's id is the name of its directory. Nothing here touches an engine.
"""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from trimtab.backends.engine import archives, volume_tree
from trimtab.backends.engine.archives import MANIFEST, SUMS, TAR, UNFINISHED, ArchiveShelf
from trimtab.errors import ConfigError, UserError
from trimtab.model.keys import AppKey

# Taken away under another name, so that half of one is never taken for a whole one.
REMOVING = f".removed{UNFINISHED}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    """One archive. ``application`` is None where its manifest names none."""

    id: str
    path: Path
    volume: str
    application: AppKey | None
    archived_at: datetime
    entries: int
    size_bytes: int
    tree_digest: str
    sha256: str
    driver: str = "local"
    options: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


def listed(shelf: ArchiveShelf) -> tuple[Archived, ...]:
    """Every whole archive, newest first; a directory without a manifest that can be read is none.

    Raises ConfigError: the directory cannot be read.
    """
    try:
        places = sorted(shelf.folder.iterdir()) if shelf.folder.is_dir() else ()
    except OSError as error:
        raise ConfigError(
            f"{shelf.folder} cannot be read: {error.strerror}", hint="only the user of the controller may read archives"
        ) from None
    found = [one for place in places if (one := _read(place)) is not None]
    return tuple(sorted(found, key=lambda one: (one.archived_at, one.id), reverse=True))


def find(shelf: ArchiveShelf, text: str) -> Archived:
    """The one with this id, or the newest of the volume of this name. Raises UserError."""
    there = listed(shelf)
    chosen = next((one for one in there if one.id == text), None) or next((o for o in there if o.volume == text), None)
    if chosen is None:
        known = ", ".join(one.id for one in there[:5]) or "none"
        more = f", and {len(there) - 5} more" if len(there) > 5 else ""
        raise UserError(f"there is no archive '{text}' in {shelf.folder}", hint=f"there are: {known}{more}")
    return chosen


def _read(place: Path) -> Archived | None:
    if place.name.endswith(UNFINISHED):
        return None
    try:
        said = json.loads((place / MANIFEST).read_text(encoding="utf-8"))
        application = str(said.get("application") or "")
        return Archived(
            id=place.name,
            path=place,
            volume=str(said["volume"]),
            application=AppKey.parse(application) if application else None,
            archived_at=datetime.fromisoformat(said["archivedAt"]),
            entries=int(said.get("entries") or 0),
            size_bytes=int(said.get("sizeBytes") or 0),
            tree_digest=str(said["treeDigest"]),
            sha256=str(said["sha256"]),
            driver=str(said.get("driver") or "local"),
            options=dict(said.get("options") or {}),
            labels=dict(said.get("labels") or {}),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def problem(one: Archived) -> str:
    """Why it is not what was written; "" when it is: both checksums, and the tree of what is in it."""
    try:
        noted = (one.path / SUMS).read_text(encoding="ascii").split()
        if noted[:1] != [one.sha256]:
            return f"{SUMS} and {MANIFEST} name two checksums"
        facts = volume_tree.facts_of(archives.checked(one.path / TAR, one.sha256))
    except FileNotFoundError as error:
        return f"{Path(str(error.filename)).name} is missing"
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    except (archives.Differs, tarfile.TarError, UnicodeDecodeError) as error:
        return f"{TAR}: {error}"
    return "" if facts.digest == one.tree_digest else f"{TAR} holds another tree than {MANIFEST} says"


def remove(one: Archived) -> None:
    """Take it away. Raises ConfigError."""
    away = one.path.with_name(one.path.name + REMOVING)
    try:
        one.path.rename(away)
        shutil.rmtree(away)
    except OSError as error:
        raise ConfigError(f"archive {one.id} cannot be removed: {error.strerror or error}") from None


def expired(shelf: ArchiveShelf, keep: timedelta) -> tuple[Archived, ...]:
    """Those that are older than ``keep``, oldest first; of a volume that is archived again the older ones, too."""
    now = shelf.now()
    return tuple(one for one in reversed(listed(shelf)) if now - one.archived_at > keep)
