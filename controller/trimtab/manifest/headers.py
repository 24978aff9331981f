"""The first look at a YAML file: which documents of ours it holds, who they are about and what they claim."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass

from trimtab.manifest.codes import Code
from trimtab.manifest.kinds.base import API_GROUP, DNS_LABEL
from trimtab.manifest.kinds.zerverless import ZERVERLESS_GROUP
from trimtab.manifest.nodes import MappingNode, Node, Scalar, SequenceNode
from trimtab.manifest.yaml_nodes import parse
from trimtab.model.diagnostics import Diagnostic, Origin, Severity, has_errors
from trimtab.model.keys import DEFAULT_NAMESPACE, AppKey
from trimtab.model.snapshot import PathEscapesTree, join_path

_GROUPS = (API_GROUP, ZERVERLESS_GROUP)
_MARKERS = tuple(f"{group}/".encode() for group in _GROUPS)
# A line that makes a text that cannot be parsed ours; elsewhere the words may just be mentioned.
_OUR_LINE = re.compile(
    rb"^(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)?[ \t\-{]*[\"']?apiVersion[\"']?[ \t]*:[ \t]*[\"']?("
    + b"|".join(re.escape(m) for m in _MARKERS)
    + rb")",
    re.MULTILINE,
)
_FILE_NAME = re.compile(r"[\w./-]+\.ya?ml\b")
_PATH_FIELD = re.compile(r"""["']?path["']?[ \t]*:[ \t]*["']?([\w./-]+)""")
_LFS = b"version https://git-lfs.github.com/spec/"
# Problems after which the rest of a file is not known.
_FATAL = frozenset({Code.FILE_TOO_LARGE, Code.NOT_UTF8, Code.YAML_SYNTAX, Code.TOO_DEEP, Code.TOO_MANY_NODES})


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Where an Application's compose files are, read leniently: a broken document still claims what it claimed.

    ``directories`` are meant for files of this repository; with a ``repo_url`` or a
    ``target_revision`` they may be another's.
    """

    directories: tuple[str, ...] = ()
    repo_url: str = ""
    target_revision: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentHeader:
    """One document of ours; ``key`` is None when it has no usable name."""

    path: str
    index: int
    kind: str
    origin: Origin
    key: AppKey | None
    claim: Claim


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableFile:
    """A file that holds, or may hold, documents of ours which nobody can tell; ``claims`` are directories."""

    path: str
    diagnostics: tuple[Diagnostic, ...]
    claims: tuple[str, ...] = ()


def read_headers(data: bytes, path: str) -> tuple[tuple[DocumentHeader, ...], tuple[UnreadableFile, ...]]:
    """The headers of a file's documents of ours, and the file itself if there may be more that cannot be read."""
    if data.startswith(_LFS):
        diagnostic = Diagnostic(
            severity=Severity.WARNING,
            code=Code.LFS_POINTER.value,
            message="this file is kept in Git LFS, which is not read; if it is a manifest, it is not loaded",
            origin=Origin(path),
            hint="keep manifests in Git itself",
        )
        return (), (UnreadableFile(path=path, diagnostics=(diagnostic,)),)
    # UTF-16 is not read, but must not make a manifest look like something else.
    plain = data.replace(b"\0", b"") if b"\0" in data else data
    if not any(marker in plain for marker in _MARKERS):
        return (), ()
    documents, diagnostics = parse(data, path)
    headers = tuple(
        header for index, document in enumerate(documents) if (header := _header(document, index, path)) is not None
    )
    fatal = tuple(d for d in diagnostics if d.code in _FATAL or d.code == Code.BAD_ALIAS)
    if has_errors(fatal) and (headers or _OUR_LINE.search(plain)):
        return headers, (UnreadableFile(path=path, diagnostics=fatal, claims=_text_claims(plain, path)),)
    return headers, ()


def documents_of(data: bytes, path: str) -> tuple[tuple[Node, ...], tuple[tuple[Diagnostic, ...], ...]]:
    """A file's documents, and for each the problems in it; what stopped the parser belongs to none."""
    documents, diagnostics = parse(data, path)
    starts = [document.origin.line for document in documents]
    owned: list[list[Diagnostic]] = [[] for _ in documents]
    for diagnostic in diagnostics:
        owners = [index for index, start in enumerate(starts) if start <= diagnostic.origin.line]
        if owners and diagnostic.code not in _FATAL:
            owned[owners[-1]].append(diagnostic)
    return documents, tuple(tuple(found) for found in owned)


def _header(document: Node, index: int, path: str) -> DocumentHeader | None:
    group, _, _ = _text(document, "apiVersion").partition("/")
    if group not in _GROUPS:
        return None
    name, namespace = _text(document, "metadata", "name"), _text(document, "metadata", "namespace")
    usable = re.fullmatch(DNS_LABEL, name) and re.fullmatch(DNS_LABEL, namespace or DEFAULT_NAMESPACE)
    return DocumentHeader(
        path=path,
        index=index,
        kind=_text(document, "kind"),
        origin=document.origin,
        key=AppKey(namespace or DEFAULT_NAMESPACE, name) if usable else None,
        claim=_claim(document, path),
    )


def _claim(document: Node, path: str) -> Claim:
    if _text(document, "kind") != "Application":
        return Claim()
    base = posixpath.dirname(path)
    source = at(document, "spec", "source")
    if source is not None:
        base = _joined("", _text(source, "path") or _text(source, "subdir"))
    files = at(document, "spec", "compose", "files")
    named = [item.value for item in files.items if isinstance(item, Scalar)] if isinstance(files, SequenceNode) else []
    if named:
        directories = [posixpath.dirname(_joined(base, str(name))) for name in named]
    else:
        # Without files of its own, an Application uses those beside it, unless all it needs is inline.
        directories = [] if at(document, "spec", "services") is not None else [base]
    return Claim(
        directories=tuple(dict.fromkeys(directories)),
        repo_url=_text(source, "repoURL") if source is not None else "",
        target_revision=(_text(source, "targetRevision") or _text(source, "branch")) if source is not None else "",
    )


def _text_claims(data: bytes, path: str) -> tuple[str, ...]:
    """Directories that a text which cannot be parsed may claim: its own, and those of the files it mentions."""
    base, text = posixpath.dirname(path), data.decode("utf-8", "replace")
    found = [base]
    for name in _FILE_NAME.findall(text):
        found += [posixpath.dirname(_joined(base, name)), posixpath.dirname(_joined("", name))]
    for name in _PATH_FIELD.findall(text):
        source = _joined("", name)
        found += [source, *(posixpath.dirname(_joined(source, file)) for file in _FILE_NAME.findall(text))]
    return tuple(dict.fromkeys(found))


def _joined(base: str, path: str) -> str:
    """``path`` from ``base``; one that leaves the repository claims nothing new."""
    try:
        return join_path(base, path)
    except PathEscapesTree:
        return base


def at(node: Node | None, *keys: str) -> Node | None:
    """The node below ``node`` at a chain of keys."""
    for key in keys:
        node = node.items.get(key) if isinstance(node, MappingNode) else None
    return node


def _text(node: Node | None, *keys: str) -> str:
    found = at(node, *keys)
    return found.value if isinstance(found, Scalar) and isinstance(found.value, str) else ""
