"""The engine's objects as one ``ObservedState``; nothing is computed again that did not change."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from trimtab.backends.engine.adoptions import as_adopted
from trimtab.backends.engine.cache import EngineCache
from trimtab.backends.engine.items import HANDOVER, Item
from trimtab.backends.engine.labels import HANDED_TO
from trimtab.backends.engine.live import labels_of, live_container, live_network, live_volume, weigh
from trimtab.backends.engine.normalise import Names
from trimtab.model.keys import AppKey, Kind, ResourceKey
from trimtab.model.observed import EngineFacts, Live, ObservedState, Own
from trimtab.plan.canonical import canonical_json, fingerprint

# A volume of this name beside a content volume: its filling was begun and not finished.
FILLING_SUFFIX = ".filling"


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
        self._states: dict[tuple[AppKey | None, tuple[str, ...]], tuple[int, ObservedState]] = {}

    def observe(self, app: AppKey | None, images: Sequence[str], *, fresh: bool) -> ObservedState:
        """One look; from what is known unless ``fresh``."""
        taken_at = self._now()
        refs = tuple(sorted(set(images)))
        facts = self._facts()
        self._cache.refresh(fresh=fresh)
        ids = {ref: self._cache.image_id(ref) for ref in refs}
        with self._lock:
            version = self._cache.version
            known = self._states.get((app, refs))
            if known is not None and known[0] == version and known[1].images == ids and known[1].facts is facts:
                return replace(known[1], taken_at=taken_at)
            state = self._assemble(app, ids, facts, taken_at)
            self._states = {k: v for k, v in self._states.items() if k[0] != app}
            self._states[app, refs] = (version, state)
            return state

    def _assemble(
        self, app: AppKey | None, images: Mapping[str, str], facts: EngineFacts, taken_at: datetime
    ) -> ObservedState:
        items = self._cache.items()
        mine = [item for item in items if item.key is not None and (app is None or item.key.app == app)]
        names = _names(items)
        # What another application of ours has is no more this one's than a stranger's: its names are taken, and it is
        # there for those who declare it external.
        others = [i for i in items if not i.housekeeping and (i.key is None or (app is not None and i.key.app != app))]
        foreign = {(i.kind, i.name): i.handle for i in others}
        strangers, users = _strangers(items), _volume_users(items)
        filling = {i.name.removesuffix(FILLING_SUFFIX) for i in items if i.housekeeping == "filling"}
        live: dict[ResourceKey, list[Live]] = defaultdict(list)
        weights: list[str] = []
        for item in mine:
            if item.key is None:
                continue
            detail: object = None
            if item.kind is Kind.CONTAINER:
                detail = self._cache.stopped_by_request(item.handle)
            elif item.kind is Kind.NETWORK:
                detail = strangers.get(item.name, ())
            elif item.key.kind is Kind.VOLUME:
                others_use = tuple(sorted(name for app_, name in users.get(item.name, ()) if app_ != item.key.app))
                detail = (item.name in filling, others_use)
            elif item.name in filling:
                detail = "filling"
            read = self._live(item, item.key, names[item.key.app], detail, facts)
            live[item.key].append(read.live)
            # No plan depends on the runs of jobs, and they come and go every minute.
            if item.key.kind is not Kind.JOB:
                weights.append(read.weight)
        self._read = {k: v for k, v in self._read.items() if self._cache.find(*k) is not None}
        taken = sorted(
            f"{kind}/{name}"
            for kind, name in {(i.kind, i.name) for i in others if i.key is None}
            if app and name.startswith((f"{app.project}-", f"{app.project}_"))
        )
        own = self._own()
        if own is not None and any(_hands_over_to(item, own.handle) for item in items):
            own = replace(own, helped=True)
            weights.append("handover")
        return ObservedState(
            target=self._target,
            taken_at=taken_at,
            live={key: tuple(sorted(live[key], key=lambda one: (one.name, one.handle))) for key in sorted(live)},
            digest=fingerprint(self._secret_key, canonical_json([sorted(weights), taken, dict(images)])),
            foreign=foreign,
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


def _hands_over_to(item: Item, handle: str) -> bool:
    # What is only known from a list has its labels elsewhere.
    labels = item.inspect.get("Labels") or labels_of(Kind.CONTAINER, item.inspect)
    return item.housekeeping == HANDOVER and labels.get(HANDED_TO) == handle


def _names(items: Sequence[Item]) -> Mapping[AppKey, Names]:
    """How the ids of each application's objects read in its specs."""
    services: dict[AppKey, dict[str, str]] = defaultdict(dict)
    contents: dict[AppKey, dict[str, str]] = defaultdict(dict)
    networks = {item.handle: item.name for item in items if item.kind is Kind.NETWORK}
    apps: set[AppKey] = set()
    for item in items:
        if item.key is None:
            continue
        apps.add(item.key.app)
        if item.key.kind is Kind.CONTAINER:
            services[item.key.app] |= {item.handle: item.key.name, item.name: item.key.name}
        elif item.key.kind is Kind.CONTENT:
            contents[item.key.app][item.name] = str(item.inspect.get("Mountpoint") or "")
    return {app: Names(services=services[app], contents=contents[app], networks=networks) for app in sorted(apps)}


def _volume_users(items: Sequence[Item]) -> Mapping[str, frozenset[tuple[AppKey | None, str]]]:
    """Whose containers, and which, mount a volume, by its name; those that only look into one do not count."""
    found: dict[str, set[tuple[AppKey | None, str]]] = defaultdict(set)
    for item in items:
        if item.kind is Kind.CONTAINER and not item.housekeeping:
            for mount in item.inspect.get("Mounts") or ():
                if mount.get("Type") == "volume" and mount.get("Name"):
                    found[str(mount["Name"])].add((item.key.app if item.key else None, item.name))
    return {volume: frozenset(users) for volume, users in found.items()}


def _strangers(items: Sequence[Item]) -> Mapping[str, tuple[str, ...]]:
    """Names of containers that are not ours, by the networks they are attached to."""
    found: dict[str, list[str]] = defaultdict(list)
    for item in items:
        if item.kind is Kind.CONTAINER and item.key is None:
            for network in item.networks:
                found[network].append(item.name)
    return {network: tuple(sorted(found[network])) for network in found}
