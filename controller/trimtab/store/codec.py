"""How values look in the database: UTC ISO times, applications by name, canonical JSON (a Secret is its digest)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from trimtab.plan.canonical import canonical_json


def time_text(at: datetime) -> str:
    """ISO 8601 with microseconds, always UTC, so that text order is time order.

    Raises:
        ValueError: ``at`` is naive.
    """
    if at.tzinfo is None:
        raise ValueError("a time without a time zone cannot be stored")
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def optional_time_text(at: datetime | None) -> str | None:
    """The same for a time that may be missing."""
    return None if at is None else time_text(at)


def parse_time(text: str) -> datetime:
    """The opposite of ``time_text``."""
    return datetime.fromisoformat(text)


def parse_optional_time(text: str | None) -> datetime | None:
    """The opposite of ``optional_time_text``."""
    return None if text is None else datetime.fromisoformat(text)


def json_text(value: Mapping[str, object] | Mapping[str, str]) -> str:
    """Canonical JSON; should a Secret get this far, its fingerprint is written and never its value."""
    return canonical_json(value)


def parse_mapping(text: str) -> Mapping[str, object]:
    """A stored JSON object, read-only."""
    value = json.loads(text)
    return MappingProxyType(value if isinstance(value, dict) else {})


def parse_words(text: str) -> Mapping[str, str]:
    """A stored JSON object of texts, read-only."""
    return MappingProxyType({key: str(value) for key, value in parse_mapping(text).items()})
