"""Who may ask for a change.

On loopback without a token: whoever is on this machine, but no page in its browser that came from elsewhere. With a
token (``httpTokenFile``): who has it. On any other address a token is needed.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from hmac import compare_digest
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from trimtab.errors import ConfigError
from trimtab.web.problems import problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi.responses import JSONResponse

_WHERE = "httpTokenFile (TRIMTAB_HTTP_TOKEN_FILE) names the file with the token"


@dataclass(frozen=True, slots=True)
class Authority:
    """The rule of one listener."""

    token: str = field(repr=False)
    on_loopback: bool

    @classmethod
    def of(cls, bound: str, token: str) -> Authority:
        """For a listener that is bound to the address ``bound``; ``token`` "": there is none."""
        return cls(token, ipaddress.ip_address(bound.partition("%")[0]).is_loopback)

    def refusal(self, headers: Mapping[str, str]) -> JSONResponse | None:
        """Why a request with these headers may change nothing; None if it may."""
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").strip().lower():
            return problem(
                403, "CrossSite", "a page of another site asks", "ask from a program, or from a page of this one"
            )
        if self.token:
            scheme, _, given = headers.get("authorization", "").partition(" ")
            if scheme.lower() == "bearer" and compare_digest(given.strip().encode(), self.token.encode()):
                return None
            challenge = {"WWW-Authenticate": 'Bearer realm="trimtab"'}
            hint = f"send 'Authorization: Bearer ...'; {_WHERE}"
            return problem(401, "Unauthorized", "this needs the token of this controller", hint, headers=challenge)
        if self.on_loopback:
            return None
        what = "nothing can be changed through a listener that is not on loopback, unless there is a token"
        return problem(403, "NoToken", what, f"{_WHERE}; or ask with the command line on that machine")


def read_token(file: str) -> str:
    """The token in ``file``; "" for no file.

    Raises:
        ConfigError: it cannot be read, or holds nothing.
    """
    if not file:
        return ""
    try:
        token = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"httpTokenFile {file} cannot be read: {error}", hint="it holds one line, the token"
        ) from None
    if not token or any(not character.isprintable() for character in token):
        raise ConfigError(f"httpTokenFile {file} holds no token", hint="it holds one line of printable characters")
    return token
