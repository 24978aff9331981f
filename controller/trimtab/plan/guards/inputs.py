"""What a guard is told, and how its rules say no."""

from __future__ import annotations

from dataclasses import dataclass

from trimtab.model.application import Application
from trimtab.model.desired import DesiredState
from trimtab.model.diagnostics import Diagnostic, Origin, Severity
from trimtab.model.observed import ObservedState


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardInputs:
    """What a verdict depends on beside the changes.

    ``approved``: plan ids that a person approved. ``findings``: what a look at the world found to be in the way.
    """

    app: Application | None
    desired: DesiredState
    observed: ObservedState
    plan_id: str
    approved: frozenset[str] = frozenset()
    findings: tuple[Diagnostic, ...] = ()

    @property
    def place(self) -> Origin:
        """Where the application is declared."""
        return self.app.origin if self.app is not None else Origin(str(self.desired.app))

    @property
    def approval(self) -> str:
        """The command that approves, as a person types it."""
        return f"trimtab approve {self.desired.app} {self.plan_id[:12]}"


def problem(code: str, message: str, origin: Origin, hint: str) -> Diagnostic:
    """One reason not to go on."""
    return Diagnostic(severity=Severity.ERROR, code=code, message=message, origin=origin, hint=hint)
