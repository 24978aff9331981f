"""What containers say: one line of one container's output, as ``trimtab logs`` and the HTTP API hand it on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputLine:
    """One line. ``stream`` is stdout or stderr; ``at`` is the engine's time for it, RFC 3339 with nanoseconds."""

    container: str
    service: str
    replica: int
    stream: str
    at: str
    text: str

    @property
    def label(self) -> str:
        """What stands before the line, as Compose has it: ``web-1``."""
        return f"{self.service}-{self.replica}" if self.replica else self.service
