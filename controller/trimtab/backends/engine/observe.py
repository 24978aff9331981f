"""The engine's objects as one ``ObservedState``; nothing is computed again that did not change."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from trimtab.backends.engine import addresses
from trimtab.backends.engine.adoptions import as_adopted
from trimtab.backends.engine.cache import EngineCache
from trimtab.backends.engine.inventory import Foreign, Inventory, inventory
from trimtab.backends.engine.items import Item
from trimtab.backends.engine.live import live_container, live_network, live_volume, weigh
from trimtab.backends.engine.normalise import Names
from trimtab.model.keys import AppKey, Kind, ResourceKey
from trimtab.model.observed import EngineFacts, Live, ObservedState, Own
from trimtab.plan.canonical import canonical_json, fingerprint


@dataclass(frozen=True, slots=True)
class _Read:
    """A Live with all that it was made from."""

    item: Item
    names: Names
    detail: object
    live: Live
    weight: str


class Observer:
    """Looks at the engine through the cache. ``now`` is the clock; ``secret_key`` keys the digests."""

    def __init__(
        self,
        cache: EngineCache,
        *,
        target: str,
        facts: Callable[[], EngineFacts],
        secret_key: bytes,
        now: Callable[[], datetime],
        own: Callable[[], Own | None] = lambda: None,
    ) -> None:
        self._cache = cache
        self._target = target
        self._facts = facts
        self._secret_key = secret_key
        self._now = now
        self._own = own
        self._lock = threading.Lock()
        self._read: dict[tuple[Kind, str], _Read] = {}
        self._states: dict[AppKey | None, tuple[tuple[str, ...], int, ObservedState]] = {}
        self._inventory: Inventory | None = None

    def observe(self, app: AppKey | None, images: Sequence[str], *, fresh: bool) -> ObservedState:
        """One look; from what is known unless ``fresh``."""
        taken_at = self._now()
        refs = tuple(sorted(set(images)))
        facts = self._facts()
        self._cache.refresh(fresh=fresh)
        ids = {ref: self._cache.image_id(ref) for ref in refs}
        with self._lock:
            there = self._there()
            foreign = Foreign(there.named, app)
            known = self._states.get(app)
            if known is not None and known[:2] == (refs, there.version):
                state = known[2]
                if state.images == ids and state.facts is facts:
                    return replace(state, taken_at=taken_at, foreign=foreign)
            state = self._assemble(app, there, ids, facts, taken_at)
            # Without what all have in common: a state that is kept would keep all there was at its moment.
            self._states[app] = (refs, there.version, state)
            return replace(state, foreign=foreign)

    def _there(self) -> Inventory:
        """What there is, sorted out again when anything has changed."""
        version = self._cache.version
        if self._inventory is None or self._inventory.version != version:
            items = self._cache.items()
            self._inventory = inventory(version, items, self._inventory)
            there = {(item.kind, item.handle) for item in items}
            self._read = {where: read for where, read in self._read.items() if where in there}
        return self._inventory

    def _assemble(
        self,
        app: AppKey | None,
        there: Inventory,
        images: Mapping[str, str],
        facts: EngineFacts,
        taken_at: datetime,
    ) -> ObservedState:
        live: dict[ResourceKey, list[Live]] = defaultdict(list)
        weights: list[str] = []
        for item in there.of(app):
            if item.key is None:
                continue
            detail: object = None
            if item.kind is Kind.CONTAINER:
                detail = self._cache.stopped_by_request(item.handle)
            elif item.kind is Kind.NETWORK:
                detail = there.strangers.get(item.name, ())
            elif item.key.kind is Kind.VOLUME:
                users = there.users.get(item.name, ())
                others_use = tuple(sorted(name for owner, name in users if owner != item.key.app))
                detail = (item.name in there.filling, others_use)
            elif item.name in there.filling:
                detail = "filling"
            read = self._live(item, item.key, there.names[item.key.app], detail, facts)
            live[item.key].append(read.live)
            # No plan depends on the runs of jobs, and they come and go every minute.
            if item.key.kind is not Kind.JOB:
                weights.append(read.weight)
        weights += addresses.weights(one for ones in live.values() for one in ones)
        own = self._own()
        if own is not None and own.handle in there.handed_to:
            own = replace(own, helped=True)
            weights.append("handover")
        return ObservedState(
            target=self._target,
            taken_at=taken_at,
            live={key: tuple(sorted(live[key], key=lambda one: (one.name, one.handle))) for key in sorted(live)},
            digest=fingerprint(self._secret_key, canonical_json([sorted(weights), there.taken(app), dict(images)])),
            images=images,
            facts=facts,
            own=own,
        )

    def _live(self, item: Item, key: ResourceKey, names: Names, detail: object, facts: EngineFacts) -> _Read:
        known = self._read.get((item.kind, item.handle))
        if known is not None and known.item is item and known.detail == detail and known.names == names:
            return known
        match item.kind:
            case Kind.CONTAINER:
                image = self._cache.image(str(item.inspect.get("Image") or ""))
                stopped = detail if isinstance(detail, bool) else None
                live = live_container(key, item.inspect, image, names=names, facts=facts, stopped_by_request=stopped)
            case Kind.NETWORK:
                endpoints = detail if isinstance(detail, tuple) else ()
                live = replace(live_network(key, item.inspect), endpoints=endpoints)
            case _:
                unfinished, others_use = detail if isinstance(detail, tuple) else (detail == "filling", ())
                live = replace(live_volume(key, item.inspect, complete=not unfinished), endpoints=others_use)
        if item.adopted is not None:
            # Whatever its labels say: they are not ours.
            live = as_adopted(live, item.adopted)
        read = _Read(item, names, detail, live, weigh(live, self._secret_key))
        self._read[item.kind, item.handle] = read
        return read
