"""Sync windows as they are written, in an application's ``syncPolicy`` and in the controller's configuration."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from trimtab.manifest.kinds.base import Document, Seconds
from trimtab.model import windows as model
from trimtab.model.diagnostics import Origin
from trimtab.model.schedule import BadSchedule, parse_schedule


def _schedule(text: str) -> str:
    try:
        parse_schedule(text)
    except BadSchedule as error:
        raise PydanticCustomError("schedule", "cannot be used: {why}", {"why": str(error)}) from None
    return text


def _zone(name: str) -> str:
    try:
        parse_schedule("0 0 * * *", name)
    except BadSchedule as error:
        raise PydanticCustomError("time_zone", "cannot be used: {why}", {"why": str(error)}) from None
    return name


def _not_empty(seconds: float) -> float:
    if seconds <= 0:
        raise PydanticCustomError("no_time", "must be longer than nothing")
    return seconds


CronSchedule = Annotated[str, AfterValidator(_schedule)]
TimeZone = Annotated[str, AfterValidator(_zone)]


class Window(Document):
    """A stretch of time in which an application may, or may not, be changed."""

    kind: Literal["allow", "deny"] = Field(description="An open deny window wins over every allow window.")
    schedule: CronSchedule = Field(description="When it opens: minute, hour, day, month, weekday.")
    duration: Annotated[Seconds, AfterValidator(_not_empty)] = Field(description="How long it stays open.")
    time_zone: TimeZone = Field("UTC", description="The zone of the schedule, such as Europe/Berlin.")
    manual_sync: bool = Field(default=False, description="Let a person's sync through although the window holds it.")
    sync_overrun: bool = Field(default=True, description="A sync that began in time goes on to its end.")
    description: str = ""

    def to_model(self, origin: Origin | None = None, applications: tuple[str, ...] = ("*",)) -> model.SyncWindow:
        """The model's form of it."""
        return model.SyncWindow(
            kind=model.WindowKind(self.kind),
            schedule=parse_schedule(self.schedule, self.time_zone),
            duration_s=self.duration,
            applications=applications,
            manual_sync=self.manual_sync,
            sync_overrun=self.sync_overrun,
            description=self.description,
            origin=origin,
        )


class ControllerWindow(Window):
    """A window for every application whose name one of the globs fits."""

    applications: tuple[str, ...] = Field(("*",), min_length=1, description="Globs of names, or of namespace/name.")
