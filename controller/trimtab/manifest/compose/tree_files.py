"""Files of the repository as a compose file names them: found, bounded, never outside.

Every problem becomes a diagnostic at the place that named the file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from trimtab.manifest.codes import Code
from trimtab.manifest.nodes import Scalar
from trimtab.manifest.yaml_nodes import DEFAULT_LIMITS
from trimtab.model.diagnostics import Diagnostic, Origin, Severity
from trimtab.model.snapshot import EntryKind, FileTooLarge, PathEscapesTree, Tree, join_path, resolve_path

# Source: compose-go, paths/context.go; docker/compose also takes oci:// for `include`.
_REMOTE = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://|git@|github\.com/")
_REGULAR = frozenset({EntryKind.FILE, EntryKind.EXECUTABLE})
_OUTSIDE_HINT = "use a path inside the repository; nothing outside of it is read"


def is_remote(path: str) -> bool:
    """Whether ``path`` names something to be fetched: a URL, a Git or an OCI reference."""
    return _REMOTE.match(path) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Who names a file, for messages: where, and how long the name is."""

    origin: Origin
    length: int = 1

    @classmethod
    def of(cls, node: Scalar) -> Place:
        """The place of a scalar."""
        return cls(origin=node.origin, length=node.length)


@dataclass(frozen=True, slots=True)
class TreeFiles:
    """One commit's files; what goes wrong is appended to ``diagnostics``."""

    tree: Tree
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def error(self, code: Code, message: str, at: Place, hint: str = "") -> None:
        """Report an error."""
        self._report(Severity.ERROR, code, message, at, hint)

    def warning(self, code: Code, message: str, at: Place, hint: str = "") -> None:
        """Report a warning."""
        self._report(Severity.WARNING, code, message, at, hint)

    def info(self, code: Code, message: str, at: Place, hint: str = "") -> None:
        """Report something worth knowing."""
        self._report(Severity.INFO, code, message, at, hint)

    def _report(self, severity: Severity, code: Code, message: str, at: Place, hint: str) -> None:
        self.diagnostics.append(
            Diagnostic(
                severity=severity, code=code.value, message=message, origin=at.origin, hint=hint, length=at.length
            )
        )

    def join(self, base: str, path: str, what: str, at: Place) -> str | None:
        """``path`` relative to directory ``base``, as a path of the repository; None if it leads out of it."""
        try:
            if path.startswith("~"):
                raise PathEscapesTree(path)
            joined = join_path(base, path)
            resolve_path(self.tree, joined)
        except PathEscapesTree:
            how = "is outside the repository" if path.startswith(("/", "~")) else "leads out of the repository"
            self.error(Code.PATH_ESCAPES, f"{what} '{path}' {how}", at, _OUTSIDE_HINT)
            return None
        return joined

    def kind(self, path: str) -> EntryKind | None:
        """What is at a path of the repository, behind symbolic links; None if nothing is, or not inside."""
        try:
            resolved = resolve_path(self.tree, path)
        except PathEscapesTree:
            return None
        if not resolved:
            return EntryKind.DIRECTORY
        entry = self.tree.entry(resolved)
        return None if entry is None else entry.kind

    def read(self, path: str, what: str, at: Place, *, required: bool = True) -> bytes | None:
        """A regular file's content; None after reporting why not, or in silence if it is neither there nor required."""
        if self.join("", path, what, at) is None:
            return None
        kind = self.kind(path)
        if kind is None:
            if required:
                self.error(Code.FILE_NOT_FOUND, f"{what} '{path}' is not in the repository", at, "add it, and commit")
            return None
        if kind not in _REGULAR:
            self.error(Code.NOT_A_FILE, f"{what} '{path}' is a {kind.value}, not a file", at)
            return None
        try:
            return self.tree.read(resolve_path(self.tree, path), DEFAULT_LIMITS.max_bytes)
        except FileTooLarge as error:
            message = f"{what} '{path}' has {error.size_bytes} bytes; at most {error.limit_bytes} are read"
            self.error(Code.FILE_TOO_LARGE, message, at, "split it")
            return None
