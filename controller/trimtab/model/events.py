"""Things that happened, as they are stored, streamed and counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from trimtab.model.keys import AppKey


class EventType(StrEnum):
    """Kubernetes' two: something normal, or something to look at."""

    NORMAL = "Normal"
    WARNING = "Warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One occurrence; ``reason`` is one CamelCase word, ``message`` a sentence without secrets."""

    at: datetime
    reason: str
    message: str
    app: AppKey | None = None
    type: EventType = EventType.NORMAL
    revision: str = ""
    fields: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineEvent:
    """One event of the engine's stream that concerns us; ``app`` is None when it concerns everyone."""

    at: datetime
    kind: str
    action: str
    handle: str
    name: str
    app: AppKey | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
