"""Whom the listener answers: not a browser that somebody else's page has led here.

The API needs no password, so a page from anywhere must not read it through its visitor's browser. Browsers keep pages
of another origin from reading answers, unless the page's own name is made to lead to this machine (DNS rebinding): then
the request says ``Host: that-name``. So a listener on loopback answers to ``localhost`` and to addresses, which nobody
can point elsewhere, and to the names that the configuration lists.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trimtab.web.problems import problem

if TYPE_CHECKING:
    from fastapi.responses import JSONResponse
    from starlette.types import Scope

_HINT = "if it is a name of this machine or of a proxy before it, list it in httpHosts (TRIMTAB_HTTP_HOSTS)"


@dataclass(frozen=True, slots=True)
class Callers:
    """``names`` are answered to beside localhost and addresses; ``any_name`` lifts the rule."""

    names: frozenset[str] = frozenset()
    any_name: bool = False

    @classmethod
    def of(cls, bound: str, names: Iterable[str]) -> Callers:
        """For a listener that is bound to the address ``bound``.

        On another address than loopback everybody in reach can ask anyway; there the list counts if there is one.
        """
        known = frozenset(name.strip().lower().rstrip(".") for name in names if name.strip())
        return cls(known, any_name=not known and not ipaddress.ip_address(bound.partition("%")[0]).is_loopback)

    def refusal(self, scope: Scope) -> JSONResponse | None:
        """Why this request gets no answer; None if it gets one."""
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        host = _name(headers.get(b"host", ""))
        if not self._is_ours(host):
            return problem(421, "WrongHost", f"this is not {host!a}", _HINT)
        followed = headers.get(b"sec-fetch-mode") == "navigate" and scope["method"] in {"GET", "HEAD"}
        if headers.get(b"sec-fetch-site") == "cross-site" and not followed:
            return problem(403, "CrossSite", "a page of another site asks", "open the address in a tab of its own")
        return None

    def _is_ours(self, host: str) -> bool:
        if self.any_name or not host or host == "localhost" or host.endswith(".localhost") or host in self.names:
            return True
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return False
        return True


def _name(host: str) -> str:
    """The name or address of a Host header, without its port."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".")
