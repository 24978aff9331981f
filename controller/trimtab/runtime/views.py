"""An application as the catalog knows it at one moment: what Git says, or why that cannot be said."""

from __future__ import annotations

from dataclasses import dataclass

from trimtab.model.application import Application
from trimtab.model.diagnostics import Diagnostic
from trimtab.model.keys import AppKey
from trimtab.model.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One application.

    ``application`` with ``snapshot`` is the last good reading, current unless ``problems`` say why a newer
    commit (``revision``) cannot be used. ``removed``: a complete reading of its repository no longer has it.
    ``left``: what it depended on, and its wave, as it was last declared, once it is removed.
    """

    key: AppKey
    revision: str
    application: Application | None = None
    snapshot: Snapshot | None = None
    problems: tuple[Diagnostic, ...] = ()
    removed: bool = False
    prune: bool = True
    diagnostics: tuple[Diagnostic, ...] = ()
    left: tuple[tuple[AppKey, ...], int] = ((), 0)

    @property
    def depends_on(self) -> tuple[AppKey, ...]:
        """Applications that go before it."""
        return self.application.depends_on if self.application is not None else self.left[0]

    @property
    def wave(self) -> int:
        """Its place among the applications of its repository."""
        return self.application.wave if self.application is not None else self.left[1]

    @property
    def usable(self) -> bool:
        """Whether the newest commit can be carried out."""
        return not self.problems and (self.removed or self.application is not None)
