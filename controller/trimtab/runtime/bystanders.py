"""Applications that a commit does not concern: what is known of them names the new commit, and no pass is made.

A pass would read the same files, want the same, see the same engine and write the same, but for the commit's name.
That can be said of an application only when all of this holds; in any other case there is a pass:

* its last pass ended at rest until the regular full look: nothing failed, waited, was under observation or refused;
* it is Synced and Healthy with all three facts at one digest, or all that keeps it is its own policy to do nothing;
* nobody holds it at an older commit, it has no jobs (their runs name a commit), and nothing told of it names one;
* rendered from the new tree it is, byte for byte, what that pass wanted.

Only passes of this very process count, so that each application has one after a start.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace

from trimtab.model.application import Application
from trimtab.model.keys import AppKey
from trimtab.model.records import AppliedState
from trimtab.model.snapshot import Tree
from trimtab.model.status import AppStatus, HealthStatus, Next, Requeue, SyncStatus
from trimtab.model.trigger import Trigger
from trimtab.ports import Store
from trimtab.runtime.catalog import Catalog
from trimtab.runtime.gate import LEFT_BY_POLICY
from trimtab.runtime.loop import Reconcile
from trimtab.runtime.reconciler import RESYNC_S
from trimtab.runtime.views import View


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settled:
    """What the last pass was about. ``runs``: it is carried out and healthy; else it is left as it is by its policy."""

    application: Application
    digest: str
    revision: str
    runs: bool


class Bystanders:
    """Watches passes, and moves on what a commit does not concern. Safe from any thread."""

    def __init__(self, catalog: Catalog, digest_in: Callable[[Application, Tree], str], store: Store) -> None:
        """``digest_in``: of the desired state that was rendered from an application, if a tree gives the same again."""
        self._catalog = catalog
        self._digest_in = digest_in
        self._store = store
        self._lock = threading.Lock()
        self._settled: dict[AppKey, _Settled] = {}

    def watching(self, reconcile: Reconcile) -> Reconcile:
        """The same passes, of which it is known how each ended."""

        def reconciled(key: AppKey, trigger: Trigger, cancelled: threading.Event) -> Next:
            # A commit that is read from now on finds a pass under way, and asks for another one.
            with self._lock:
                self._settled.pop(key, None)
            followed = reconcile(key, trigger, cancelled)
            if followed == Requeue(RESYNC_S) and (settled := self._standing(key)) is not None:
                with self._lock:
                    self._settled[key] = settled
            return followed

        return reconciled

    def moved(self, keys: Iterable[AppKey]) -> frozenset[AppKey]:
        """Those of ``keys`` that need no pass for what was just read: their records name the new commit now."""
        groups: dict[tuple[str, bool], list[AppKey]] = defaultdict(list)
        found = set()
        # Held to the end, so that no pass begins on what is about to be written.
        with self._lock:
            for key in sorted(keys):
                settled, view = self._settled.get(key), self._catalog.view(key)
                if settled is None or view is None or not self._as_before(settled, view):
                    continue
                found.add(key)
                if view.revision != settled.revision:
                    groups[view.revision, settled.runs].append(key)
            for (revision, runs), group in sorted(groups.items()):
                self._write(revision, group, runs=runs)
        return frozenset(found)

    def _as_before(self, settled: _Settled, view: View) -> bool:
        return (
            view.usable
            and view.application is settled.application
            and view.snapshot is not None
            and self._digest_in(settled.application, view.snapshot.tree) == settled.digest
        )

    def _write(self, revision: str, keys: Collection[AppKey], *, runs: bool) -> None:
        if runs:
            for key in keys:
                # Before it is written down that one may have to go back to it.
                self._catalog.keep(key, "healthy", revision)
        self._store.applied.move_on(keys, revision, applied=runs)
        self._store.statuses.move_on(keys, revision, applied=runs)
        for key in keys:
            self._settled[key] = replace(self._settled[key], revision=revision)

    def _standing(self, key: AppKey) -> _Settled | None:
        """What a pass has left behind, if that is at rest."""
        view, status, state = self._catalog.view(key), self._store.statuses.get(key), self._store.applied.get(key)
        if view is None or status is None or not view.usable or view.application is None or view.snapshot is None:
            return None
        app = view.application
        revisions = {view.revision, state.desired_revision, status.desired_revision}
        if len(revisions) > 1 or app.jobs or self._store.holds.pinned(key) is not None:
            return None
        if status.suspended or status.contended or (view.revision and view.revision[:7] in status.message):
            return None
        runs = _runs(state, status)
        if not runs and (status.message not in LEFT_BY_POLICY or state.failed_digest == state.desired_digest):
            return None
        return _Settled(application=app, digest=state.desired_digest, revision=view.revision, runs=runs)


def _runs(state: AppliedState, status: AppStatus) -> bool:
    facts = {
        (state.desired_revision, state.desired_digest),
        (state.applied_revision, state.applied_digest),
        (state.healthy_revision, state.healthy_digest),
    }
    shown = {status.desired_revision, status.applied_revision, status.healthy_revision}
    well = status.sync is SyncStatus.SYNCED and status.health is HealthStatus.HEALTHY
    return well and len(facts) == 1 and shown == {state.desired_revision}
