"""What a person writes when asking for something, as the controller's requests have it."""

from __future__ import annotations

from datetime import datetime, timedelta

from trimtab.config import seconds
from trimtab.errors import ConfigError


def moment(text: str, now: datetime) -> datetime | None:
    """A time, or a duration from ``now`` on; None for "".

    Raises:
        ConfigError: it is neither.
    """
    if not text:
        return None
    try:
        return now + timedelta(seconds=seconds(text))
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"until '{text}' is neither a time nor a duration", hint="such as 2026-01-31T18:00 or 2h"
        ) from None
    return at if at.tzinfo else at.astimezone()
