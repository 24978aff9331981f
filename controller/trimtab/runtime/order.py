"""Which applications go before which: ``dependsOn`` and waves, by what was carried out and runs well.

An application waits until every one that goes before it has its newest commit carried out and is healthy. Those that
leave Git go in the opposite order: what others lean on is removed after them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from trimtab.model.keys import AppKey
from trimtab.model.status import HealthStatus, SyncStatus
from trimtab.ports import Store
from trimtab.runtime.catalog import Catalog
from trimtab.runtime.views import View


@dataclass(frozen=True, slots=True, kw_only=True)
class _Index:
    """What follows from all views of one moment. ``waves``: by repository, where it has more than one."""

    generation: int
    leaning: Mapping[AppKey, tuple[AppKey, ...]]
    waves: Mapping[str, tuple[tuple[int, AppKey], ...]]
    leaving: tuple[AppKey, ...]


class Order:
    """Reads the catalog and the store; remembers only what the catalog of this very moment says."""

    def __init__(self, catalog: Catalog, store: Store) -> None:
        self._catalog = catalog
        self._store = store
        self._index = _Index(generation=-1, leaning={}, waves={}, leaving=())

    def waits_for(self, key: AppKey, *, among: Collection[AppKey] | None = None) -> str:
        """The first thing that has to happen before ``key`` is changed, as a sentence; "" when nothing has to.

        ``among``: only these are waited for; None: all.
        """
        view = self._catalog.view(key)
        if view is None:
            return ""
        if view.removed:
            leaving = [other for other in self._after(key) if self._leaves(other)]
            return f"is removed after {leaving[0]}, which depends on it" if leaving else ""
        for other in view.depends_on:
            if (among is None or other in among) and (why := self._not_ready(other)):
                return f"waits for {other} {why}"
        for wave, other in self._waves_of(key):
            if wave >= view.wave or self._leaves(other) or (among is not None and other not in among):
                continue
            if why := self._not_ready(other):
                return f"waits for {other} of wave {wave} {why}"
        return ""

    def wakes(self, key: AppKey) -> tuple[AppKey, ...]:
        """Those that wait for ``key`` in one way or another: to be told when it is ready, or gone."""
        # Who is gone has no place any more; those that leave with it are few.
        return self._after(key) if self._catalog.view(key) is not None else self._now().leaving

    def _after(self, key: AppKey) -> tuple[AppKey, ...]:
        """Who goes after ``key``."""
        view = self._catalog.view(key)
        own = view.wave if view is not None else 0
        later = {other for wave, other in self._waves_of(key) if wave > own}
        return tuple(sorted(later.union(self._now().leaning.get(key, ()))))

    def _leaves(self, key: AppKey) -> bool:
        view = self._catalog.view(key)
        return view is not None and view.removed

    def _waves_of(self, key: AppKey) -> tuple[tuple[int, AppKey], ...]:
        owner = self._catalog.owner(key)
        return self._now().waves.get(owner.id, ()) if owner is not None else ()

    def _now(self) -> _Index:
        if self._index.generation != (generation := self._catalog.generation):
            self._index = self._indexed(generation, self._catalog.views())
        return self._index

    def _indexed(self, generation: int, views: Iterable[View]) -> _Index:
        leaning: dict[AppKey, list[AppKey]] = defaultdict(list)
        waves: dict[str, list[tuple[int, AppKey]]] = defaultdict(list)
        leaving = []
        for view in views:
            for needed in view.depends_on:
                leaning[needed].append(view.key)
            owner = self._catalog.owner(view.key)
            waves[owner.id if owner is not None else ""].append((view.wave, view.key))
            if view.removed:
                leaving.append(view.key)
        return _Index(
            generation=generation,
            leaning={key: tuple(keys) for key, keys in leaning.items()},
            waves={of: tuple(sorted(has)) for of, has in waves.items() if len({wave for wave, _ in has}) > 1},
            leaving=tuple(leaving),
        )

    def _not_ready(self, key: AppKey) -> str:
        view, state, status = self._catalog.view(key), self._store.applied.get(key), self._store.statuses.get(key)
        if status is None or status.health is not HealthStatus.HEALTHY or status.sync is SyncStatus.UNKNOWN:
            said = status.message if status is not None and status.health is HealthStatus.DEGRADED else ""
            return "to be healthy" + (f", which is Degraded: {said}" if said else "")
        # A commit may have changed both: what is healthy has to be the newest.
        if view is None or (state.desired_revision == view.revision and state.applied_digest == state.desired_digest):
            return ""
        if state.failed_digest and state.failed_digest == state.desired_digest:
            return f"to be synced, whose newest commit failed: {state.failed_reason}"
        return "to be synced" + (f", which {status.message}" if status.message.startswith("waits") else "")
