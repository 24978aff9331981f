"""Which image a reference names on the engine now; remembered until an event says that it may have changed."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any

from docker import APIClient
from docker.errors import APIError, ImageNotFound
from requests import RequestException

from trimtab.errors import BackendUnavailable


class ImagePins:
    """Looks references up; ``lookups`` counts the engine calls that this took."""

    def __init__(self, api: APIClient) -> None:
        self._api = api
        self._known: dict[str, str | None] = {}
        # The event stream forgets while a pass resolves: what was asked before that must not be kept after it.
        self._generation = 0
        self._lock = threading.Lock()
        self.lookups = 0

    def resolve(self, refs: Iterable[str]) -> Mapping[str, str | None]:
        """The image id of each reference, None where the engine has none. Raises BackendUnavailable."""
        return {ref: self._one(ref) for ref in sorted(set(refs))}

    def forget(self, ref: str) -> None:
        """An image event named ``ref`` (a reference or an image id): ask again."""
        name = normalized(ref)
        with self._lock:
            self._generation += 1
            for known, image in list(self._known.items()):
                if name == normalized(known) or ref == image:
                    del self._known[known]

    def forget_all(self) -> None:
        """Events may have been missed: ask again for everything."""
        with self._lock:
            self._generation += 1
            self._known.clear()

    def _one(self, ref: str) -> str | None:
        with self._lock:
            if ref in self._known:
                return self._known[ref]
            generation = self._generation
            self.lookups += 1
        image = self._inspect(ref)
        with self._lock:
            if generation == self._generation:
                self._known[ref] = image
        return image

    def _inspect(self, ref: str) -> str | None:
        try:
            found: Any = self._api.inspect_image(ref)  # type: ignore[no-untyped-call]  # the stubs leave it out
            return str(found["Id"])
        except ImageNotFound:
            return None
        except (APIError, RequestException) as error:
            raise BackendUnavailable(f"the engine could not look up the image {ref}: {error}") from error


def normalized(ref: str) -> str:
    """One spelling for a reference: without Docker Hub's implied names, with its tag.

    Source: github.com/distribution/reference, FamiliarString and TagNameOnly.
    """
    name, at, digest = ref.partition("@")
    for implied in ("docker.io/library/", "index.docker.io/library/", "docker.io/", "index.docker.io/", "library/"):
        if name.startswith(implied):
            name = name.removeprefix(implied)
            break
    if at:
        return f"{name}@{digest}"
    return name if ":" in name.rpartition("/")[2] or name.startswith("sha256:") else f"{name}:latest"
