"""What follows from a new commit: a pass for each application that it may concern, and for no other."""

from __future__ import annotations

from trimtab.model.keys import AppKey
from trimtab.model.trigger import Trigger, TriggerKind
from trimtab.ports import AppliedStates, Clock
from trimtab.runtime.bystanders import Bystanders
from trimtab.runtime.catalog import Catalog
from trimtab.runtime.repository import Repository
from trimtab.runtime.triggers import Notify


class Follower:
    """Reads repositories when they have moved."""

    def __init__(
        self, catalog: Catalog, bystanders: Bystanders, applied: AppliedStates, notify: Notify, clock: Clock
    ) -> None:
        """``notify`` is how passes are asked for."""
        self._catalog = catalog
        self._bystanders = bystanders
        self._applied = applied
        self._notify = notify
        self._clock = clock

    def refresh(self, repository: Repository) -> frozenset[AppKey]:
        """Read the newest commit; the applications that it concerns, which are the caller's to wake.

        Raises:
            TrimtabError: Git does not answer; every view stays as it is.
        """
        changed = self._catalog.refresh(repository, known=self._applied.apps())
        known = self._catalog.keys()
        others = [key for key in known if key not in changed and self._catalog.owner(key) is repository]
        moved = self._bystanders.moved(others)
        for key in others:
            if key not in moved:
                self._wake(key, TriggerKind.FOLLOW_UP, "a commit without effect")
        self._wake_those_that_wait(repository, moved)
        return changed

    def _wake_those_that_wait(self, repository: Repository, moved: frozenset[AppKey]) -> None:
        """Whoever waits for the newest commit of one of ``moved`` has it now, also in another repository."""
        for view in self._catalog.views():
            if self._catalog.owner(view.key) is repository or moved.isdisjoint(view.depends_on):
                continue
            if not self._bystanders.moved((view.key,)):
                self._wake(view.key, TriggerKind.DEPENDENCY, "what it depends on is at its newest commit")

    def _wake(self, key: AppKey, kind: TriggerKind, detail: str) -> None:
        self._notify(key, Trigger(kind=kind, at=self._clock.now(), detail=detail))
