"""What is known of the engine's objects, kept current by events: a look costs calls only for what changed.

Three rules keep it honest. A mark is cleared before its object is read, so a change during the reading is
read again. What a step did is marked by the step itself, so one reads one's own writes before their events
come. And whenever the event stream was interrupted, nothing that is known counts.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trimtab.backends.engine.adoptions import RECORD, Adopted, Adoptions, Place
from trimtab.backends.engine.errors import Missing
from trimtab.backends.engine.events import RawEvent
from trimtab.backends.engine.labels import INSTALLATION, KIND
from trimtab.backends.engine.live import labels_of
from trimtab.model.keys import AppKey, Kind, ResourceKey

if TYPE_CHECKING:
    from trimtab.backends.engine.client import EngineClient

Identify = Callable[[Mapping[str, str], str], ResourceKey | None]
Inspect = Mapping[str, Any]

# Our own bookkeeping on the engine: neither an application's object nor anybody else's.
HANDOVER = "handover"
HOUSEKEEPING = frozenset({HANDOVER, "filler", "filling", "lock", "challenge", "installation", RECORD})
_KINDS = {"container": Kind.CONTAINER, "network": Kind.NETWORK, "volume": Kind.VOLUME}
_PATHS = {Kind.CONTAINER: "/containers/{}/json", Kind.NETWORK: "/networks/{}", Kind.VOLUME: "/volumes/{}"}
# A full look's inspects at the same time; the engine answers a few of them in the time of one.
INSPECTS = 4
# Signals that end a program that does not say otherwise: INT, QUIT, KILL, TERM.
_ENDING = frozenset({"2", "3", "9", "15"})


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


class EngineCache:
    """Every object of the engine. ``identify`` tells whose an object is from its labels and name."""

    def __init__(self, client: EngineClient, identify: Identify, installation: str, adoptions: Adoptions) -> None:
        self._client = client
        self._identify = identify
        self._adoptions = adoptions
        self._installation = installation
        self._reading = threading.Lock()
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._items: dict[tuple[Kind, str], Item] = {}
        self._dirty: set[tuple[Kind, str]] = set()
        self._whole = False
        self._listening = False
        self._images: dict[str, Mapping[str, Any]] = {}
        self._refs: dict[str, str] = {}
        self._killed: set[str] = set()
        self._stopped: dict[str, bool] = {}
        self._touched: dict[str, int] = {}
        self.version = 0

    # --- what is known -----------------------------------------------------------------------------------------------

    def items(self) -> tuple[Item, ...]:
        """Every object, ordered by kind and handle."""
        with self._lock:
            return tuple(self._items[k] for k in sorted(self._items))

    def find(self, kind: Kind, handle: str) -> Item | None:
        """One object, as known."""
        with self._lock:
            return self._items.get((kind, handle))

    def stopped_by_request(self, handle: str) -> bool | None:
        """Whether an API call ended the container's last run; None when no event told."""
        with self._lock:
            return self._stopped.get(handle)

    def image(self, image_id: str) -> Mapping[str, Any] | None:
        """An image's inspect, asked once, for ever; None when it is gone."""
        if image_id not in self._images:
            try:
                inspect = self._client.call("GET", f"/images/{image_id}/json", what="inspect image", key=image_id)
            except Missing:
                return None
            # All but what is used would be kept for ever too.
            self._images[image_id] = _image_facts(inspect)
        return self._images[image_id]

    def image_id(self, ref: str) -> str:
        """The id of the image that ``ref`` names now; "" when there is none."""
        with self._lock:
            if self._listening and ref in self._refs:
                return self._refs[ref]
            before = self.version
        try:
            inspect = self._client.call("GET", f"/images/{ref}/json", what="inspect image", key=ref)
        except Missing:
            found = ""
        else:
            found = str(inspect["Id"])
            self._images.setdefault(found, _image_facts(inspect))
        with self._lock:
            if self.version == before:
                self._refs[ref] = found
        return found

    # --- looking -----------------------------------------------------------------------------------------------------

    def refresh(self, *, fresh: bool = False) -> None:
        """Make what is known current: nothing to do, a few inspects, or a full look."""
        with self._reading:
            with self._lock:
                known = self._whole and self._listening and not fresh
                todo = sorted(self._dirty)
                self._dirty.clear()
            try:
                if known:
                    for kind, handle in todo:
                        self._read(kind, handle)
                else:
                    self._look()
            except BaseException:
                with self._lock:
                    self._whole = self._whole and known
                    self._dirty.update(todo)
                raise

    def _look(self) -> None:
        containers = self._client.call("GET", "/containers/json", what="list containers", params={"all": "1"})
        networks = self._client.call("GET", "/networks", what="list networks")
        volumes = self._client.call("GET", "/volumes", what="list volumes").get("Volumes") or []
        found: dict[tuple[Kind, str], Item] = {}
        self._adoptions.reset(volumes)
        listed = [self._listed(summary) for summary in containers]
        inspects = self._inspect_all([item.handle for item in listed if item.key is not None])
        for item in listed:
            if item.key is None:
                found[Kind.CONTAINER, item.handle] = item
            elif (inspect := inspects[item.handle]) is not None:
                name, labels = inspect["Name"].lstrip("/"), labels_of(Kind.CONTAINER, inspect)
                found[Kind.CONTAINER, item.handle] = self._item(Kind.CONTAINER, item.handle, name, labels, inspect)
        for network in networks:
            found[Kind.NETWORK, network["Id"]] = self._item(
                Kind.NETWORK, network["Id"], network["Name"], network.get("Labels") or {}, network
            )
        for volume in volumes:
            found[Kind.VOLUME, volume["Name"]] = self._item(
                Kind.VOLUME, volume["Name"], volume["Name"], volume.get("Labels") or {}, volume
            )
        with self._lock:
            self._items = found
            self._whole = True
            self.version += 1
            handles = {handle for kind, handle in found if kind is Kind.CONTAINER}
            self._stopped = {h: v for h, v in self._stopped.items() if h in handles}
            self._touched = {h: v for h, v in self._touched.items() if h in handles}

    def _listed(self, summary: Inspect) -> Item:
        # A container that is linked to has the other's path as a further name.
        name = next((n[1:] for n in summary["Names"] if n.count("/") == 1), summary["Names"][0].lstrip("/"))
        return self._item(Kind.CONTAINER, summary["Id"], name, summary.get("Labels") or {}, summary)

    def _inspect_all(self, handles: Sequence[str]) -> Mapping[str, Inspect | None]:
        """By container, None for one that is gone meanwhile. Several at once: most of the time goes by on the way."""

        def inspect(handle: str) -> Inspect | None:
            try:
                return self._inspect(Kind.CONTAINER, handle)
            except Missing:
                return None

        if len(handles) <= INSPECTS:
            return {handle: inspect(handle) for handle in handles}
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(INSPECTS, thread_name_prefix="engine-look") as pool:
            return dict(zip(handles, pool.map(inspect, handles), strict=True))

    def _read(self, kind: Kind, handle: str) -> None:
        try:
            inspect = self._inspect(kind, handle)
        except Missing:
            with self._lock:
                if self._items.pop((kind, handle), None) is not None:
                    self.version += 1
            self._follow(self._adoptions.forget(handle) if kind is Kind.VOLUME else ())
            return
        item = self._item(kind, handle, str(inspect["Name"]).lstrip("/"), labels_of(kind, inspect), inspect)
        with self._lock:
            self._items[kind, handle] = item
            self.version += 1
        self._follow(self._adoptions.learn(handle, labels_of(kind, inspect)) if kind is Kind.VOLUME else ())

    def _follow(self, places: tuple[Place, ...]) -> None:
        """Read again what a record speaks of, now that it says something else."""
        for kind, handle in places:
            self._read(kind, handle)

    def _inspect(self, kind: Kind, handle: str) -> Inspect:
        inspect: Inspect = _kept_once(
            self._client.call("GET", _PATHS[kind].format(handle), what=f"inspect {kind.value}", key=handle)
        )
        return inspect

    def _item(self, kind: Kind, handle: str, name: str, labels: Mapping[str, str], inspect: Inspect) -> Item:
        role = labels.get(KIND, "")
        housekeeping = role if role in HOUSEKEEPING and labels.get(INSTALLATION) == self._installation else ""
        attached = ((inspect.get("NetworkSettings") or {}).get("Networks") or {}) if kind is Kind.CONTAINER else {}
        key = None if housekeeping else self._identify(labels, name)
        adopted = None if housekeeping or key is not None else self._adoptions.of(kind, handle, inspect)
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

    def suppose(self, objects: tuple[Adopted, ...]) -> None:
        """Look as if these had been adopted."""
        with self._reading:
            self._adoptions.suppose(objects)
            with self._lock:
                self._whole = False
                self.version += 1

    def spent_records(self, gone: Place) -> tuple[str, ...]:
        """Volumes of adoption records that nothing is left of once ``gone`` is."""
        with self._lock:
            return self._adoptions.spent(gone, tuple(self._items))

    # --- being told --------------------------------------------------------------------------------------------------

    def connected(self) -> None:
        """Events flow from now on; what happened before is not known."""
        with self._changed:
            self._listening = True
            self._whole = False
            self._refs.clear()
            self._stopped.clear()
            self._killed.clear()
            self.version += 1
            self._notify()

    def disconnected(self) -> None:
        """Events no longer come, so nothing that is known counts."""
        with self._changed:
            self._listening = False
            self._whole = False
            self._refs.clear()
            self._notify()

    def touch(self, kind: Kind, handle: str) -> None:
        """We changed this object ourselves."""
        with self._changed:
            self._dirty.add((kind, handle))
            self.version += 1

    def touch_images(self) -> None:
        """We changed what a reference may name."""
        with self._lock:
            self._refs.clear()
            self.version += 1

    def handle(self, event: RawEvent) -> tuple[bool, AppKey | None, str]:
        """Take an event; (whether it concerns us, whose it is, the object's name)."""
        with self._changed:
            match event.kind:
                case "container":
                    told = self._container_event(event)
                case "network" if event.action in {"connect", "disconnect"}:
                    told = self._endpoint_event(event)
                case "network" | "volume":
                    told = self._object_event(event)
                case "image":
                    self._refs.clear()
                    self.version += 1
                    told = (False, None, event.attributes.get("name", event.handle))
                case _:
                    told = (False, None, "")
            self._notify()
            return told

    def _container_event(self, event: RawEvent) -> tuple[bool, AppKey | None, str]:
        known = self._items.get((Kind.CONTAINER, event.handle))
        name = event.attributes.get("name", "")
        key = self._identify(event.attributes, name) or (known.key if known else None)
        housekeeping = bool(known and known.housekeeping) or event.attributes.get(KIND, "") in HOUSEKEEPING
        if event.action == "destroy" and known is not None:
            del self._items[Kind.CONTAINER, event.handle]
            self.version += 1
        if key is not None:
            self._mark(Kind.CONTAINER, event.handle)
            self._ending(event)
            # A reference to this container reads differently once it is another one.
            if event.action in {"create", "destroy", "rename"}:
                self.version += 1
            return True, key.app, name
        if event.action in {"create", "rename"} and not housekeeping:
            self._mark(Kind.CONTAINER, event.handle)
        return False, None, name

    def _ending(self, event: RawEvent) -> None:
        """Tell a stop that was asked for from one that happened: an asked one has a kill event first."""
        match event.action:
            case "kill" if event.attributes.get("signal") in _ENDING:
                self._killed.add(event.handle)
            case "die":
                self._stopped[event.handle] = event.handle in self._killed
                self._killed.discard(event.handle)
            case "stop":
                self._stopped[event.handle] = True
            case "start":
                self._stopped.pop(event.handle, False)
                self._killed.discard(event.handle)
            case "destroy":
                self._stopped.pop(event.handle, False)
                self._killed.discard(event.handle)
            case _:
                pass

    def _endpoint_event(self, event: RawEvent) -> tuple[bool, AppKey | None, str]:
        """These carry no labels; the container's id is an attribute."""
        container = event.attributes.get("container", "")
        name = event.attributes.get("name", "")
        known = self._items.get((Kind.CONTAINER, container))
        network = self._items.get((Kind.NETWORK, event.handle))
        key = known.key if known is not None and known.key is not None else (network.key if network else None)
        if key is None and (Kind.CONTAINER, container) not in self._dirty:
            return False, None, name
        self._mark(Kind.CONTAINER, container)
        return key is not None, key.app if key else None, name

    def _object_event(self, event: RawEvent) -> tuple[bool, AppKey | None, str]:
        kind = _KINDS[event.kind]
        known = self._items.get((kind, event.handle))
        name = event.attributes.get("name", known.name if known else event.handle)
        if event.action == "destroy":
            if self._items.pop((kind, event.handle), None):
                self.version += 1
            self._dirty.add((kind, event.handle))
        elif event.action == "create" and known is None:
            self._mark(kind, event.handle)
        key = known.key if known else None
        return key is not None, key.app if key else None, name

    def _mark(self, kind: Kind, handle: str) -> None:
        self._dirty.add((kind, handle))
        self.version += 1
        if kind is Kind.CONTAINER:
            self._touched[handle] = self._touched.get(handle, 0) + 1

    def _notify(self) -> None:
        self._changed.notify_all()

    # --- waiting -----------------------------------------------------------------------------------------------------

    def mark_of(self, handle: str) -> int:
        """A number that grows with each event of this container."""
        with self._lock:
            return self._touched.get(handle, 0)

    def wait(self, handle: str, mark: int, timeout_s: float) -> bool:
        """Sleep until this container has an event after ``mark``, the stream's state changes, or the time is over."""
        with self._changed:
            listening = self._listening
            return self._changed.wait_for(
                lambda: self._touched.get(handle, 0) != mark or self._listening != listening, timeout_s
            )

    @property
    def listening(self) -> bool:
        """Whether events flow."""
        with self._lock:
            return self._listening


def _image_facts(inspect: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "Id": inspect["Id"],
        "Config": inspect.get("Config") or {},
        "RepoDigests": inspect.get("RepoDigests") or [],
    }


def _kept_once(value: Any) -> Any:
    """The same with every name and text kept once: containers say mostly the same, in 7 kB each."""
    match value:
        case dict():
            return {sys.intern(name): _kept_once(item) for name, item in value.items()}
        case list():
            return [_kept_once(item) for item in value]
        case str():
            return sys.intern(value)
        case _:
            return value


def label_filter(installation: str, **labels: str) -> str:
    """A list's ``filters`` parameter for labels of ours."""
    wanted = [f"{INSTALLATION}={installation}", *(f"trimtab.dev/{k}={v}" for k, v in sorted(labels.items()))]
    return json.dumps({"label": wanted})
