"""One spelling for data, so that equal things have equal digests on every machine and hash seed."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping

from trimtab.model.desired import Secret

# 128 bits: collisions are out of reach, and a label stays readable.
DIGEST_LENGTH = 32


_SCALARS = frozenset({str, int, bool, float, type(None)})


def _plain(value: object) -> object:
    # Most values are these, and asking for their type is quick.
    if type(value) in _SCALARS:
        return value
    match value:
        case Secret():
            return {"$secret": value.fingerprint}
        case dict() | Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case set() | frozenset():
            return sorted(json.dumps(_plain(item), sort_keys=True) for item in value)
        case None | bool() | int() | float() | str():
            return value
        case _:
            message = f"no canonical form for {type(value).__name__}"
            raise TypeError(message)


def canonical_json(value: object) -> str:
    """JSON with sorted keys and no spaces; a Secret is its fingerprint.

    Raises:
        TypeError: ``value`` holds something that is not JSON-like.
    """
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(value: object) -> str:
    """SHA-256 of the canonical form, 32 hex digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:DIGEST_LENGTH]


def fingerprint(key: bytes, text: str | bytes) -> str:
    """A keyed digest of a secret: tells that it changed, gives nobody a way to guess it. 32 hex digits."""
    data = text.encode() if isinstance(text, str) else text
    return hmac.new(key, data, hashlib.sha256).hexdigest()[:DIGEST_LENGTH]
