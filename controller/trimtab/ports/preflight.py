"""What is asked of the world before a plan's first change; asked by the planner, answered at an edge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from trimtab.errors import TrimtabError
from trimtab.model.change import Change
from trimtab.model.diagnostics import Diagnostic
from trimtab.model.observed import ObservedState


class Preflight(Protocol):
    """Looks for what would make a plan fail in the middle. Changes nothing."""

    def findings(self, changes: Sequence[Change], observed: ObservedState) -> tuple[Diagnostic, ...]:
        """Everything that stands in the way of these changes, each with its place; what cannot be known is no finding.

        Raises:
            BackendUnavailable: the engine does not answer.
        """
        ...


class ImageProbe(Protocol):
    """Asks a registry for an image without fetching it."""

    def refusal(self, ref: str) -> TrimtabError | None:
        """Why the registry will not give it: it says that it has none, or wants another login. None: it may."""
        ...
