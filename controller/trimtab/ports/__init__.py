"""The seams between the core and the world, each declared here for its user and implemented at an edge."""

from __future__ import annotations

from trimtab.ports.driver import Backend, Driver, StepContext
from trimtab.ports.images import ImageBuilder, ImagePuller, ImageResolver, ImageRetention
from trimtab.ports.preflight import ImageProbe, Preflight
from trimtab.ports.runtime import Clock, EventSink, Meter
from trimtab.ports.source import Commit, Source
from trimtab.ports.store import (
    AppliedStates,
    EventLog,
    Facts,
    FailedBuilds,
    Holds,
    Journal,
    JournalReader,
    ReleaseLog,
    RequestBox,
    StatusBoard,
    Store,
    TaskRuns,
)

__all__ = [
    "AppliedStates",
    "Backend",
    "Clock",
    "Commit",
    "Driver",
    "EventLog",
    "EventSink",
    "Facts",
    "FailedBuilds",
    "Holds",
    "ImageBuilder",
    "ImageProbe",
    "ImagePuller",
    "ImageResolver",
    "ImageRetention",
    "Journal",
    "JournalReader",
    "Meter",
    "Preflight",
    "ReleaseLog",
    "RequestBox",
    "Source",
    "StatusBoard",
    "StepContext",
    "Store",
    "TaskRuns",
]
