"""Problems found in inputs: many at once, each with a place, a code and a way out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from trimtab.model.sensitive import masked


class Severity(StrEnum):
    """How bad a diagnostic is; only an error stops an application."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True, order=True)
class Origin:
    """A place in a file: repository-relative POSIX path, 1-based line and column (0: not known)."""

    path: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        parts = [self.path, *(str(n) for n in (self.line, self.column) if n)]
        return ":".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One problem in one place; ``length`` is the number of columns to underline."""

    severity: Severity
    code: str
    message: str
    origin: Origin
    hint: str = ""
    length: int = 1

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.origin}: {self.severity} {self.code}: {self.message}{hint}"


def without(diagnostics: Iterable[Diagnostic], values: tuple[str, ...]) -> tuple[Diagnostic, ...]:
    """The same problems, told without any of ``values``, which are secret; give the longest first."""
    if not values:
        return tuple(diagnostics)
    return tuple(
        replace(one, message=masked(one.message, values), hint=masked(one.hint, values)) for one in diagnostics
    )


def has_errors(diagnostics: tuple[Diagnostic, ...]) -> bool:
    """Whether any of them stops an application."""
    return any(d.severity is Severity.ERROR for d in diagnostics)
