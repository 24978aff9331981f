"""What a test file left on the engine: told at the end of a run, however many others use the same engine.

Whatever carries a scope's name or label is found by asking. A volume without a name carries nothing: it is a scope's
when one of its containers was made with it, which only the engine's events tell, as the container may be gone.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import docker
import docker.errors
import requests.exceptions
import urllib3.exceptions

from tests.support import engine
from tests.support.engine import NAMELESS, OUR_LABELS, EngineScope
from tests.support.waiting import eventually

# A removal that was asked for ends within moments; a busy engine takes its time.
PATIENCE_S = 20.0


@dataclass(slots=True)
class Lookout:
    """Follows the scopes of one run; ``left`` says what there still is of them."""

    api: docker.APIClient
    _files: dict[str, str] = field(default_factory=dict)
    _nameless: dict[str, str] = field(default_factory=dict)
    _containers: dict[str, str] = field(default_factory=dict)

    def follows(self, scope: EngineScope, file: str) -> None:
        """From now on ``file`` answers for what is of this scope."""
        self._files[scope.name] = file

    def left(self) -> list[str]:
        """One line for each object that is still there, with the file that left it."""
        found = [f"{self._files[name]}: volume {volume}" for volume, name in self._still_there()]
        for name, file in sorted(self._files.items()):
            scope = EngineScope(self.api, name)
            found += [f"{file}: container {item['Names'][0].lstrip('/')}" for item in scope.containers()]
            found += [f"{file}: network {item['Name']}" for item in scope.networks()]
            found += [f"{file}: volume {item['Name']}" for item in scope.volumes()]
            # One without a tag may be a layer of somebody else's.
            found += [
                f"{file}: image {tag}" for item in scope.images() for tag in item["RepoTags"] or () if name in tag
            ]
        return found

    def left_for_good(self) -> list[str]:
        """As ``left``, once what is being removed is gone."""
        with contextlib.suppress(AssertionError):
            eventually(lambda: not self.left(), what="the engine is as it was", timeout_s=PATIENCE_S, every_s=0.5)
        return self.left()

    def sees(self, event: Mapping[str, Any]) -> None:
        """Take in one event of the engine."""
        actor = event.get("Actor") or {}
        handle, said = str(actor.get("ID")), actor.get("Attributes") or {}
        what = (event.get("Type"), event.get("Action"))
        if what == ("container", "create"):
            labels = {said.get(label) for label in OUR_LABELS}
            owner = next((name for name in self._files if name in labels or name in str(said.get("name"))), None)
            if owner is not None:
                self._containers[handle] = owner
                self._inspect(handle, owner)
            return
        owner = self._containers.get(str(said.get("container")))
        if what == ("volume", "mount") and owner is not None and NAMELESS.fullmatch(handle):
            self._nameless[handle] = owner

    def _inspect(self, handle: str, owner: str) -> None:
        """One that is never started mounts nothing, and has its volumes all the same."""
        with contextlib.suppress(docker.errors.NotFound):
            mounts = self.api.inspect_container(handle)["Mounts"]
            names = [str(mount.get("Name") or "") for mount in mounts if mount["Type"] == "volume"]
            self._nameless.update((name, owner) for name in names if NAMELESS.fullmatch(name))

    def _still_there(self) -> Iterator[tuple[str, str]]:
        for volume, name in sorted(self._nameless.items()):
            with contextlib.suppress(docker.errors.NotFound):
                self.api.inspect_volume(volume)
                yield volume, name


@contextlib.contextmanager
def lookout(url: str) -> Iterator[Lookout]:
    """A lookout that is told of all events until the end, in a thread and on connections of its own."""
    with contextlib.closing(engine.connect(url)) as api, contextlib.closing(engine.connect(url)) as listening:
        made = Lookout(api)
        filters = {"type": ["container", "volume"], "event": ["create", "mount"]}
        stream = listening.events(decode=True, filters=filters)

        def listen() -> None:
            # The stream ends when it is closed, in one of these ways.
            with contextlib.suppress(requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError):
                for event in stream:
                    made.sees(event)

        threading.Thread(target=listen, name="lookout", daemon=True).start()
        try:
            yield made
        finally:
            stream.close()
