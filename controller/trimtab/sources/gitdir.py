"""Where a local repository keeps its things: bare, with a work tree, or a linked work tree."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trimtab.sources.errors import InvalidUrl

# A real pointer file is one short line; anything longer is something else.
_POINTER_BYTES = 4096


@dataclass(frozen=True, slots=True)
class GitDir:
    """``path`` holds HEAD; ``common`` holds refs, packed-refs and objects (the same, unless a linked work tree)."""

    path: Path
    common: Path

    @property
    def objects(self) -> Path:
        """The object directory."""
        return self.common / "objects"


def locate(directory: Path) -> GitDir:
    """The repository at ``directory``: a bare one, or the one of the work tree whose root it is.

    Raises:
        InvalidUrl: there is none.
    """
    found = find(directory)
    if found is not None:
        return found
    if not directory.is_dir():
        raise InvalidUrl(f"the repository '{directory}' does not exist", hint="check the path")
    outer = next((p for p in directory.resolve().parents if find(p) is not None), None)
    hint = f"did you mean --repo {outer} with a --path?" if outer else "make one with `git init`, or check the path"
    raise InvalidUrl(f"'{directory}' is not a Git repository", hint=hint)


def find(directory: Path) -> GitDir | None:
    """As `locate`, None instead of an error."""
    dot_git = directory / ".git"
    if dot_git.is_dir():
        return _layout(dot_git.resolve())
    if dot_git.is_file() and (target := _pointer(dot_git, "gitdir:")):
        return _layout((directory / target).resolve())
    return _layout(directory.resolve())


def _layout(path: Path) -> GitDir | None:
    if not (path / "HEAD").is_file() and not (path / "HEAD").is_symlink():
        return None
    shared = _pointer(path / "commondir", "")
    common = (path / shared).resolve() if shared else path
    return GitDir(path, common) if (common / "objects").is_dir() else None


def _pointer(file: Path, prefix: str) -> str:
    try:
        with file.open(encoding="utf-8", errors="surrogateescape") as stream:
            line = stream.read(_POINTER_BYTES).rstrip("\n")
    except OSError:
        return ""
    return line.removeprefix(prefix).strip() if line.startswith(prefix) else ""
