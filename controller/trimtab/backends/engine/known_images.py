"""What is known of images: which one a reference names, as long as events come, and what an image is, for ever. I/O."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trimtab.backends.engine.errors import Missing

if TYPE_CHECKING:
    from trimtab.backends.engine.client import EngineClient


class KnownImages:
    """Asks the engine once. Safe from any thread."""

    def __init__(self, client: EngineClient) -> None:
        """Nothing is known yet, and no events come."""
        self._client = client
        self._lock = threading.Lock()
        self._images: dict[str, Mapping[str, Any]] = {}
        self._refs: dict[str, str] = {}
        self._listening = False
        # Moves when references may name other images, so that an answer from before is not kept.
        self._turn = 0

    def image(self, image_id: str) -> Mapping[str, Any] | None:
        """An image's inspect, asked once, for ever; None when it is gone."""
        if image_id not in self._images:
            try:
                inspect = self._client.call("GET", f"/images/{image_id}/json", what="inspect image", key=image_id)
            except Missing:
                return None
            # All but what is used would be kept for ever too.
            self._images[image_id] = _facts(inspect)
        return self._images[image_id]

    def id_of(self, ref: str) -> str:
        """The id of the image that ``ref`` names now; "" when there is none."""
        with self._lock:
            if self._listening and ref in self._refs:
                return self._refs[ref]
            before = self._turn
        try:
            inspect = self._client.call("GET", f"/images/{ref}/json", what="inspect image", key=ref)
        except Missing:
            found = ""
        else:
            found = str(inspect["Id"])
            self._images.setdefault(found, _facts(inspect))
        with self._lock:
            if self._turn == before:
                self._refs[ref] = found
        return found

    def moved(self) -> None:
        """References may name other images now."""
        with self._lock:
            self._refs.clear()
            self._turn += 1

    def listening(self, *, listening: bool) -> None:
        """Whether events tell from now on when references move."""
        with self._lock:
            self._listening = listening
            self._refs.clear()
            self._turn += 1


def _facts(inspect: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "Id": inspect["Id"],
        "Config": inspect.get("Config") or {},
        "RepoDigests": inspect.get("RepoDigests") or [],
    }
