"""All applications of one commit: found, loaded one by one, checked against each other.

An application with an error is in ``failed`` and nowhere else; it takes nothing with it. What
cannot even be named is in ``failed`` without a key: whatever was loaded from that path (or from
below it) before is to be held, because nobody knows that it is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from trimtab.errors import TrimtabError
from trimtab.manifest import crossref
from trimtab.manifest.candidates import Candidate, LoadedCandidate, Reader, candidates
from trimtab.manifest.codes import Code
from trimtab.manifest.declaration import Declaration
from trimtab.manifest.destinations import Destination
from trimtab.manifest.discover import Found, Visited, discover
from trimtab.manifest.trace import Trace, TracingTree
from trimtab.model.application import Application, SourceRef
from trimtab.model.diagnostics import Diagnostic, Origin, Severity, has_errors
from trimtab.model.keys import AppKey
from trimtab.model.snapshot import EntryKind, PathEscapesTree, Tree, resolve_path


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedApplication:
    """What cannot be carried out now, and must not be taken for gone (I4).

    A ``key`` is what the file calls it now; as the file has errors, what was declared there before,
    under whatever name, is not known to be gone either. Without a ``key`` that goes for all below
    ``path`` as well, which may be a directory.
    """

    key: AppKey | None
    path: str
    diagnostics: tuple[Diagnostic, ...]

    def holds(self, key: AppKey, declared_at: str) -> bool:
        """Whether the application ``key``, loaded before from the file ``declared_at``, is to be held."""
        if key == self.key or declared_at == self.path:
            return True
        return self.key is None and declared_at.startswith(f"{self.path}/")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """One commit's applications.

    ``declarations`` are those whose files are in another repository or at another revision; give
    each with its tree to ``load_from_source``. ``traces`` tells what each application was made from.
    """

    applications: tuple[Application, ...] = ()
    declarations: tuple[Declaration, ...] = ()
    failed: tuple[FailedApplication, ...] = ()
    destinations: tuple[Destination, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    traces: Mapping[AppKey, Trace] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """Everything but the tree that a result depends on."""

    path: str
    default_name: str
    environment: tuple[tuple[str, str], ...] = field(repr=False)
    excludes: tuple[str, ...]
    here: SourceRef | None
    alone: bool


@dataclass(slots=True)
class LoadCache:
    """What the next load need not do again; owned by the caller, one for each repository and path.

    Not for use by two threads at once. ``loaded`` counts the applications loaded in the last pass.
    """

    question: _Question | None = None
    root_oid: str = ""
    visited: Visited | None = None
    candidates: dict[Candidate, LoadedCandidate] = field(default_factory=dict)
    result: LoadResult | None = None
    loaded: int = 0


def load(
    tree: Tree,
    *,
    path: str = "",
    default_name: str,
    environment: Mapping[str, str] | None = None,
    excludes: Sequence[str] = (),
    cache: LoadCache | None = None,
    here: SourceRef | None = None,
    alone: bool = True,
) -> LoadResult:
    """Every application at and below ``path``, the directories that ``excludes`` match left out.

    Args:
        tree: one commit.
        path: the directory to look at.
        default_name: the name of an application whose compose file is at the root.
        environment: variables for interpolation, besides those in files.
        excludes: globs on paths from the repository's root; one without '/' fits at any depth.
        cache: what the last call with the same arguments has left.
        here: this repository and the revision that is followed: an Application whose source is this one is loaded
            at once.
        alone: there are no other applications than these. Otherwise the caller checks them against each other
            (``crossref.check``), together with the others and with what it knows of those that run.

    Raises:
        TrimtabError: the tree cannot be read now; nothing is known then.
    """
    kept = cache if cache is not None else LoadCache()
    question = _Question(
        path=path.strip("/"),
        default_name=default_name,
        environment=tuple(sorted((environment or {}).items())),
        excludes=tuple(excludes),
        here=here,
        alone=alone,
    )
    _forget_what_no_longer_fits(kept, question)
    root = tree.entry("")
    root_oid = root.oid if root is not None else ""
    if kept.result is not None and root_oid and kept.root_oid == root_oid and kept.question == question:
        kept.loaded = 0
        return kept.result
    result = _load(tree, question, kept)
    kept.question, kept.root_oid, kept.result = question, root_oid, result
    return result


def _forget_what_no_longer_fits(kept: LoadCache, question: _Question) -> None:
    """Findings depend on where and what is looked at; applications on the variables and on ``here`` as well."""
    before = kept.question
    if before is None or (before.path, before.excludes) != (question.path, question.excludes):
        kept.visited = None
    if before is None or (before.environment, before.here, before.default_name) != (
        question.environment,
        question.here,
        question.default_name,
    ):
        kept.candidates = {}


def _load(tree: Tree, question: _Question, kept: LoadCache) -> LoadResult:
    try:
        root = resolve_path(tree, question.path)
        entry = tree.entry(root)
    except PathEscapesTree:
        root, entry = question.path, None
    if root and (entry is None or entry.kind is not EntryKind.DIRECTORY):
        return _nowhere(question.path)
    found, kept.visited = discover(tree, root, question.excludes, kept.visited)
    loaded = _load_all(tree, question, kept, found)
    problems = _duplicates(loaded.values())
    applications = [
        each.application
        for candidate, each in loaded.items()
        if each.application is not None and candidate not in problems
    ]
    destinations, destination_problems = _destinations(loaded)
    if question.alone:
        by_key = crossref.check(
            applications,
            known={each.key for each in loaded.values() if each.key is not None},
            destinations={d.name for d in destinations},
            exclusives={each.application.key: each.exclusives for each in loaded.values() if each.application},
        )
        for candidate, each in loaded.items():
            if each.application and (more := by_key.get(each.application.key)) and candidate not in problems:
                problems[candidate] = more
    problems.update(destination_problems)
    return _result(found, loaded, problems, destinations)


def _nowhere(path: str) -> LoadResult:
    diagnostic = Diagnostic(
        severity=Severity.ERROR,
        code=Code.PATH_NOT_FOUND.value,
        message=f"there is no directory '{path}' in the repository",
        origin=Origin(path),
        hint="nothing is changed; correct --path, or bring the directory back",
    )
    return LoadResult(
        failed=(FailedApplication(key=None, path=path, diagnostics=(diagnostic,)),), diagnostics=(diagnostic,)
    )


def _load_all(tree: Tree, question: _Question, kept: LoadCache, found: Found) -> dict[Candidate, LoadedCandidate]:
    """Each candidate, loaded unless all that it was made from is unchanged."""
    reader = Reader(dict(question.environment))
    loaded: dict[Candidate, LoadedCandidate] = {}
    kept.loaded = 0
    for candidate in candidates(found, question.here, question.default_name):
        before = kept.candidates.get(candidate)
        if before is not None and before.trace.holds(tree):
            loaded[candidate] = before
            continue
        tracing = TracingTree(tree)
        kept.loaded += 1
        try:
            loaded[candidate] = reader.load(candidate, tracing)
        except TrimtabError:
            raise
        except Exception as error:  # noqa: BLE001 - I12: whatever one application does to us, the others are loaded
            loaded[candidate] = _defect(candidate, tracing, error)
    kept.candidates = loaded
    return loaded


def _defect(candidate: Candidate, tracing: TracingTree, error: Exception) -> LoadedCandidate:
    # Its text may hold a value of the manifest, which may be a secret: only the type is told.
    diagnostic = Diagnostic(
        severity=Severity.ERROR,
        code=Code.LOADER_DEFECT.value,
        message=f"Trimtab failed to load this application ({type(error).__name__}); this is a defect of Trimtab",
        origin=candidate.origin,
        hint="please report it with this file",
    )
    return LoadedCandidate(candidate=candidate, key=candidate.key, diagnostics=(diagnostic,), trace=tracing.trace())


def _duplicates(loaded: Iterable[LoadedCandidate]) -> dict[Candidate, tuple[Diagnostic, ...]]:
    """Two applications of one name: which one is meant nobody can tell, so neither is carried out."""
    by_key: dict[AppKey, list[LoadedCandidate]] = {}
    for each in loaded:
        if each.key is not None:
            by_key.setdefault(each.key, []).append(each)
    return {
        each.candidate: (
            Diagnostic(
                severity=Severity.ERROR,
                code=Code.DUPLICATE_APPLICATION.value,
                message=f"the application '{key}' is also declared at "
                + ", ".join(str(other.candidate.origin) for other in same if other is not each),
                origin=each.candidate.origin,
                hint="rename one; until then neither is changed",
            ),
        )
        for key, same in by_key.items()
        for each in same
        if len(same) > 1
    }


def _destinations(
    loaded: Mapping[Candidate, LoadedCandidate],
) -> tuple[tuple[Destination, ...], dict[Candidate, tuple[Diagnostic, ...]]]:
    """The destinations with a name of their own, and what is wrong with the others."""
    named: dict[str, list[tuple[Candidate, Destination]]] = {}
    for candidate, each in loaded.items():
        if each.destination is not None:
            named.setdefault(each.destination.name, []).append((candidate, each.destination))
    problems: dict[Candidate, tuple[Diagnostic, ...]] = {}
    for name, same in named.items():
        for candidate, destination in same:
            others = ", ".join(str(d.origin) for _, d in same if d is not destination)
            if others or name == crossref.BUILT_IN_DESTINATION:
                where = f"is also declared at {others}" if others else "is built in"
                message = f"the destination '{name}' {where}"
                problems[candidate] = (
                    Diagnostic(
                        severity=Severity.ERROR,
                        code=Code.DUPLICATE_DESTINATION.value,
                        message=message,
                        origin=destination.origin,
                        hint="rename it",
                    ),
                )
    good = [d for name, same in named.items() for c, d in same if c not in problems]
    return tuple(sorted(good, key=lambda d: d.name)), problems


def _result(
    found: Found,
    loaded: Mapping[Candidate, LoadedCandidate],
    problems: Mapping[Candidate, tuple[Diagnostic, ...]],
    destinations: tuple[Destination, ...],
) -> LoadResult:
    applications: list[Application] = []
    declarations: list[Declaration] = []
    failed = [FailedApplication(key=None, path=u.path, diagnostics=u.diagnostics) for u in found.unreadable]
    diagnostics = [d for unreadable in found.unreadable for d in unreadable.diagnostics]
    traces: dict[AppKey, Trace] = {}
    for candidate, each in loaded.items():
        told = (*each.diagnostics, *problems.get(candidate, ()))
        diagnostics += told
        if not candidate.is_application:
            continue
        fails = has_errors(told)
        if not fails and each.application is not None:
            applications.append(each.application)
            traces[each.application.key] = each.trace
        elif not fails and each.declaration is not None:
            declarations.append(each.declaration)
            traces[each.declaration.key] = each.trace
        else:
            failed.append(FailedApplication(key=each.key, path=candidate.path, diagnostics=told))
    return LoadResult(
        applications=tuple(sorted(applications, key=lambda app: app.key)),
        declarations=tuple(sorted(declarations, key=lambda declaration: declaration.key)),
        failed=tuple(sorted(failed, key=lambda f: (f.path, f.key is not None, str(f.key)))),
        destinations=destinations,
        diagnostics=tuple(sorted(set(diagnostics), key=lambda d: (d.origin, d.code, d.message))),
        traces=traces,
    )
