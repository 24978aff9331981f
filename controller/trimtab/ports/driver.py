"""The two halves of a backend: the pure one that renders and lowers, and the one that speaks to an engine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from trimtab.model.application import Application
from trimtab.model.desired import ContentFile, DesiredState, ImageChoice
from trimtab.model.events import EngineEvent
from trimtab.model.keys import AppKey
from trimtab.model.observed import EngineFacts, ObservedState
from trimtab.model.snapshot import Tree
from trimtab.plan.assemble import LoweringDialect

StepT_contra = TypeVar("StepT_contra", contravariant=True)
StepT_co = TypeVar("StepT_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepContext:
    """What a step may need beside itself.

    ``outputs`` are those of the nodes it needs, by node id. ``log`` takes progress lines (build log, pull progress).
    A step that waits must return soon after ``cancelled`` is set. ``terminated``: a person ended the whole sync, so
    what it began to run is to end as well.
    """

    outputs: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    revision: str = ""
    repo_url: str = ""
    tree: Tree | None = None
    contents: Mapping[str, tuple[ContentFile, ...]] = field(default_factory=dict)
    builds: Mapping[str, object] = field(default_factory=dict)
    cancelled: threading.Event = field(default_factory=threading.Event)
    terminated: threading.Event = field(default_factory=threading.Event)
    log: Callable[[str], None] = lambda _line: None
    timeout_s: float = 600.0


class Backend(LoweringDialect[StepT_co], Protocol[StepT_co]):
    """The pure half of a backend: everything the planner asks, and rendering."""

    def render(self, app: Application, tree: Tree, revision: str, images: Mapping[str, ImageChoice]) -> DesiredState:
        """Stage 4: what should be there."""
        ...


class Driver(Protocol[StepT_contra]):
    """The impure half of a backend."""

    target: str

    def facts(self) -> EngineFacts:
        """What the engine is and can; asked once, and again after a reconnect. Raises BackendUnavailable."""
        ...

    def observe(self, app: AppKey | None = None, *, images: Sequence[str] = (), fresh: bool = False) -> ObservedState:
        """Everything of one application (or of all), from the event-fed cache or fresh. Raises BackendUnavailable."""
        ...

    def perform(self, step: StepT_contra, context: StepContext) -> Mapping[str, str]:
        """Carry out one step; idempotent. Its outputs (ids, names) go to the steps that need it.

        Raises: a TrimtabError; nothing of the client library's own.
        """
        ...

    def tail(self, handle: str, lines: int) -> tuple[str, ...]:
        """The last lines that a container wrote; empty when it is gone, or its log driver keeps none."""
        ...

    def watch(self, on_event: Callable[[EngineEvent], None]) -> Callable[[], None]:
        """Feed the cache from the event stream and call back for what concerns us; returns how to stop."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...
