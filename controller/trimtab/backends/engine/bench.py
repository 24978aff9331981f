"""What every step works with, and how steps refer to containers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from trimtab.backends.engine.cache import EngineCache
from trimtab.backends.engine.client import EngineClient
from trimtab.backends.engine.errors import Missing
from trimtab.backends.engine.steps import ContainerRef, CreatedBy, Existing
from trimtab.errors import Conflict
from trimtab.model.keys import Kind, ResourceKey
from trimtab.ports import StepContext

if TYPE_CHECKING:
    from trimtab.backends.engine.archives import ArchiveShelf

Outputs = Mapping[str, str]
NOTHING: Outputs = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """One engine to work on. ``listen`` starts the event stream if nothing did, for steps that wait.

    ``shelf`` is where archives of removed volumes are put. ``detached``: endpoints that were taken from containers, by
    container id and network, so that an undo can put them back. A crash in between needs no memory: the next pass sees
    what is missing. ``turns``: who changes the list of an address, by its id, does so alone.
    """

    client: EngineClient
    cache: EngineCache
    installation: str
    identify: Callable[[Mapping[str, str], str], ResourceKey | None]
    listen: Callable[[], None]
    shelf: ArchiveShelf | None = None
    detached: dict[str, dict[str, Mapping[str, Any]]] = field(default_factory=dict)
    turns: dict[str, threading.Lock] = field(default_factory=dict)

    def inspect(self, kind: Kind, handle: str) -> Mapping[str, Any] | None:
        """An object as it is now; None when it is gone."""
        paths = {Kind.CONTAINER: "/containers/{}/json", Kind.NETWORK: "/networks/{}", Kind.VOLUME: "/volumes/{}"}
        try:
            found: Mapping[str, Any] = self.client.call(
                "GET", paths[kind].format(handle), what=f"inspect {kind.value}", key=handle
            )
        except Missing:
            return None
        return found


class OfContainer(Protocol):
    """A step that is done to a container."""

    @property
    def container(self) -> ContainerRef:
        """Which one."""
        ...

    @property
    def name(self) -> str:
        """Its name, for messages."""
        ...


def known_id(ref: ContainerRef, context: StepContext) -> str | None:
    """The container's id; None when the node that should have created it did not."""
    match ref:
        case Existing(handle):
            return handle
        case CreatedBy(node):
            return context.outputs.get(node, NOTHING).get("id")


def id_of(step: OfContainer, context: StepContext) -> str:
    """The container's id. Raises Conflict when it was never created."""
    container_id = known_id(step.container, context)
    if container_id is None:
        raise Conflict(f"container {step.name} was not created", hint="the next pass looks again")
    return container_id
