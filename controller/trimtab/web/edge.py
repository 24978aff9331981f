"""The outermost layer, plain ASGI: headers of every answer, and an answer for every defect.

By the headers a browser runs nothing, guesses nothing, embeds nothing, keeps nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders

from trimtab.web.page import STYLE_HASH
from trimtab.web.problems import defect

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from trimtab.web.callers import Callers

HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src '{STYLE_HASH}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Edge:
    """Adds ``HEADERS`` to what ``app`` answers ``callers``, and answers where it fails."""

    def __init__(self, app: ASGIApp, callers: Callers) -> None:
        self._app = app
        self._callers = callers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            started = True
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        if (refusal := self._callers.refusal(scope)) is not None:
            await refusal(scope, receive, sending)
            return
        try:
            await self._app(scope, receive, sending)
        except Exception as error:  # one request's defect is not another's
            answer = defect(scope["path"], error)
            if started:
                # Only a broken connection can say that what was sent is not all.
                raise
            await answer(scope, receive, sending)
