"""Which commit of a target was last followed: one small file, so that a force-push is noticed after a restart, too."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from trimtab.sources.refs import is_full_id


class Followed:
    """Remembers one commit id; in memory only when there is no ``file``."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._revision = self._load()

    @property
    def revision(self) -> str:
        """The commit id; "" before the first."""
        return self._revision

    def record(self, revision: str) -> None:
        """Follow ``revision`` from now on; whoever reads the file sees the old or the new one, whole."""
        self._revision = revision
        if self._file is None:
            return
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._file.parent, prefix=".new-")
        with os.fdopen(handle, "w", encoding="ascii") as stream:
            stream.write(f"{revision}\n")
        Path(name).replace(self._file)

    def _load(self) -> str:
        if self._file is None:
            return ""
        try:
            revision = self._file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            # Lost with the data directory: the next look starts afresh.
            return ""
        return revision if is_full_id(revision) else ""
