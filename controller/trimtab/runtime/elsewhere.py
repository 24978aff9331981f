"""Applications whose files are in another repository, or at another revision, than their declaration. I/O by Source."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from trimtab.errors import TrimtabError
from trimtab.manifest.assemble import load_from_source
from trimtab.manifest.declaration import Declaration
from trimtab.model.application import SourceRef
from trimtab.model.diagnostics import Diagnostic, Severity
from trimtab.model.keys import AppKey
from trimtab.model.snapshot import Snapshot
from trimtab.ports import Source
from trimtab.runtime.views import View

SourceFactory = Callable[[SourceRef], Source]


class Elsewhere:
    """Their sources, each opened once, and what was last read there. Not for use by two threads at once."""

    def __init__(self, source_factory: SourceFactory) -> None:
        """``source_factory`` opens what an application's files are in."""
        self._source_factory = source_factory
        self._sources: dict[SourceRef, Source] = {}
        self._read: dict[AppKey, tuple[Declaration, View]] = {}

    def __contains__(self, key: object) -> bool:
        """Whether an application was read from elsewhere."""
        return key in self._read

    def forget(self, key: AppKey) -> None:
        """Its files are beside its declaration now."""
        self._read.pop(key, None)

    def sources(self) -> tuple[Source, ...]:
        """All that were opened, to be watched as well."""
        return tuple(self._sources[ref] for ref in sorted(self._sources, key=lambda r: (r.repo_url, r.target_revision)))

    def source(self, key: AppKey) -> Source | None:
        """What an application's files are read from."""
        declared = self._read[key][0].source
        return self._sources.get(declared) if declared is not None else None

    def view(
        self, declaration: Declaration, declared_in: Snapshot, environment: Mapping[str, str]
    ) -> View | tuple[Snapshot, tuple[Diagnostic, ...]]:
        """The application, or which commit cannot be used and why."""
        key = declaration.key
        reference = declaration.source or SourceRef(repo_url=declared_in.repo_url)
        source = self._sources.get(reference)
        try:
            if source is None:
                source = self._sources[reference] = self._source_factory(reference)
            there = source.snapshot()
        except TrimtabError as error:
            problem = Diagnostic(
                severity=Severity.ERROR,
                code=error.code,
                message=error.message,
                origin=declaration.origin,
                hint=error.hint,
            )
            return declared_in, (problem,)
        known = self._read.get(key)
        if known is not None and known[0] == declaration and known[1].revision == there.revision:
            return known[1]
        app, diagnostics = load_from_source(declaration, there.tree, reference.path, environment=environment)
        if app is None:
            return there, diagnostics
        view = View(key=key, revision=there.revision, application=app, snapshot=there, diagnostics=diagnostics)
        self._read[key] = (declaration, view)
        return view

    def at(self, key: AppKey, revision: str, environment: Mapping[str, str]) -> View | None:
        """An older revision of the repository that its files are in; how it is declared stays as it is now.

        Raises:
            TrimtabError: the revision cannot be read.
        """
        declaration, view = self._read[key]
        source = self.source(key)
        if source is None or declaration.source is None:
            return None
        if view.revision == revision:
            return view
        there = source.snapshot(revision)
        app, diagnostics = load_from_source(declaration, there.tree, declaration.source.path, environment=environment)
        if app is None:
            return None
        return View(key=key, revision=there.revision, application=app, snapshot=there, diagnostics=diagnostics)
