"""Jobs of an application, in the words of Kubernetes' CronJob."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, JsonValue, model_validator
from pydantic_core import PydanticCustomError

from trimtab.manifest.kinds.base import Document, Seconds
from trimtab.model.jobs import JobSettings, Overlap
from trimtab.model.schedule import BadSchedule, parse_schedule

_ANY = "* * * * *"


def _cron(text: str) -> str:
    try:
        return parse_schedule(text).expression
    except BadSchedule as error:
        kind, message = "schedule", "is no schedule: {why}"
        raise PydanticCustomError(kind, message, {"why": str(error)}) from None


def _zone(text: str) -> str:
    try:
        return parse_schedule(_ANY, text).zone
    except BadSchedule:
        kind, message = "zone", "is no time zone of the IANA database, such as Europe/Berlin"
        raise PydanticCustomError(kind, message) from None


Cron = Annotated[str, AfterValidator(_cron)]
Zone = Annotated[str, AfterValidator(_zone)]


class Job(Document):
    """Something that runs at certain times, and ends."""

    service: str | dict[str, JsonValue] = Field(
        description="A service of the application, which then does not run permanently; or the whole service."
    )
    schedule: Cron | None = Field(None, description="Minute, hour, day, month, weekday. Without it: when asked.")
    time_zone: Zone = Field("UTC", description="The zone that the schedule is in.")
    concurrency_policy: Literal["Forbid", "Allow", "Replace"] = Field(
        "Forbid", description="What a run does that is due while another one still runs."
    )
    starting_deadline: Seconds | None = Field(
        None, description="How late a missed run may begin. Without it: however late."
    )
    successful_jobs_history_limit: int = Field(3, ge=0, description="Containers of runs that ended well, to be kept.")
    failed_jobs_history_limit: int = Field(1, ge=0, description="Containers of runs that failed, to be kept.")
    suspend: bool = Field(default=False, description="Start no run by the schedule.")
    timeout: Seconds | None = Field(None, description="A run that takes longer is stopped, and has failed.")
    backoff_limit: int = Field(0, ge=0, description="How often a run that failed is tried again.")

    @model_validator(mode="after")
    def _named(self) -> Self:
        if not self.service:
            raise PydanticCustomError("no_service", "must name a service, or be one")
        return self

    def to_model(self, name: str) -> JobSettings:
        """The model's form of it; a service that is written in the job has the job's ``name``."""
        return JobSettings(
            service=self.service if isinstance(self.service, str) else name,
            schedule=parse_schedule(self.schedule, self.time_zone) if self.schedule is not None else None,
            overlap=Overlap(self.concurrency_policy),
            starting_deadline_s=self.starting_deadline,
            keep_succeeded=self.successful_jobs_history_limit,
            keep_failed=self.failed_jobs_history_limit,
            suspended=self.suspend,
            timeout_s=self.timeout,
            retries=self.backoff_limit,
        )
