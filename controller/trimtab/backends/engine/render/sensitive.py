"""Which environment values must never be shown. Pure.

Compose has no way to say so, therefore names decide, widely: a value that is hidden without need
costs a reader one look at Git, a password in a pull request comment costs far more.
"""

from __future__ import annotations

import re

from trimtab.model.desired import Secret
from trimtab.plan.canonical import fingerprint

_NAME = re.compile(
    r"PASS(WORD|WD|PHRASE)?($|_|\d)|PASSWORD|SECRET|TOKEN|CREDENTIAL|PRIVATE|API_?KEY|ACCESS_?KEY|AUTH|SIGNING|ENCRYPTION"
    r"|(^|_)(KEY|PWD|DSN|SALT|CERT|COOKIE|SESSION)($|_|\d)|CONNECTION_?STRING|WEBHOOK_?URL",
    re.IGNORECASE,
)
_USERINFO = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^/\s:@]*:[^/\s@]+@")
_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")


def is_sensitive(name: str, value: str) -> bool:
    """Whether an environment variable's value is to be kept out of every text."""
    return bool(_NAME.search(name) or _USERINFO.search(value) or _PEM.search(value))


def guarded(name: str, value: str, key: bytes) -> str | Secret:
    """``value``, wrapped when it is sensitive. An empty value is no secret."""
    return Secret(value, fingerprint(key, value)) if value and is_sensitive(name, value) else value
