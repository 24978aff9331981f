"""What is known of the engine's objects, kept current by events: a look costs calls only for what changed.

Three rules keep it honest. A mark is cleared before its object is read, so a change during the reading is
read again. What a step did is marked by the step itself, so one reads one's own writes before their events
come. And whenever the event stream was interrupted, nothing that is known counts.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from trimtab.backends.engine import looks
from trimtab.backends.engine.adoptions import Adopted, Place
from trimtab.backends.engine.endings import Endings
from trimtab.backends.engine.events import RawEvent
from trimtab.backends.engine.items import HOUSEKEEPING, Item, Recogniser
from trimtab.backends.engine.known_images import KnownImages
from trimtab.backends.engine.labels import KIND
from trimtab.backends.engine.live import labels_of
from trimtab.model.keys import AppKey, Kind

if TYPE_CHECKING:
    from trimtab.backends.engine.client import EngineClient

# So many single objects are asked for, on top of as many as are known, before a look at everything costs less.
MANY = 50
_KINDS = {"container": Kind.CONTAINER, "network": Kind.NETWORK, "volume": Kind.VOLUME}


class EngineCache:
    """Every object of the engine, as ``recogniser`` makes them of what is read."""

    def __init__(self, client: EngineClient, recogniser: Recogniser) -> None:
        self._client = client
        self._adoptions = recogniser.adoptions
        self._recogniser = recogniser
        self._images = KnownImages(client)
        self._endings = Endings()
        self._reading = threading.Lock()
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._items: dict[tuple[Kind, str], Item] = {}
        self._dirty: set[tuple[Kind, str]] = set()
        self._whole = False
        self._listening = False
        # What is being read just now; None: everything.
        self._asking: frozenset[tuple[Kind, str]] | None = frozenset()
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
            return self._endings.asked_for(handle)

    def image(self, image_id: str) -> Mapping[str, Any] | None:
        """An image's inspect, asked once, for ever; None when it is gone."""
        return self._images.image(image_id)

    def image_id(self, ref: str) -> str:
        """The id of the image that ``ref`` names now; "" when there is none."""
        return self._images.id_of(ref)

    # --- looking -----------------------------------------------------------------------------------------------------

    def refresh(self, *, fresh: bool = False) -> None:
        """Make what is known current: nothing to do, a few inspects, or a full look."""
        with self._reading:
            with self._lock:
                todo = sorted(self._dirty)
                # Of very many it is cheaper to look at everything: the lists tell most of what is not ours.
                few = len(todo) <= MANY + len(self._items)
                known = self._whole and self._listening and not fresh and few
                self._dirty.clear()
                self._asking = frozenset(todo) if known else None
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
            finally:
                with self._lock:
                    self._asking = frozenset()

    def _look(self) -> None:
        found = looks.everything(self._client, self._recogniser)
        with self._lock:
            self._items = found
            self._whole = True
            self.version += 1
            handles = {handle for kind, handle in found if kind is Kind.CONTAINER}
            self._endings.keep_only(handles)
            self._touched = {h: v for h, v in self._touched.items() if h in handles}
            self._recogniser.ours.intersection_update(handles)

    def _read(self, kind: Kind, handle: str) -> None:
        inspect = looks.one(self._client, kind, handle)
        if inspect is None:
            with self._lock:
                if self._items.pop((kind, handle), None) is not None:
                    self.version += 1
            self._follow(self._adoptions.forget(handle) if kind is Kind.VOLUME else ())
            return
        item = self._recogniser.inspected(kind, handle, inspect)
        with self._lock:
            self._items[kind, handle] = item
            self.version += 1
        self._follow(self._adoptions.learn(handle, labels_of(kind, inspect)) if kind is Kind.VOLUME else ())

    def _follow(self, places: tuple[Place, ...]) -> None:
        """Read again what a record speaks of, now that it says something else."""
        for kind, handle in places:
            self._read(kind, handle)

    def recognise(self, handles: Iterable[str]) -> None:
        """Containers with these ids are ours if their labels say so, whatever they are called by now."""
        with self._lock:
            self._recogniser.ours.update(handles)
            self._whole = False

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
            self._images.listening(listening=True)
            self._endings.forget()
            self.version += 1
            self._notify()

    def disconnected(self) -> None:
        """Events no longer come, so nothing that is known counts."""
        with self._changed:
            self._listening = False
            self._whole = False
            self._images.listening(listening=False)
            self._notify()

    def touch(self, kind: Kind, handle: str) -> None:
        """We changed this object ourselves."""
        with self._changed:
            self._dirty.add((kind, handle))
            self.version += 1

    def touch_images(self) -> None:
        """We changed what a reference may name."""
        with self._lock:
            self._images.moved()
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
                    self._images.moved()
                    self.version += 1
                    told = (False, None, event.attributes.get("name", event.handle))
                case _:
                    told = (False, None, "")
            self._notify()
            return told

    def _container_event(self, event: RawEvent) -> tuple[bool, AppKey | None, str]:
        known = self._items.get((Kind.CONTAINER, event.handle))
        name = event.attributes.get("name", "")
        key = self._recogniser.identify(event.attributes, name) or (known.key if known else None)
        housekeeping = bool(known and known.housekeeping) or event.attributes.get(KIND, "") in HOUSEKEEPING
        if event.action == "destroy" and known is not None:
            del self._items[Kind.CONTAINER, event.handle]
            self.version += 1
        if key is not None:
            self._mark(Kind.CONTAINER, event.handle)
            self._endings.learn(event)
            # A reference to this container reads differently once it is another one.
            if event.action in {"create", "destroy", "rename"}:
                self.version += 1
            return True, key.app, name
        if event.action in {"create", "rename"} and not housekeeping:
            self._mark(Kind.CONTAINER, event.handle)
        elif event.action == "destroy":
            self._gone(Kind.CONTAINER, event.handle)
            self._touched.pop(event.handle, 0)
        return False, None, name

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
            else:
                self._gone(kind, event.handle)
        elif event.action == "create" and known is None:
            self._mark(kind, event.handle)
        key = known.key if known else None
        return key is not None, key.app if key else None, name

    def _gone(self, kind: Kind, handle: str) -> None:
        """What was made and removed again need not be asked for, unless it is being asked for just now."""
        if self._asking is None or (kind, handle) in self._asking:
            self._dirty.add((kind, handle))
        else:
            self._dirty.discard((kind, handle))

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
