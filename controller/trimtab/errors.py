"""What can go wrong, classed by what the loop does next.

    TrimtabError(message, code, hint, origin)
    ├─ UserError        -> stall until an input changes
    │  ├─ ManifestError         a file cannot be used; carries every diagnostic
    │  ├─ ConfigError           trimtab.yaml, an option or a TRIMTAB_* variable
    │  ├─ PolicyDenied          a guard said no
    │  ├─ BuildFailed           an image's own Dockerfile failed
    │  ├─ UnhealthyRelease      a container did not become healthy, or exited
    │  └─ UnsupportedByBackend  the engine cannot do what the manifest asks
    ├─ WaitingError     -> wait; not a failure
    │  ├─ DependencyNotReady    another application is not healthy yet
    │  ├─ ApprovalNeeded        a person must say yes to this very plan
    │  ├─ OutsideWindow         a sync window is closed
    │  └─ LockHeld              another controller has this engine
    ├─ TransientError   -> retry with backoff and jitter
    │  ├─ GitUnavailable        a remote does not answer, or refuses
    │  ├─ BackendUnavailable    the engine does not answer
    │  ├─ RegistryUnavailable   an image cannot be pulled now
    │  ├─ RateLimited           asked to come back later (after_s)
    │  ├─ DeadlineExceeded      an operation took longer than it may
    │  ├─ Conflict              the world changed under a step
    │  └─ StalePlan             a saved plan no longer matches Git or engine
    └─ InternalError    -> log with traceback, count, keep the process

Each edge (docker, git, sqlite, http) translates foreign errors into these once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trimtab.model.diagnostics import Diagnostic, Origin


class TrimtabError(Exception):
    """Something Trimtab can explain: what happened, to what, and what to do next."""

    default_code = "TT0000"

    def __init__(self, message: str, *, code: str = "", hint: str = "", origin: Origin | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.hint = hint
        self.origin = origin

    def __str__(self) -> str:
        where = f"{self.origin}: " if self.origin else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{where}{self.message}{hint}"


class UserError(TrimtabError):
    """Only a changed input can help; the loop stalls."""


class ManifestError(UserError):
    """A manifest cannot be used; ``diagnostics`` holds every problem that was found."""

    default_code = "TT1000"

    def __init__(self, message: str, diagnostics: Sequence[Diagnostic] = (), *, hint: str = "") -> None:
        super().__init__(message, hint=hint, origin=diagnostics[0].origin if diagnostics else None)
        self.diagnostics = tuple(diagnostics)


class ConfigError(UserError):
    """An option, a variable or trimtab.yaml is wrong."""

    default_code = "TT0100"


class PolicyDenied(UserError):
    """A guard refused the plan."""

    default_code = "TT3000"


class BuildFailed(UserError):
    """A Dockerfile's instruction failed; ``log_tail`` holds the last lines of its output."""

    default_code = "TT4000"

    def __init__(
        self,
        message: str,
        *,
        instruction: str = "",
        log_tail: Sequence[str] = (),
        hint: str = "",
        origin: Origin | None = None,
    ) -> None:
        super().__init__(message, hint=hint, origin=origin)
        self.instruction = instruction
        self.log_tail = tuple(log_tail)


class UnhealthyRelease(UserError):
    """A container of a new release exited or did not become healthy in time."""

    default_code = "TT5000"

    def __init__(
        self, message: str, *, log_tail: Sequence[str] = (), hint: str = "", origin: Origin | None = None
    ) -> None:
        super().__init__(message, hint=hint, origin=origin)
        self.log_tail = tuple(log_tail)


class UpdateHeld(UnhealthyRelease):
    """A service's update failed, and its failure_action or max_failure_ratio keeps the rest as it is."""

    default_code = "TT5001"


class UpdateTakenBack(UnhealthyRelease):
    """A service's update failed, and its ``failure_action: rollback`` takes the release back."""

    default_code = "TT5002"


class UnsupportedByBackend(UserError):
    """The backend cannot carry out what the manifest asks for."""

    default_code = "TT2000"


class WaitingError(TrimtabError):
    """Nothing is wrong; something else has to happen first."""


class DependencyNotReady(WaitingError):
    """Another application has to be healthy first."""

    default_code = "TT3100"


class ApprovalNeeded(WaitingError):
    """A person has to approve this very plan."""

    default_code = "TT3200"


class OutsideWindow(WaitingError):
    """A sync window is closed now."""

    default_code = "TT3300"


class LockHeld(WaitingError):
    """Another controller with this installation id works on this engine."""

    default_code = "TT3400"


class TransientError(TrimtabError):
    """Trying again later may help."""


class GitUnavailable(TransientError):
    """A Git remote does not answer, or refuses."""

    default_code = "TT6000"


class BackendUnavailable(TransientError):
    """The engine does not answer."""

    default_code = "TT6100"


class RegistryUnavailable(TransientError):
    """An image cannot be fetched now."""

    default_code = "TT6200"


class RateLimited(TransientError):
    """The other side asked to come back in ``after_s`` seconds."""

    default_code = "TT6300"

    def __init__(self, message: str, *, after_s: float, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.after_s = after_s


class DeadlineExceeded(TransientError):
    """An operation took longer than its deadline."""

    default_code = "TT6400"


class Conflict(TransientError):
    """The world changed under a step; observing again will tell."""

    default_code = "TT6500"


class StalePlan(TransientError):
    """A saved plan no longer matches Git or the engine."""

    default_code = "TT6600"


class InternalError(TrimtabError):
    """A defect of ours; it is logged, counted and survived."""

    default_code = "TT9000"
