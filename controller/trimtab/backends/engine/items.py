"""One object of the engine as it was read, and whose it is: by labels and name, or by a record of adoption. Pure."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from trimtab.backends.engine.adoptions import RECORD, Adopted, Adoptions
from trimtab.backends.engine.labels import INSTALLATION, KIND
from trimtab.backends.engine.live import labels_of
from trimtab.model.keys import Kind, ResourceKey

Identify = Callable[[Mapping[str, str], str], ResourceKey | None]
MadeFor = Callable[[Mapping[str, str]], ResourceKey | None]
Inspect = Mapping[str, Any]

# Our own bookkeeping on the engine: neither an application's object nor anybody else's.
HANDOVER = "handover"
HOUSEKEEPING = frozenset({HANDOVER, "filler", "filling", "lock", "challenge", "installation", RECORD})


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One object on the engine. ``key`` None: not ours; then ``inspect`` is only a summary.

    ``adopted``: it is ours by a record, and not by its labels.
    """

    kind: Kind
    handle: str
    name: str
    key: ResourceKey | None
    inspect: Inspect
    housekeeping: str = ""
    networks: tuple[str, ...] = ()
    adopted: Adopted | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recogniser:
    """Makes items of what the engine answers.

    ``identify`` tells whose an object is from its labels and name, ``made_for`` from its labels alone: that counts for
    containers whose ids are known to be ``ours``, for those can be renamed, and their labels cannot be changed.
    """

    identify: Identify
    made_for: MadeFor
    installation: str
    adoptions: Adoptions
    ours: set[str] = field(default_factory=set)

    def item(self, kind: Kind, handle: str, name: str, labels: Mapping[str, str], inspect: Inspect) -> Item:
        """One object of which all this is known."""
        role = labels.get(KIND, "")
        housekeeping = role if role in HOUSEKEEPING and labels.get(INSTALLATION) == self.installation else ""
        attached = ((inspect.get("NetworkSettings") or {}).get("Networks") or {}) if kind is Kind.CONTAINER else {}
        key = None if housekeeping else self.identify(labels, name) or self._renamed(handle, labels)
        if kind is Kind.CONTAINER and key is not None:
            self.ours.add(handle)
        adopted = None if housekeeping or key is not None else self.adoptions.of(kind, handle, inspect)
        return Item(
            kind=kind,
            handle=handle,
            name=name,
            key=adopted.key if adopted is not None else key,
            adopted=adopted,
            inspect=inspect,
            housekeeping=housekeeping,
            networks=tuple(sorted(attached)),
        )

    def _renamed(self, handle: str, labels: Mapping[str, str]) -> ResourceKey | None:
        key = self.made_for(labels) if handle in self.ours else None
        return key if key is not None and key.kind is Kind.CONTAINER else None

    def inspected(self, kind: Kind, handle: str, inspect: Inspect) -> Item:
        """One that was inspected by itself."""
        return self.item(kind, handle, str(inspect["Name"]).lstrip("/"), labels_of(kind, inspect), inspect)

    def listed_container(self, summary: Inspect) -> Item:
        """A container as a list has it."""
        # A container that is linked to has the other's path as a further name.
        name = next((n[1:] for n in summary["Names"] if n.count("/") == 1), summary["Names"][0].lstrip("/"))
        return self.item(Kind.CONTAINER, summary["Id"], name, summary.get("Labels") or {}, summary)

    def listed(self, kind: Kind, handle: str, found: Inspect) -> Item:
        """A network or volume as a list has it, which is all that there is to know."""
        return self.item(kind, handle, found["Name"], found.get("Labels") or {}, found)


def kept_once(value: Any) -> Any:
    """The same with every name and text kept once: containers say mostly the same, in 7 kB each."""
    match value:
        case dict():
            return {sys.intern(name): kept_once(item) for name, item in value.items()}
        case list():
            return [kept_once(item) for item in value]
        case str():
            return sys.intern(value)
        case _:
            return value
