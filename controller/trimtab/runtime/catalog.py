"""Which applications there are, by repository: stages 1 and 2, kept current. I/O through the Source port.

A repository is read as a whole when its revision moves. What cannot be read or parsed is held at its last
good state; only a complete, successful reading that lacks an application makes it ``removed``, and only for
applications that this very repository declared before (I4). What the repositories say is then checked together.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from trimtab.errors import TrimtabError
from trimtab.manifest.assemble import load_from_source
from trimtab.manifest.declaration import Declaration
from trimtab.manifest.load import LoadCache, LoadResult, load
from trimtab.model.application import Application, SourceRef
from trimtab.model.diagnostics import Diagnostic, Severity
from trimtab.model.keys import AppKey
from trimtab.model.snapshot import Snapshot, Tree
from trimtab.ports import Facts, Source
from trimtab.runtime.together import Reading, Together, claims
from trimtab.runtime.views import View

SourceFactory = Callable[[SourceRef], Source]
_DECLARED = "declared/"
# Older revisions that are held by rollbacks and pins; applications of one repository rarely hold more.
KEPT_OLDER = 4
# Commits that an application may have to go back to.
KEPT_SLOTS = ("healthy", "previous")


@dataclass(slots=True, kw_only=True)
class Repository:
    """One watched repository and what was last read from it."""

    source: Source
    path: str = ""
    default_name: str = "app"
    excludes: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    target_revision: str = ""
    cache: LoadCache = field(default_factory=LoadCache)
    snapshot: Snapshot | None = None
    result: LoadResult | None = None
    trouble: TrimtabError | None = None
    older: dict[str, tuple[Snapshot, LoadResult]] = field(default_factory=dict)
    views: dict[AppKey, View] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """What identifies it in facts: address and path."""
        return f"{self.source.url}#{self.path}"


class Catalog:
    """The views of all applications; ``refresh`` moves them, ``view`` reads one. Safe from any thread."""

    def __init__(
        self,
        repositories: Sequence[Repository],
        facts: Facts,
        source_factory: SourceFactory,
        unaffected: Callable[[Application, Tree], bool] = lambda _app, _tree: False,
        applied: Callable[[AppKey], str] = lambda _key: "",
    ) -> None:
        """Nothing is read yet.

        Args:
            repositories: those that are watched, in the order of the configuration.
            facts: where it is remembered which repository declared an application.
            source_factory: opens what an application's files are in, when that is another repository.
            unaffected: whether all that was rendered from an application is the same in another tree.
            applied: the revision of an application that was applied last, or "".
        """
        self.repositories = tuple(repositories)
        self._facts = facts
        self._source_factory = source_factory
        self._unaffected = unaffected
        self._applied = applied
        self._together = Together()
        self._doubles: Mapping[AppKey, tuple[Diagnostic, ...]] = {}
        self._views: dict[AppKey, View] = {}
        self._owners: dict[AppKey, Repository] = {}
        self._sources: dict[SourceRef, Source] = {}
        self._afar: dict[AppKey, tuple[Declaration, View]] = {}
        self._lock = threading.RLock()
        # Moves whenever the views do, so that what was concluded from all of them is known to be old.
        self.generation = 0

    def keys(self) -> tuple[AppKey, ...]:
        """Every known application, sorted."""
        with self._lock:
            return tuple(sorted(self._views))

    def view(self, key: AppKey) -> View | None:
        """One application as last read."""
        with self._lock:
            return self._views.get(key)

    def views(self) -> tuple[View, ...]:
        """All of them, in key order."""
        with self._lock:
            return tuple(self._views[key] for key in sorted(self._views))

    def owner(self, key: AppKey) -> Repository | None:
        """The repository that declares an application."""
        with self._lock:
            return self._owners.get(key)

    def doubles(self) -> Mapping[AppKey, tuple[Diagnostic, ...]]:
        """Applications that a second repository declares as well, with what there is to say about that one."""
        with self._lock:
            return self._doubles

    def sources(self) -> tuple[Source, ...]:
        """Sources of applications that live elsewhere, to be watched as well."""
        with self._lock:
            return tuple(
                self._sources[ref] for ref in sorted(self._sources, key=lambda r: (r.repo_url, r.target_revision))
            )

    def forget(self, key: AppKey) -> None:
        """A removed application is gone from the engine, too."""
        for slot in KEPT_SLOTS:
            self.keep(key, slot, "")
        with self._lock:
            self.generation += 1
            self._views.pop(key, None)
            owner = self._owners.pop(key, None)
            if owner is not None:
                owner.views.pop(key, None)
            self._facts.put(f"{_DECLARED}{key}", "")

    def refresh(self, repository: Repository, *, known: Sequence[AppKey] = ()) -> frozenset[AppKey]:
        """Read the repository's current revision; the applications for which that makes a difference.

        ``known`` are applications with something on the engine, which may be gone from Git.

        Raises:
            TrimtabError: Git does not answer; every view stays as it is.
        """
        try:
            snapshot = repository.source.snapshot()
        except TrimtabError as error:
            repository.trouble = error
            raise
        changed = self._read(repository, snapshot, known)
        repository.trouble = None
        return changed

    def restore(
        self, repository: Repository, trouble: TrimtabError, *, known: Sequence[AppKey] = ()
    ) -> frozenset[AppKey]:
        """At start, when the repository cannot be read: the commit that was followed last, to be held and healed."""
        repository.trouble = trouble
        snapshot = repository.source.last_followed() if repository.snapshot is None else None
        return frozenset() if snapshot is None else self._read(repository, snapshot, known)

    def accept(self, key: AppKey, *, known: Sequence[AppKey] = ()) -> bool:
        """Follow a rewritten branch, because a person asked for a sync; whether there was one.

        Raises:
            TrimtabError: it cannot be read.
        """
        repository = self.owner(key)
        revision = getattr(repository.trouble, "new", "") if repository is not None else ""
        if repository is None or not revision:
            return False
        repository.source.accept(str(revision))
        self.refresh(repository, known=known)
        return True

    def _source_of(self, key: AppKey) -> Source | None:
        """What its files are read from."""
        with self._lock:
            owner = self._owners.get(key)
            declared = self._afar[key][0].source if key in self._afar else None
            if declared is not None:
                return self._sources.get(declared)
            return owner.source if owner is not None else None

    def keep(self, key: AppKey, slot: str, revision: str) -> None:
        """Hold on to one older commit of an application, for each ``slot``; "" lets go of it."""
        source = self._source_of(key)
        if source is not None:
            source.keep(f"{slot}/{key.namespace}/{key.name}", revision)

    def tree_at(self, key: AppKey, revision: str) -> Tree | None:
        """The files of an application's repository at a commit; None where they cannot be had."""
        source = self._source_of(key)
        try:
            return source.snapshot(revision).tree if source is not None else None
        except TrimtabError:
            return None

    def trouble(self, key: AppKey) -> TrimtabError | None:
        """Why the repository of an application cannot be followed now."""
        repository = self.owner(key)
        return repository.trouble if repository is not None else None

    def _read(self, repository: Repository, snapshot: Snapshot, known: Sequence[AppKey]) -> frozenset[AppKey]:
        with self._lock:
            result = load(
                snapshot.tree,
                path=repository.path,
                default_name=repository.default_name,
                environment=repository.environment,
                excludes=repository.excludes,
                cache=repository.cache,
                here=SourceRef(repo_url=repository.source.url, target_revision=repository.target_revision),
                alone=False,
            )
            repository.snapshot, repository.result = snapshot, result
            repository.views = self._said(repository, snapshot, result, known)
            return self._publish(known)

    def _said(
        self, repository: Repository, snapshot: Snapshot, result: LoadResult, known: Sequence[AppKey]
    ) -> dict[AppKey, View]:
        """What one repository says of each application, by itself."""
        fresh: dict[AppKey, View] = {}
        for app in result.applications:
            fresh[app.key] = self._good(app, snapshot, result)
            self._afar.pop(app.key, None)
        for declaration in result.declarations:
            view = self._elsewhere(declaration, snapshot, repository)
            fresh[view.key] = view
        mine = {key for key, owner in self._owners.items() if owner is repository}
        mine |= {key for key in known if self._declared_by(key) == repository.id}
        for failed in result.failed:
            if failed.key is not None:
                fresh[failed.key] = self._held(repository, failed.key, snapshot, failed.diagnostics)
        for key in sorted(mine - set(fresh)):
            holding = [f for f in result.failed if f.holds(key, self._declared_at(repository, key))]
            if holding:
                fresh[key] = self._held(repository, key, snapshot, tuple(d for f in holding for d in f.diagnostics))
            else:
                fresh[key] = View(
                    key=key,
                    revision=snapshot.revision,
                    snapshot=snapshot,
                    removed=True,
                    prune=self._declared(key).get("prune") != "false",
                    left=self._left(key),
                )
        return fresh

    def _publish(self, incumbents: Collection[AppKey]) -> frozenset[AppKey]:
        """Check what all of them say together; the applications for which that makes a difference."""
        readings = [
            Reading(number=number, repository=r.id, url=r.source.url, views=r.views, read=r.result is not None)
            for number, r in enumerate(self.repositories)
        ]
        said = claims(readings, self._declared_by)
        complete = all(reading.read for reading in readings)
        self._owners = {key: self.repositories[reading.number] for key, reading in said.owners.items()}
        self._doubles = said.doubles
        results = [repository.result for repository in self.repositories if repository.result is not None]
        after = self._together.check(
            said,
            self._views,
            incumbents=incumbents,
            destinations=[d.name for result in results for d in result.destinations] if complete else None,
            complete=complete,
            running=self._running,
        )
        changed = frozenset(key for key, view in after.items() if self._moved(self._views.get(key), view))
        self._views = dict(after)
        self.generation += 1
        for key in changed:
            view = after[key]
            if view.application is not None and not view.problems:
                self._remember(self._owners[key], view.application)
        return changed

    def _running(self, key: AppKey) -> Application | None:
        """What was applied last, from Git, after a restart; None where that cannot be told."""
        revision = self._applied(key)
        try:
            view = self.at(key, revision) if revision else None
        except TrimtabError:
            return None
        return view.application if view is not None else None

    def _moved(self, before: View | None, after: View) -> bool:
        if before is after:
            return False
        if before is None or before.application is not after.application:
            return True
        if before.problems != after.problems or before.removed != after.removed:
            return True
        if after.application is None or after.snapshot is None or before.revision == after.revision:
            return False
        return not self._unaffected(after.application, after.snapshot.tree)

    @staticmethod
    def _good(app: Application, snapshot: Snapshot, result: LoadResult) -> View:
        trace = result.traces.get(app.key)
        files = trace.facts if trace is not None else {app.origin.path: None}
        about = tuple(d for d in result.diagnostics if d.origin.path in files)
        return View(key=app.key, revision=snapshot.revision, application=app, snapshot=snapshot, diagnostics=about)

    @staticmethod
    def _held(repository: Repository, key: AppKey, snapshot: Snapshot, problems: tuple[Diagnostic, ...]) -> View:
        before = repository.views.get(key)
        errors = tuple(d for d in problems if d.severity is Severity.ERROR) or problems
        return View(
            key=key,
            revision=snapshot.revision,
            application=before.application if before else None,
            snapshot=before.snapshot if before else None,
            problems=errors,
        )

    def _elsewhere(self, declaration: Declaration, snapshot: Snapshot, repository: Repository) -> View:
        """An application whose files are in another repository or at another revision."""
        key = declaration.key
        reference = declaration.source or SourceRef(repo_url=snapshot.repo_url)
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
            return self._held(repository, key, snapshot, (problem,))
        known = self._afar.get(key)
        if known is not None and known[0] == declaration and known[1].revision == there.revision:
            return known[1]
        app, diagnostics = load_from_source(declaration, there.tree, reference.path, environment=repository.environment)
        if app is None:
            return self._held(repository, key, there, diagnostics)
        view = View(key=key, revision=there.revision, application=app, snapshot=there, diagnostics=diagnostics)
        self._afar[key] = (declaration, view)
        return view

    def _afar_at(self, key: AppKey, revision: str, environment: Mapping[str, str]) -> View | None:
        """An older revision of the repository that its files are in; how it is declared stays as it is now."""
        declaration, view = self._afar[key]
        source = self._sources.get(declaration.source) if declaration.source is not None else None
        if source is None or declaration.source is None:
            return None
        if view.revision == revision:
            return view
        there = source.snapshot(revision)
        app, diagnostics = load_from_source(declaration, there.tree, declaration.source.path, environment=environment)
        if app is None:
            return None
        return View(key=key, revision=there.revision, application=app, snapshot=there, diagnostics=diagnostics)

    def at(self, key: AppKey, revision: str) -> View | None:
        """An application as it was at an older revision of its repository; None if it was not there or not good.

        Raises:
            TrimtabError: the revision cannot be read.
        """
        repository = self.owner(key)
        if repository is None:
            return None
        if key in self._afar:
            return self._afar_at(key, revision, repository.environment)
        with self._lock:
            read = repository.older.get(revision) or self._read_older(repository, revision)
        snapshot, result = read
        found = next((app for app in result.applications if app.key == key), None)
        return None if found is None else self._good(found, snapshot, result)

    @staticmethod
    def _read_older(repository: Repository, revision: str) -> tuple[Snapshot, LoadResult]:
        snapshot = repository.source.snapshot(revision)
        result = load(
            snapshot.tree,
            path=repository.path,
            default_name=repository.default_name,
            environment=repository.environment,
            excludes=repository.excludes,
            here=SourceRef(repo_url=repository.source.url, target_revision=repository.target_revision),
            # What was accepted then is not refused for what others have now.
            alone=False,
        )
        # The same objects for as long as a release is held, so that nothing is rendered twice.
        while len(repository.older) >= KEPT_OLDER:
            del repository.older[next(iter(repository.older))]
        repository.older[revision] = (snapshot, result)
        return snapshot, result

    def _remember(self, repository: Repository, app: Application) -> None:
        facts = {
            "repository": repository.id,
            "at": app.origin.path,
            "prune": "true" if app.sync_policy.prune else "false",
            "dependsOn": " ".join(str(needed) for needed in app.depends_on),
            "wave": str(app.wave),
        }
        self._facts.put(f"{_DECLARED}{app.key}", json.dumps(facts, sort_keys=True))

    def _declared(self, key: AppKey) -> Mapping[str, str]:
        text = self._facts.get(f"{_DECLARED}{key}")
        try:
            found = json.loads(text) if text else {}
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def _left(self, key: AppKey) -> tuple[tuple[AppKey, ...], int]:
        facts = self._declared(key)
        needed, wave = facts.get("dependsOn", "").split(), facts.get("wave", "0")
        return tuple(AppKey.parse(name) for name in needed), int(wave) if wave.lstrip("-").isdecimal() else 0

    def _declared_by(self, key: AppKey) -> str:
        return self._declared(key).get("repository", "")

    def _declared_at(self, repository: Repository, key: AppKey) -> str:
        view = repository.views.get(key)
        if view is not None and view.application is not None:
            return view.application.origin.path
        return self._declared(key).get("at", "")

    def close(self) -> None:
        """Release every source."""
        for repository in self.repositories:
            repository.source.close()
        for source in self.sources():
            source.close()
