"""Jobs of an application: what runs at certain times, and ends. The words are those of Kubernetes' CronJob."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from trimtab.model.schedule import Schedule


class Overlap(StrEnum):
    """What happens when a run is due while another still runs. Source: Kubernetes, CronJob's concurrencyPolicy."""

    ALLOW = "Allow"
    FORBID = "Forbid"
    REPLACE = "Replace"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSettings:
    """A job as the manifest has it; names and defaults as in Kubernetes' CronJob, times in seconds.

    ``schedule`` None: it runs only when asked. ``starting_deadline_s`` None: a missed run is made up, however late.
    """

    service: str
    schedule: Schedule | None = None
    overlap: Overlap = Overlap.ALLOW
    starting_deadline_s: float | None = None
    keep_succeeded: int = 3
    keep_failed: int = 1
    suspended: bool = False
    timeout_s: float | None = None
    retries: int = 0
