"""uvicorn's HTTP protocol, with a limit to how long a client may take to say what it wants."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

# Whoever says nothing for longer, or one byte at a time, holds one of few places for nothing.
HEAD_S = 10.0


class PatientProtocol(H11Protocol):
    """Ends a connection without a whole first request after ``HEAD_S``; between requests uvicorn's own limit holds."""

    _overdue: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """The clock begins."""
        super().connection_made(transport)
        self._overdue = self.loop.call_later(HEAD_S, transport.abort)

    def handle_events(self) -> None:
        """As uvicorn; a request whose head was read stops the clock."""
        super().handle_events()
        if getattr(self, "cycle", None) is not None:
            self._stop_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is there any more."""
        self._stop_clock()
        super().connection_lost(exc)

    def _stop_clock(self) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None
