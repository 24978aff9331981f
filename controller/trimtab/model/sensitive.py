"""Which values are secret, and texts without them. Pure.

Compose has no way to say so, therefore names decide, widely: a value that is hidden without need
costs a reader one look at Git, a password in a message costs far more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

MASK = "***"
_NAME = re.compile(
    r"PASS(WORD|WD|PHRASE)?($|_|\d)|PASSWORD|SECRET|TOKEN|CREDENTIAL|PRIVATE|API_?KEY|ACCESS_?KEY|AUTH|SIGNING|ENCRYPTION"
    r"|(^|_)(KEY|PWD|DSN|SALT|CERT|COOKIE|SESSION)($|_|\d)|CONNECTION_?STRING|WEBHOOK_?URL",
    re.IGNORECASE,
)
_USERINFO = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^/\s:@]*:[^/\s@]+@")
_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
# Shorter values, and such as AUTH_ENABLED=true or TOKEN_TTL=3600 have, are parts of too many innocent words.
_SHORTEST = 4
_INNOCENT = re.compile(r"true|false|none|null|enabled?|disabled?|default|required|optional|[0-9]{1,5}", re.IGNORECASE)


def is_sensitive(name: str, value: str) -> bool:
    """Whether a variable's value is to be kept out of every text."""
    return bool(_NAME.search(name) or _USERINFO.search(value) or _PEM.search(value))


def sensitive_values(variables: Mapping[str, str]) -> tuple[str, ...]:
    """The values to look for in texts that may have got them by interpolation, longest first."""
    return telling(value for name, value in variables.items() if is_sensitive(name, value))


def telling(values: Iterable[str]) -> tuple[str, ...]:
    """Those of ``values`` that are long and rare enough to be looked for, longest first."""
    kept = {text for text in (value.strip() for value in values) if len(text) >= _SHORTEST}
    return tuple(sorted((text for text in kept if not _INNOCENT.fullmatch(text)), key=lambda text: (-len(text), text)))


def masked(text: str, values: Iterable[str]) -> str:
    """``text`` with every one of ``values`` replaced; give the longest first."""
    for value in values:
        if value in text:
            text = text.replace(value, MASK)
    return text


def shows(data: object, values: Iterable[str]) -> bool:
    """Whether a text anywhere in JSON-like ``data`` holds one of ``values``."""
    match data:
        case str():
            return any(value in data for value in values)
        case Mapping():
            wanted = tuple(values)
            return any(shows(item, wanted) for item in data.values())
        case list() | tuple():
            wanted = tuple(values)
            return any(shows(item, wanted) for item in data)
        case _:
            return False
