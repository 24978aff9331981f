"""Files of the repository that a container mounts, as one content-addressed volume a service. Pure.

Neither a checkout nor the controller's disk is ever mounted: the controller may run in a container,
the engine on another machine, and a directory that changes under a running container is how others
lost data. The files are named by what they hold, so a change is another volume and another container.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field

from trimtab.model.desired import ContentFile
from trimtab.model.snapshot import EntryKind, PathEscapesTree, Tree, join_path, resolve_path
from trimtab.plan.canonical import digest, fingerprint

DIGEST_LENGTH = 12


@dataclass(slots=True)
class ContentCollector:
    """Gathers the files of one service's content volume; ``slots`` are the names inside it, in order of use."""

    tree: Tree
    secret_key: bytes
    files: list[ContentFile] = field(default_factory=list)
    facts: dict[str, Mapping[str, object]] = field(default_factory=dict)
    count: int = 0

    def add_path(self, path: str, *, mode: int | None = None, uid: int = 0, gid: int = 0) -> str | None:
        """A file or directory of the tree; its slot, or None if nothing is there.

        Raises:
            PathEscapesTree: a link on the way leads out of the repository.
        """
        real = resolve_path(self.tree, path)
        entry = self.tree.entry(real)
        if entry is None or entry.kind is EntryKind.SUBMODULE:
            return None
        slot = self._slot()
        if entry.kind is not EntryKind.DIRECTORY:
            self._add_file(slot, real, entry.kind, entry.oid, mode=mode, uid=uid, gid=gid)
            return slot
        for below in self.tree.walk(real):
            inside = posixpath.join(slot, posixpath.relpath(below.path, real or "."))
            if below.kind is EntryKind.SYMLINK:
                target = self.tree.read(below.path).decode("utf-8", "surrogateescape")
                self._check_link(below.path, target)
                self.files.append(ContentFile(path=inside, link_target=target))
                self.facts[inside] = {"link": target}
            elif below.kind is not EntryKind.SUBMODULE:
                self._add_file(inside, below.path, below.kind, below.oid, mode=mode, uid=uid, gid=gid)
        return slot

    def add_bytes(self, data: bytes, *, secret: bool, mode: int, uid: int, gid: int) -> str:
        """Given bytes; its slot."""
        slot = self._slot()
        self.files.append(ContentFile(path=slot, mode=mode, uid=uid, gid=gid, data=data, secret=secret))
        sign = fingerprint(self.secret_key, data) if secret else digest(data.decode("latin-1"))
        self.facts[slot] = {"mode": mode, "uid": uid, "gid": gid, "digest": sign}
        return slot

    def add_secret_path(self, path: str, *, mode: int, uid: int, gid: int) -> str | None:
        """A secret's file of the tree: read here, because its name must be a keyed digest of it."""
        real = resolve_path(self.tree, path)
        entry = self.tree.entry(real)
        if entry is None or entry.kind not in {EntryKind.FILE, EntryKind.EXECUTABLE}:
            return None
        return self.add_bytes(self.tree.read(real), secret=True, mode=mode, uid=uid, gid=gid)

    @property
    def digest(self) -> str:
        """What the volume holds, in short."""
        return digest(self.facts)[:DIGEST_LENGTH]

    def _slot(self) -> str:
        self.count += 1
        return str(self.count)

    def _add_file(
        self, slot: str, path: str, kind: EntryKind, oid: str, *, mode: int | None, uid: int, gid: int
    ) -> None:
        bits = mode if mode is not None else (0o555 if kind is EntryKind.EXECUTABLE else 0o444)
        self.files.append(ContentFile(path=slot, mode=bits, uid=uid, gid=gid, tree_path=path))
        self.facts[slot] = {"mode": bits, "uid": uid, "gid": gid, "digest": oid}

    def _check_link(self, path: str, target: str) -> None:
        # A link may dangle, but it must not be a way out of what was given.
        if target.startswith("/"):
            raise PathEscapesTree(path)
        join_path(posixpath.dirname(path), target)
