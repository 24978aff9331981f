"""From findings to applications: who claims which directory, and loading one candidate."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass

from trimtab.manifest.assemble import load_from_source
from trimtab.manifest.codes import Code
from trimtab.manifest.crossref import Exclusive, exclusives_of
from trimtab.manifest.declaration import Declaration, declare, declare_compose, normalise
from trimtab.manifest.destinations import Destination
from trimtab.manifest.discover import COMPOSE_FILES, Found
from trimtab.manifest.headers import Claim, DocumentHeader, at, documents_of
from trimtab.manifest.kinds.base import API_GROUP, API_VERSION
from trimtab.manifest.kinds.decode import decode, did_you_mean
from trimtab.manifest.kinds.destination import DestinationManifest
from trimtab.manifest.kinds.zerverless import ZERVERLESS_VERSION
from trimtab.manifest.nodes import MappingNode, Node, Scalar
from trimtab.manifest.trace import Trace, TracingTree
from trimtab.manifest.yaml_nodes import DEFAULT_LIMITS, parse
from trimtab.model.application import Application, SourceRef
from trimtab.model.diagnostics import Diagnostic, Origin, Severity, has_errors
from trimtab.model.keys import DEFAULT_NAMESPACE, AppKey
from trimtab.model.snapshot import FileTooLarge, PathEscapesTree, Tree, resolve_path

_KINDS = {API_VERSION: ("Application", "Destination"), ZERVERLESS_VERSION: ("Application",)}
# A compose file's own name stands at the left margin; only then is it worth parsing for it.
_NAME_LINE = re.compile(rb"^[\"']?name[\"']?[ \t]*:", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One document of ours, or (without ``header``) one directory's compose file.

    ``claimed_by`` is a file that cannot be read and may be the one that declares this directory.
    """

    path: str
    origin: Origin
    key: AppKey | None
    header: DocumentHeader | None = None
    elsewhere: bool = False
    fallback_name: str = ""
    claimed_by: str = ""

    @property
    def is_application(self) -> bool:
        """Whether this may be an application, as far as anybody can tell."""
        return self.header is None or self.header.kind != "Destination"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedCandidate:
    """What became of a candidate; without application, declaration and destination it has failed."""

    candidate: Candidate
    key: AppKey | None
    trace: Trace
    application: Application | None = None
    declaration: Declaration | None = None
    destination: Destination | None = None
    diagnostics: tuple[Diagnostic, ...] = ()
    exclusives: tuple[Exclusive, ...] = ()


def candidates(found: Found, here: SourceRef | None, default_name: str) -> tuple[Candidate, ...]:
    """Every document of ours, and every directory with compose files that none of them claims."""
    documents = tuple(
        Candidate(
            path=header.path,
            origin=header.origin,
            # A kind that is not known has names of its own: it cannot be another application's double.
            key=header.key if header.kind == "Application" else None,
            header=header,
            elsewhere=not _is_here(header.claim, here),
        )
        for header in found.headers
    )
    claimed = {d for c in documents if c.header and not c.elsewhere for d in c.header.claim.directories}
    doubtful = {directory: file.path for file in found.unreadable for directory in file.claims}
    plain: dict[str, str] = {}
    for path in sorted(found.compose_files, key=lambda p: COMPOSE_FILES.index(posixpath.basename(p))):
        plain.setdefault(posixpath.dirname(path), path)
    return documents + tuple(
        _plain(directory, path, default_name, doubtful.get(directory, ""))
        for directory, path in sorted(plain.items())
        if directory not in claimed
    )


def _plain(directory: str, path: str, default_name: str, claimed_by: str) -> Candidate:
    name = posixpath.basename(directory) or default_name
    label = normalise(name)
    return Candidate(
        path=path,
        origin=Origin(path, 1, 1),
        key=AppKey.parse(label) if label else None,
        fallback_name=name,
        claimed_by=claimed_by,
    )


def _is_here(claim: Claim, here: SourceRef | None) -> bool:
    """Whether a source means this repository at the revision that is being loaded."""
    same_repository = not claim.repo_url or (here is not None and _bare(claim.repo_url) == _bare(here.repo_url))
    same_revision = not claim.target_revision or (here is not None and claim.target_revision == here.target_revision)
    return same_repository and same_revision


def _bare(url: str) -> str:
    return url.rstrip("/").removesuffix(".git")


class Reader:
    """Loads candidates of one commit; a file with many documents is parsed once."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._documents: dict[str, tuple[tuple[Node, ...], tuple[tuple[Diagnostic, ...], ...]]] = {}

    def load(self, candidate: Candidate, tree: TracingTree) -> LoadedCandidate:
        """``candidate`` with all that can be told about it."""
        if candidate.header is None:
            return self._compose_directory(candidate, tree)
        node, problems = self._document(candidate.header, tree)
        if problem := _unknown_kind(node, candidate.header):
            return LoadedCandidate(
                candidate=candidate, key=candidate.key, trace=tree.trace(), diagnostics=(*problems, problem)
            )
        if candidate.header.kind == "Destination":
            return _destination(candidate, node, problems, tree)
        # Without a usable name there is still everything else to be told about the document.
        name = at(node, "metadata", "name")
        shown = str(name.value) if isinstance(name, Scalar) and name.value else "(without a name)"
        declaration, more = declare(node, candidate.key or AppKey(DEFAULT_NAMESPACE, shown))
        return self._finish(candidate, declaration, problems + more, tree)

    def _document(self, header: DocumentHeader, tree: TracingTree) -> tuple[Node, tuple[Diagnostic, ...]]:
        resolved = resolve_path(tree, header.path)
        if header.path in self._documents:
            tree.depend_on(resolved)
        else:
            self._documents[header.path] = documents_of(tree.read(resolved), header.path)
        documents, problems = self._documents[header.path]
        return documents[header.index], problems[header.index]

    def _compose_directory(self, candidate: Candidate, tree: TracingTree) -> LoadedCandidate:
        if candidate.claimed_by:
            # Which application this directory belongs to is in a file that cannot be read.
            tree.depend_on(candidate.path)
            problem = Diagnostic(
                severity=Severity.WARNING,
                code=Code.HELD_BY_UNREADABLE.value,
                message=f"not loaded: '{candidate.claimed_by}' cannot be read and may be what declares this directory",
                origin=candidate.origin,
                hint="correct that file",
            )
            return LoadedCandidate(candidate=candidate, key=candidate.key, trace=tree.trace(), diagnostics=(problem,))
        name = _own_name(tree, candidate.path) or candidate.fallback_name
        declaration, problems = declare_compose(posixpath.dirname(candidate.path), name, candidate.path)
        if declaration is None:
            return LoadedCandidate(candidate=candidate, key=None, trace=tree.trace(), diagnostics=problems)
        return self._finish(candidate, declaration, problems, tree)

    def _finish(
        self, candidate: Candidate, declaration: Declaration, problems: tuple[Diagnostic, ...], tree: TracingTree
    ) -> LoadedCandidate:
        key = declaration.key if candidate.key is not None or candidate.header is None else None
        application: Application | None = None
        if not candidate.elsewhere:
            application, more = load_from_source(declaration, tree, environment=self._environment)
            problems += more
        if has_errors(problems):
            return LoadedCandidate(candidate=candidate, key=key, trace=tree.trace(), diagnostics=problems)
        return LoadedCandidate(
            candidate=candidate,
            key=key,
            trace=tree.trace(),
            application=application,
            declaration=declaration if candidate.elsewhere else None,
            diagnostics=problems,
            exclusives=exclusives_of(application) if application is not None else (),
        )


def _unknown_kind(node: Node, header: DocumentHeader) -> Diagnostic | None:
    """A document of our group that is none of ours: a typing error, or made for another version of Trimtab."""
    version, kind = at(node, "apiVersion"), at(node, "kind")
    text = str(version.value) if isinstance(version, Scalar) else ""
    if text not in _KINDS:
        known = API_VERSION if text.startswith(f"{API_GROUP}/") else ZERVERLESS_VERSION
        place = version or node
        return _error(Code.UNKNOWN_API_VERSION, f"unknown apiVersion '{text}'", place, f"write '{known}'")
    if header.kind not in _KINDS[text]:
        hint = did_you_mean(header.kind, _KINDS[text]) or f"there are: {', '.join(_KINDS[text])}"
        return _error(Code.UNKNOWN_KIND, f"unknown kind '{header.kind}' of {text}", kind or node, hint)
    return None


def _destination(
    candidate: Candidate, node: Node, problems: tuple[Diagnostic, ...], tree: TracingTree
) -> LoadedCandidate:
    manifest, more = decode(DestinationManifest, node)
    problems += more
    destination = None
    if manifest is not None and not has_errors(problems):
        destination = Destination(name=manifest.metadata.name, host=manifest.spec.host, origin=candidate.origin)
    return LoadedCandidate(
        candidate=candidate, key=None, trace=tree.trace(), destination=destination, diagnostics=problems
    )


def _own_name(tree: Tree, path: str) -> str:
    """A compose file's top-level ``name``, if it is plain text; else ""."""
    try:
        data = tree.read(resolve_path(tree, path), DEFAULT_LIMITS.max_bytes)
    except (FileNotFoundError, FileTooLarge, PathEscapesTree):
        return ""
    if _NAME_LINE.search(data) is None:
        return ""
    documents, _ = parse(data, path)
    name = at(documents[0], "name") if documents and isinstance(documents[0], MappingNode) else None
    text = name.value if isinstance(name, Scalar) and isinstance(name.value, str) else ""
    return "" if "$" in text else text


def _error(code: Code, message: str, place: Node, hint: str) -> Diagnostic:
    length = place.length if isinstance(place, Scalar) else 1
    return Diagnostic(
        severity=Severity.ERROR, code=code.value, message=message, origin=place.origin, hint=hint, length=length
    )
