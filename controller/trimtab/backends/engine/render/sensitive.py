"""Environment values that must never be shown, wrapped. Pure."""

from __future__ import annotations

from trimtab.model.desired import Secret
from trimtab.model.sensitive import is_sensitive
from trimtab.plan.canonical import fingerprint


def guarded(name: str, value: str, key: bytes) -> str | Secret:
    """``value``, wrapped when it is sensitive. An empty value is no secret."""
    return Secret(value, fingerprint(key, value)) if value and is_sensitive(name, value) else value
