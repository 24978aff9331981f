"""The last defence: text that leaves the process loses every secret that is known and every password in a URL.

It is not the first: nothing of ours formats a secret. It stands between foreign texts (a traceback, an engine's error)
and the log, the events and the streams.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterable, Mapping
from urllib.parse import quote

MASK = "***"
# Shorter ones ("1", "on") would mask half of every sentence, and guard nothing.
MIN_LENGTH = 4

# scheme://user:password@host, or scheme://token@host
_USERINFO = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)[^\s/?#@'\"]+@", re.IGNORECASE)
_PARAMETER = re.compile(
    r"(?P<name>[?&](?:access_token|auth|key|password|private_token|secret|sig|token)=)[^\s&#'\"]+", re.IGNORECASE
)
_HEADER = re.compile(
    r"(?P<name>\b(?:authorization|private-token|x-registry-auth)['\"]?\s*[:=]\s*['\"]?(?:(?:basic|bearer|token)\s+)?)"
    r"[^\s'\",]+",
    re.IGNORECASE,
)


class Redactor:
    """Knows secret values, and masks them in text and in JSON-like data. Safe from any thread."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._known: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None
        self.learn(secrets)

    def learn(self, secrets: Iterable[str]) -> None:
        """From now on these are masked, also as they look inside JSON, URLs and base64."""
        fresh = {form for secret in secrets for form in _forms(secret)} - self._known
        if not fresh:
            return
        with self._lock:
            self._known |= fresh
            # The longest first: a secret may be a part of another.
            longest_first = sorted(self._known, key=lambda text: (-len(text), text))
            self._pattern = re.compile("|".join(re.escape(text) for text in longest_first))

    def text(self, text: str) -> str:
        """One text without secrets."""
        if "://" in text:
            text = _USERINFO.sub(rf"\g<scheme>{MASK}@", text)
        if "=" in text:
            text = _PARAMETER.sub(rf"\g<name>{MASK}", text)
        text = _HEADER.sub(rf"\g<name>{MASK}", text)
        return text if self._pattern is None else self._pattern.sub(MASK, text)

    def value(self, value: object) -> object:
        """JSON-like data without secrets; anything else becomes its masked text."""
        match value:
            case str():
                return self.text(value)
            case None | bool() | int() | float():
                return value
            case Mapping():
                return {self.text(str(name)): self.value(item) for name, item in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self.value(item) for item in value]
            case _:
                return self.text(str(value))


def _forms(secret: str) -> Iterable[str]:
    """A secret, its lines (a key's file is printed line by line), and how encodings spell it."""
    for part in {secret, secret.strip(), *(line.strip() for line in secret.splitlines())}:
        if len(part) >= MIN_LENGTH:
            yield part
            yield quote(part, safe="")
            yield json.dumps(part)[1:-1]
            yield base64.b64encode(part.encode()).decode()
