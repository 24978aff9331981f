"""What a repository holds for Trimtab, found by content, without loading any of it.

A directory whose tree id has not changed is not looked at again: its findings depend on nothing
but its content, its path and the excludes. Symbolic links are the exception, and are followed anew.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from trimtab.manifest.codes import Code
from trimtab.manifest.headers import DocumentHeader, UnreadableFile, read_headers
from trimtab.model.diagnostics import Diagnostic, Origin, Severity
from trimtab.model.snapshot import Entry, EntryKind, FileTooLarge, PathEscapesTree, Tree, resolve_path

# In the order in which docker compose prefers them. Source: compose-go, cli/options.go.
COMPOSE_FILES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
OVERRIDE_FILES = (
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)
_YAML = (".yaml", ".yml")
# Whoever keeps data as YAML may have larger files than a manifest may be; beyond this, nobody looks for one in there.
MAX_SCANNED_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is at and below a directory: documents of ours, compose files by default name, what cannot be read."""

    headers: tuple[DocumentHeader, ...] = ()
    compose_files: tuple[str, ...] = ()
    unreadable: tuple[UnreadableFile, ...] = ()
    links: tuple[str, ...] = ()


@dataclass(slots=True)
class Visited:
    """What was found in a directory, kept between commits; ``files`` and ``directories`` are by name."""

    oid: str
    found: Found
    files: dict[str, tuple[str, Found]] = field(default_factory=dict)
    directories: dict[str, Visited] = field(default_factory=dict)


def discover(
    tree: Tree, path: str = "", excludes: Sequence[str] = (), previous: Visited | None = None
) -> tuple[Found, Visited]:
    """All findings at and below the directory ``path``, and what to give as ``previous`` next time.

    ``previous`` must come from the same ``path`` and ``excludes``.
    """
    root = tree.entry(path)
    visited = _visit(tree, path, root.oid if root is not None else "", _excluded(excludes), previous)
    followed = [_follow(tree, link, path) for link in visited.found.links]
    return _concatenate([visited.found, *followed]), visited


def _visit(tree: Tree, path: str, oid: str, excluded: Callable[[str], bool], previous: Visited | None) -> Visited:
    if previous is not None and oid and previous.oid == oid:
        return previous
    visited = Visited(oid, Found())
    parts: list[Found] = []
    for entry in tree.children(path):
        if excluded(entry.path):
            continue
        name = posixpath.basename(entry.path)
        if entry.kind is EntryKind.DIRECTORY:
            before = previous.directories.get(name) if previous is not None else None
            below = _visit(tree, entry.path, entry.oid, excluded, before)
            visited.directories[name] = below
            parts.append(below.found)
        else:
            known = previous.files.get(name) if previous is not None else None
            fingerprint = f"{entry.kind}:{entry.oid}"
            found = known[1] if known is not None and known[0] == fingerprint else _file(tree, entry)
            visited.files[name] = (fingerprint, found)
            parts.append(found)
    visited.found = _concatenate(parts)
    return visited


def _concatenate(parts: Sequence[Found]) -> Found:
    """All of ``parts``, in one go: adding them one by one is quadratic in a directory of thousands."""
    return Found(
        headers=tuple(h for part in parts for h in part.headers),
        compose_files=tuple(file for part in parts for file in part.compose_files),
        unreadable=tuple(u for part in parts for u in part.unreadable),
        links=tuple(link for part in parts for link in part.links),
    )


def _file(tree: Tree, entry: Entry) -> Found:
    match entry.kind:
        case EntryKind.SUBMODULE:
            message = "this submodule is not read; what it contains is not loaded"
            return _unreadable(entry.path, Severity.INFO, Code.SUBMODULE_NOT_READ, message)
        case EntryKind.SYMLINK:
            return Found(links=(entry.path,), compose_files=_compose_file(entry.path))
        case _ if entry.path.endswith(_YAML):
            return _read(tree, entry.path, entry.path)
        case _:
            return Found()


def _read(tree: Tree, path: str, resolved: str) -> Found:
    try:
        data = tree.read(resolved, MAX_SCANNED_BYTES)
    except FileTooLarge as error:
        if posixpath.basename(path) in COMPOSE_FILES:
            return Found(compose_files=(path,))  # loading it tells what is wrong with it
        message = f"not looked at for applications: it has {error.size_bytes} bytes, more than {error.limit_bytes}"
        return _unreadable(path, Severity.WARNING, Code.FILE_TOO_LARGE, message)
    headers, unreadable = read_headers(data, path)
    # A file with documents of ours is no compose file, whatever its name.
    is_ours = headers or any(file.claims for file in unreadable)
    return Found(headers=headers, unreadable=unreadable, compose_files=() if is_ours else _compose_file(path))


def _compose_file(path: str) -> tuple[str, ...]:
    return (path,) if posixpath.basename(path) in COMPOSE_FILES else ()


def _follow(tree: Tree, link: str, root: str) -> Found:
    """What a symbolic link adds: a manifest from outside ``root``, or the reason why it is not read."""
    is_yaml = link.endswith(_YAML)
    severity = Severity.WARNING if is_yaml else Severity.INFO
    if posixpath.basename(link) in COMPOSE_FILES:
        return Found()  # found as a compose file already; loading it tells what is wrong with it
    try:
        target = resolve_path(tree, link)
    except PathEscapesTree:
        message = "this symbolic link leads out of the repository and is not followed"
        return _unreadable(link, severity, Code.LINK_NOT_FOLLOWED, message)
    if target == root or target.startswith(f"{root}/" if root else ""):
        inside = tree.entry(target)
        if inside is not None:
            return Found()  # found where it is
    entry = tree.entry(target)
    if entry is None:
        message = f"this symbolic link leads to '{target}', which does not exist"
        return _unreadable(link, severity, Code.LINK_NOT_FOLLOWED, message)
    if entry.kind is EntryKind.DIRECTORY:
        message = f"this symbolic link leads to the directory '{target}', outside of what is loaded; it is not followed"
        return _unreadable(link, Severity.WARNING, Code.LINK_NOT_FOLLOWED, message)
    if is_yaml and entry.kind in (EntryKind.FILE, EntryKind.EXECUTABLE):
        return _read(tree, link, target)
    return Found()


def _unreadable(path: str, severity: Severity, code: Code, message: str) -> Found:
    diagnostic = Diagnostic(severity=severity, code=code.value, message=message, origin=Origin(path))
    return Found(unreadable=(UnreadableFile(path=path, diagnostics=(diagnostic,)),))


def default_files(tree: Tree, directory: str) -> tuple[tuple[str, ...], tuple[Diagnostic, ...]]:
    """The files that docker compose would use in ``directory``; none if there are none."""
    present = [path for name in COMPOSE_FILES if _is_there(tree, path := posixpath.join(directory, name))]
    if not present:
        return (), ()
    overrides = [path for name in OVERRIDE_FILES if _is_there(tree, path := posixpath.join(directory, name))]
    diagnostics = tuple(
        Diagnostic(
            severity=Severity.WARNING,
            code=Code.SEVERAL_COMPOSE_FILES.value,
            message=f"this file is not used: '{kept}' comes first, as in docker compose",
            origin=Origin(unused),
            hint="remove one of the two, or name both under spec.compose.files of an Application",
        )
        for kept, *rest in (present, overrides or [""])
        for unused in rest
    )
    return (present[0], *overrides[:1]), diagnostics


def _is_there(tree: Tree, path: str) -> bool:
    entry = tree.entry(path)
    return entry is not None and entry.kind is not EntryKind.DIRECTORY


def _excluded(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Whether a path is excluded: ``*`` stays in a name, ``**`` does not; a pattern without '/' fits at any depth."""
    if not patterns:
        return lambda _path: False
    expressions = []
    for pattern in patterns:
        trimmed = pattern.strip("/")
        anywhere = "" if "/" in pattern.rstrip("/") else "(?:.*/)?"
        expressions.append(anywhere + _GLOB.sub(_translate, trimmed))
    compiled = re.compile("|".join(f"(?:{expression})" for expression in expressions))
    return lambda path: compiled.fullmatch(path) is not None


_GLOB = re.compile(r"\*\*/|/\*\*$|\*\*|\*|\?|[^*?/]+|/")
_GLOB_PARTS: Mapping[str, str] = {"**/": "(?:.*/)?", "/**": "(?:/.*)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def _translate(part: re.Match[str]) -> str:
    return _GLOB_PARTS.get(part.group(), re.escape(part.group()))
