"""Cron schedules in a time zone: when the next turn is, and when the last one was. Pure; moments are aware.

The five fields are those of crontab(5), with names for days and months; Argo CD's windows are written the same way.

Two days a year have another length. A time of day that the clock leaves out (02:30 when 02:00 becomes 03:00) counts
as the first moment after the gap; one that comes twice counts once, the first time. Schedules with a ``*`` in the
minute or the hour go by elapsed time instead, so that none of their turns is left out or doubled.
Source: cron(8) of Debian, "NOTES" on daylight saving time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

FIELDS = 5
# The library counts schedules with a time of day in wall time, which an hour that comes twice makes ambiguous.
# Source: the largest change of clocks in the database that turns back is 2 h (Antarctica/Troll).
_WALL_SLACK = timedelta(hours=3)
_STEP = timedelta(seconds=1)


class BadSchedule(ValueError):
    """Not a schedule, or not a time zone; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Turns of a clock in ``zone``; made by ``parse_schedule``, which knows it to be good."""

    expression: str
    zone: str = "UTC"

    def next_after(self, moment: datetime) -> datetime | None:
        """The first turn later than ``moment``, in UTC; None when there is none within 50 years."""
        return next((turn for turn in self._turns(moment) if turn > moment), None)

    def last_until(self, moment: datetime) -> datetime | None:
        """The last turn at or before ``moment``, in UTC; None when there is none within 50 years."""
        return next((turn for turn in self._turns(moment, back=True) if turn <= moment), None)

    def _turns(self, moment: datetime, *, back: bool = False) -> Iterator[datetime]:
        """From around ``moment`` on, in order; it may begin a little too early."""
        minute, hour = self.expression.split()[:2]
        by_wall = not (minute.startswith("*") or hour.startswith("*"))
        slack = _WALL_SLACK if by_wall else _STEP
        local = (moment + slack if back else moment - slack).astimezone(_zone(self.zone))
        for turn in CronSim(self.expression, local, reverse=back):
            yield turn.astimezone(UTC)


@lru_cache(maxsize=512)
def parse_schedule(expression: str, zone: str = "UTC") -> Schedule:
    """A schedule that can be asked.

    Raises:
        BadSchedule: it has not five fields, one of them cannot be read, it never comes, or the zone is not known.
    """
    made = Schedule(" ".join(expression.split()), zone)
    fields = len(made.expression.split())
    if fields != FIELDS:
        message = f"'{expression}' is no schedule: it has {fields} fields, and not minute, hour, day, month, weekday"
        raise BadSchedule(message)
    _zone(zone)
    try:
        CronSim(made.expression, datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        message = f"'{expression}' is no schedule: {str(error).lower()}"
        raise BadSchedule(message) from None
    return made


@lru_cache(maxsize=128)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    # Source: ZoneInfoNotFoundError is a KeyError; "../x" is a ValueError, "Europe" (a directory) an OSError.
    except (KeyError, ValueError, OSError):
        message = f"'{name}' is no time zone of the IANA database, such as Europe/Berlin"
        raise BadSchedule(message) from None
