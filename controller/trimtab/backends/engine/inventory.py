"""All objects of the engine at one moment, sorted out once for every application that is looked at then. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from trimtab.backends.engine.items import HANDOVER, Item
from trimtab.backends.engine.labels import HANDED_TO
from trimtab.backends.engine.live import labels_of
from trimtab.backends.engine.normalise import Names
from trimtab.model.keys import AppKey, Kind

# A volume of this name beside a content volume: its filling was begun and not finished.
FILLING_SUFFIX = ".filling"

Owned = tuple[str, AppKey | None]


class Foreign(Mapping[tuple[Kind, str], str]):
    """Ids of what is not one application's, by kind and name. What all have in common is not copied for each."""

    __slots__ = ("_app", "_named")

    def __init__(self, named: Mapping[tuple[Kind, str], tuple[Owned, ...]], app: AppKey | None) -> None:
        """``app`` None: what is nobody's of ours."""
        self._named = named
        self._app = app

    def __getitem__(self, name: tuple[Kind, str]) -> str:
        """Of several of one name, which networks may have, any."""
        for handle, owner in reversed(self._named[name]):
            if self._others(owner):
                return handle
        raise KeyError(name)

    def __iter__(self) -> Iterator[tuple[Kind, str]]:
        return (name for name, found in self._named.items() if any(self._others(owner) for _, owner in found))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _others(self, owner: AppKey | None) -> bool:
        # What another application of ours has is no more this one's than a stranger's: its names are taken, and it is
        # there for those who declare it external.
        return owner is None or (self._app is not None and owner != self._app)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """Who has what.

    ``strangers``: names of containers that are not ours, by the networks they are attached to. ``users``: whose
    containers, and which, mount a volume, by its name. ``filling``: content volumes whose filling is not over.
    """

    version: int
    by_app: Mapping[AppKey, tuple[Item, ...]]
    names: Mapping[AppKey, Names]
    named: Mapping[tuple[Kind, str], tuple[Owned, ...]]
    strangers: Mapping[str, tuple[str, ...]]
    users: Mapping[str, frozenset[tuple[AppKey | None, str]]]
    filling: frozenset[str]
    handed_to: frozenset[str]
    unowned: tuple[tuple[str, str], ...]

    def of(self, app: AppKey | None) -> Sequence[Item]:
        """An application's objects, or those of all."""
        if app is not None:
            return self.by_app.get(app, ())
        return tuple(item for key in sorted(self.by_app) for item in self.by_app[key])

    def taken(self, app: AppKey | None) -> list[str]:
        """What strangers have that is named as an application's objects are, as ``kind/name``, sorted."""
        found = []
        for prefix in (f"{app.project}-", f"{app.project}_") if app is not None else ():
            at = bisect_left(self.unowned, (prefix, ""))
            while at < len(self.unowned) and self.unowned[at][0].startswith(prefix):
                name, kind = self.unowned[at]
                found.append(f"{kind}/{name}")
                at += 1
        return sorted(found)


def inventory(version: int, items: Sequence[Item], before: Inventory | None) -> Inventory:
    """Sort ``items`` out; what is as it was ``before`` is the same object, so that comparing it costs nothing."""
    by_app: dict[AppKey, list[Item]] = defaultdict(list)
    named: dict[tuple[Kind, str], tuple[Owned, ...]] = {}
    for item in items:
        if item.key is not None:
            by_app[item.key.app].append(item)
        if not item.housekeeping:
            owned = (item.handle, item.key.app if item.key is not None else None)
            named[item.kind, item.name] = (*named.get((item.kind, item.name), ()), owned)
    networks: Mapping[str, str] = {item.handle: item.name for item in items if item.kind is Kind.NETWORK}
    for names in before.names.values() if before is not None else ():
        if names.networks == networks:
            networks = names.networks
        # It is one object for all of them.
        break
    return Inventory(
        version=version,
        by_app={app: tuple(found) for app, found in by_app.items()},
        names={app: _names(found, networks) for app, found in by_app.items()},
        named=named,
        strangers=_strangers(items),
        users=_volume_users(items),
        filling=frozenset(i.name.removesuffix(FILLING_SUFFIX) for i in items if i.housekeeping == "filling"),
        handed_to=frozenset(_handed_to(item) for item in items if item.housekeeping == HANDOVER),
        unowned=tuple(
            sorted((item.name, str(item.kind)) for item in items if item.key is None and not item.housekeeping)
        ),
    )


def _handed_to(item: Item) -> str:
    state = item.inspect.get("State") or {}
    if (state if isinstance(state, str) else state.get("Status")) == "exited":
        # One that a person stopped does not go on: it is not waited for.
        return ""
    # What is only known from a list has its labels elsewhere.
    labels = item.inspect.get("Labels") or labels_of(Kind.CONTAINER, item.inspect)
    return str(labels.get(HANDED_TO, ""))


def _names(items: Sequence[Item], networks: Mapping[str, str]) -> Names:
    """How the ids of an application's objects read in its specs."""
    services: dict[str, str] = {}
    contents: dict[str, str] = {}
    for item in items:
        if item.key is not None and item.key.kind is Kind.CONTAINER:
            services |= {item.handle: item.key.name, item.name: item.key.name}
        elif item.key is not None and item.key.kind is Kind.CONTENT:
            contents[item.name] = str(item.inspect.get("Mountpoint") or "")
    return Names(services=services, contents=contents, networks=networks)


def _volume_users(items: Sequence[Item]) -> Mapping[str, frozenset[tuple[AppKey | None, str]]]:
    """Those that only look into a volume do not count."""
    found: dict[str, set[tuple[AppKey | None, str]]] = defaultdict(set)
    for item in items:
        if item.kind is Kind.CONTAINER and not item.housekeeping:
            for mount in item.inspect.get("Mounts") or ():
                if mount.get("Type") == "volume" and mount.get("Name"):
                    found[str(mount["Name"])].add((item.key.app if item.key else None, item.name))
    return {volume: frozenset(users) for volume, users in found.items()}


def _strangers(items: Sequence[Item]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, list[str]] = defaultdict(list)
    for item in items:
        if item.kind is Kind.CONTAINER and item.key is None:
            for network in item.networks:
                found[network].append(item.name)
    return {network: tuple(sorted(found[network])) for network in found}
