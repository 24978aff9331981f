"""Which applications there are, by repository: stages 1 and 2, kept current. I/O through the Source port.

A repository is read as a whole when its revision moves. What cannot be read or parsed is held at its last
good state; only a complete, successful reading that lacks an application makes it ``removed``, and only for
applications that this very repository declared before (I4). What the repositories say is then checked together.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence

from trimtab.errors import TrimtabError
from trimtab.model.application import Application
from trimtab.model.diagnostics import Diagnostic
from trimtab.model.keys import AppKey
from trimtab.model.snapshot import Snapshot, Tree
from trimtab.ports import Facts, Source
from trimtab.runtime.declared import Declared
from trimtab.runtime.elsewhere import Elsewhere, SourceFactory
from trimtab.runtime.repository import Repository, good_view
from trimtab.runtime.said import said
from trimtab.runtime.together import Reading, Together, claims
from trimtab.runtime.views import View

# Commits that an application may have to go back to.
KEPT_SLOTS = ("healthy", "previous")


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
        self._declared = Declared(facts)
        self._elsewhere = Elsewhere(source_factory)
        self._unaffected = unaffected
        self._applied = applied
        self._together = Together()
        self._doubles: Mapping[AppKey, tuple[Diagnostic, ...]] = {}
        self._views: dict[AppKey, View] = {}
        self._owners: dict[AppKey, Repository] = {}
        self._lock = threading.RLock()
        # Moves whenever the views do, so that what was concluded from all of them is known to be old.
        self.generation = 0

    # -- what is known -------------------------------------------------------------------------------------------

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
            return self._elsewhere.sources()

    def trouble(self, key: AppKey) -> TrimtabError | None:
        """Why the repository of an application cannot be followed now."""
        repository = self.owner(key)
        return repository.trouble if repository is not None else None

    # -- following -----------------------------------------------------------------------------------------------

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
            self._declared.forget(key)

    def _read(self, repository: Repository, snapshot: Snapshot, known: Sequence[AppKey]) -> frozenset[AppKey]:
        with self._lock:
            result = repository.read(snapshot)
            owned = {key for key, owner in self._owners.items() if owner is repository}
            owned |= {key for key in known if self._declared.by(key) == repository.id}
            repository.views = said(
                repository, snapshot, result, owned=owned, elsewhere=self._elsewhere, declared=self._declared
            )
            return self._publish(known)

    def _publish(self, incumbents: Collection[AppKey]) -> frozenset[AppKey]:
        """Check what all of them say together; the applications for which that makes a difference."""
        readings = [
            Reading(number=number, repository=r.id, url=r.source.url, views=r.views, read=r.result is not None)
            for number, r in enumerate(self.repositories)
        ]
        claimed = claims(readings, self._declared.by)
        complete = all(reading.read for reading in readings)
        self._owners = {key: self.repositories[reading.number] for key, reading in claimed.owners.items()}
        self._doubles = claimed.doubles
        results = [repository.result for repository in self.repositories if repository.result is not None]
        after = self._together.check(
            claimed,
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
                self._declared.remember(self._owners[key].id, view.application)
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
        if after.application is None or after.snapshot is None or before.revision == after.revision != "":
            # A plain directory has no revisions.
            return False
        return not self._unaffected(after.application, after.snapshot.tree)

    # -- older commits -------------------------------------------------------------------------------------------

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

    def at(self, key: AppKey, revision: str) -> View | None:
        """An application as it was at an older revision of its repository; None if it was not there or not good.

        Raises:
            TrimtabError: the revision cannot be read.
        """
        repository = self.owner(key)
        if repository is None:
            return None
        if key in self._elsewhere:
            return self._elsewhere.at(key, revision, repository.environment)
        with self._lock:
            snapshot, result = repository.at(revision)
        found = next((app for app in result.applications if app.key == key), None)
        return None if found is None else good_view(found, snapshot, result)

    def _source_of(self, key: AppKey) -> Source | None:
        """What its files are read from."""
        with self._lock:
            if key in self._elsewhere:
                return self._elsewhere.source(key)
            owner = self._owners.get(key)
            return owner.source if owner is not None else None

    def close(self) -> None:
        """Release every source."""
        for repository in self.repositories:
            repository.source.close()
        for source in self.sources():
            source.close()
