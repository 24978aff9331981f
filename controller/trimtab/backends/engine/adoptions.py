"""Objects that were taken over as they are: their labels cannot be changed, so a sealed record says that they are ours.

A record is an empty volume whose labels list what one adoption took over. Labels of a volume never change, creating
one is atomic, and it is part of every look at the engine: whoever has the installation's key knows what was adopted,
with or without a database. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from trimtab.backends.engine.labels import APP, INSTALLATION, KIND, NAMESPACE, PREFIX, REVISION, SEAL, seal
from trimtab.model.keys import AppKey, Kind, ResourceKey
from trimtab.model.observed import Live
from trimtab.model.untyped import mapping, members, section
from trimtab.plan.canonical import canonical_json, fingerprint

RECORD = "adopted"
OBJECTS = PREFIX + "adopted"
_NAME_DIGITS = 16
Place = tuple[Kind, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """One object that was taken over: ``handle`` is its id, for a volume its name; ``name`` what it was called then.

    ``digest`` is that of the specification which it matched then, "" if it matched none. ``witness`` tells a volume
    from another one of the same name.
    """

    key: ResourceKey
    handle: str
    name: str
    digest: str = ""
    revision: str = ""
    witness: str = ""

    @property
    def place(self) -> Place:
        """Where the engine keeps it."""
        return self.key.kind, self.handle


def witness_of(inspect: Mapping[str, Any], seal_key: bytes) -> str:
    """What never changes about a volume. Its creation time does: before 25.0 each write to its root moves it."""
    fixed = [
        inspect.get("Driver"),
        inspect.get("Options") or {},
        inspect.get("Labels") or {},
        inspect.get("Mountpoint"),
    ]
    return fingerprint(seal_key, canonical_json(fixed))


def as_adopted(live: Live, adopted: Adopted) -> Live:
    """An object as it is looked after by its record, whatever its labels say, which are not ours."""
    return replace(live, digest=adopted.digest, revision=adopted.revision, adopted=adopted.name)


def without_aliases(fields: Mapping[str, object], names: set[str]) -> dict[str, object]:
    """A container's fields without these aliases in its networks.

    Tools give a container its name as an alias; the engine resolves its name in any case, and that may change.
    """
    networks = section(fields, "Networks")
    if not networks:
        return dict(fields)
    kept: dict[str, object] = {}
    for network, endpoint in networks.items():
        options = dict(mapping(endpoint))
        given = options.pop("Aliases", ())
        aliases = [alias for alias in members(given) if alias not in names]
        # Empty as it may be, it tells an attachment from none.
        kept[network] = {**options, "Aliases": aliases}
    return {**fields, "Networks": kept}


def record(
    app: AppKey, objects: Iterable[Adopted], *, installation: str, seal_key: bytes, revision: str = ""
) -> tuple[str, dict[str, str]]:
    """Name and labels of the volume that says so."""
    listed = sorted(objects, key=lambda one: (one.key, one.handle))
    entries = [
        {
            "kind": one.key.kind.value,
            "name": one.key.name,
            "replica": one.key.replica,
            "called": one.name,
            "handle": one.handle,
            "digest": one.digest,
            "witness": one.witness,
        }
        for one in listed
    ]
    labels = {
        INSTALLATION: installation,
        KIND: RECORD,
        NAMESPACE: app.namespace,
        APP: app.name,
        OBJECTS: canonical_json(entries),
    }
    labels[SEAL] = seal(labels, seal_key)
    labels[REVISION] = revision
    return _name(labels, installation, seal_key), labels


def read_record(name: str, labels: Mapping[str, str], *, installation: str, seal_key: bytes) -> tuple[Adopted, ...]:
    """What a volume's labels say was adopted; nothing unless seal and name are right."""
    if labels.get(KIND) != RECORD or labels.get(INSTALLATION) != installation:
        return ()
    if not labels.get(SEAL) or labels[SEAL] != seal(labels, seal_key) or name != _name(labels, installation, seal_key):
        return ()
    app = AppKey(labels.get(NAMESPACE, ""), labels.get(APP, ""))
    try:
        return tuple(_entry(app, entry, labels) for entry in json.loads(labels[OBJECTS]))
    except (KeyError, TypeError, ValueError):
        # Sealed by us, and of another version: what it speaks of is left alone.
        return ()


def _entry(app: AppKey, entry: Mapping[str, Any], labels: Mapping[str, str]) -> Adopted:
    return Adopted(
        key=ResourceKey(app, Kind(entry["kind"]), str(entry["name"]), int(entry["replica"])),
        handle=str(entry["handle"]),
        name=str(entry["called"]),
        digest=str(entry["digest"]),
        witness=str(entry["witness"]),
        revision=labels.get(REVISION, ""),
    )


def _name(labels: Mapping[str, str], installation: str, seal_key: bytes) -> str:
    return f"trimtab_{installation}_adopted_{fingerprint(seal_key, labels[SEAL])[:_NAME_DIGITS]}"


class Adoptions:
    """Every record of one engine, by its volume, and what each object is by them."""

    def __init__(self, installation: str, seal_key: bytes) -> None:
        self._installation = installation
        self._seal_key = seal_key
        self._records: dict[str, tuple[Adopted, ...]] = {}
        self._supposed: tuple[Adopted, ...] = ()
        self._places: dict[Place, Adopted] = {}

    def reset(self, volumes: Iterable[Mapping[str, Any]]) -> None:
        """All volumes of the engine, and no other."""
        self._records = {}
        for volume in volumes:
            self._take(str(volume["Name"]), volume.get("Labels") or {})
        self._index()

    def learn(self, name: str, labels: Mapping[str, str]) -> tuple[Place, ...]:
        """A volume as it is now; the objects about which it says something new."""
        before = self._records.get(name, ())
        self._take(name, labels)
        return self._changed(before, self._records.get(name, ()))

    def forget(self, name: str) -> tuple[Place, ...]:
        """The volume is gone; the objects that it spoke of."""
        return self._changed(self._records.pop(name, ()), ())

    def suppose(self, objects: Sequence[Adopted]) -> None:
        """Count these as adopted, for this process and until told otherwise: what a plan would be after an adoption."""
        self._supposed = tuple(objects)
        self._index()

    def of(self, kind: Kind, handle: str, inspect: Mapping[str, Any]) -> Adopted | None:
        """What an object was adopted as; None for one that never was."""
        found = self._places.get((kind, handle))
        if found is not None and kind is Kind.VOLUME and found.witness != witness_of(inspect, self._seal_key):
            return None
        return found

    def spent(self, gone: Place, there: Iterable[Place]) -> tuple[str, ...]:
        """The records that nothing is left of once ``gone`` is."""
        present = frozenset(there) - {gone}
        return tuple(
            name for name in sorted(self._records) if not any(one.place in present for one in self._records[name])
        )

    def _take(self, name: str, labels: Mapping[str, str]) -> None:
        found = read_record(name, labels, installation=self._installation, seal_key=self._seal_key)
        if found:
            self._records[name] = found
        else:
            self._records.pop(name, None)

    def _changed(self, before: tuple[Adopted, ...], after: tuple[Adopted, ...]) -> tuple[Place, ...]:
        if before == after:
            return ()
        self._index()
        return tuple(sorted({one.place for one in (*before, *after)}))

    def _index(self) -> None:
        everything = [one for name in sorted(self._records) for one in self._records[name]]
        # The first word counts, and what is written down before what is supposed.
        self._places = {one.place: one for one in reversed((*everything, *self._supposed))}
