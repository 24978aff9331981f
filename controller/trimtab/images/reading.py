"""One compose ``build`` while it is read: its tree, its places, and the problems found so far. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from trimtab.images.codes import BuildCode
from trimtab.images.values import WrongValueError
from trimtab.model.diagnostics import Diagnostic, Origin, Severity
from trimtab.model.snapshot import Tree

T = TypeVar("T")


@dataclass(slots=True)
class Reading:
    """One ``build`` being read: its tree, and the problems found so far."""

    tree: Tree
    build: Mapping[str, object]
    origin: Origin
    where: Callable[[str], Origin | None] | None
    problems: list[Diagnostic] = field(default_factory=list)

    def place(self, attribute: str) -> Origin:
        """Where an attribute stands."""
        return (self.where(attribute) if self.where else None) or self.origin

    def report(
        self, code: BuildCode, attribute: str, message: str, hint: str = "", severity: Severity = Severity.ERROR
    ) -> None:
        """Add one problem, at the attribute's place."""
        self.problems.append(
            Diagnostic(severity=severity, code=code, message=message, origin=self.place(attribute), hint=hint)
        )

    def value(self, attribute: str, convert: Callable[[object], T]) -> T:
        """The attribute, converted; a diagnostic, and what None converts to, where it cannot be."""
        try:
            return convert(self.build.get(attribute))
        except WrongValueError as error:
            # Asked for at several places, told once.
            if not any(p.code == BuildCode.BAD_ATTRIBUTE and p.origin == self.place(attribute) for p in self.problems):
                self.report(BuildCode.BAD_ATTRIBUTE, attribute, f"build.{attribute} {error}")
            return convert(None)
