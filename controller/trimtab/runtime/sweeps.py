"""A commit that takes many applications out of Git at once: meant, or a bad merge, a moved directory, a broken script.

Within an application the guard holds a prune of most of it; this is the same rule, one level up. What is held stays so
until it is approved or comes back, also when by then few enough of the others are left.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TypeVar

from trimtab.model.change import Verb
from trimtab.model.diagnostics import Diagnostic, Origin, Severity
from trimtab.model.keys import AppKey, Kind
from trimtab.model.plan import Decision, Verdict
from trimtab.plan.guards.holds import PRUNE_COUNT, PRUNE_SHARE
from trimtab.ports import Holds
from trimtab.runtime.catalog import Catalog
from trimtab.runtime.planner import Look
from trimtab.runtime.views import View

StepT = TypeVar("StepT")


class Sweeps:
    """Counts what a repository no longer declares. Safe from any thread."""

    def __init__(self, catalog: Catalog, holds: Holds) -> None:
        self._catalog = catalog
        self._holds = holds
        self._swept: dict[AppKey, str] = {}
        self._lock = threading.Lock()

    def held(self, look: Look[StepT], view: View) -> Look[StepT]:
        """The same look, held when the application goes with most of its repository and nobody has approved it."""
        why = self._why(view)
        removes = any(c.verb is Verb.DELETE and c.key.kind is Kind.CONTAINER for c in look.plan.changes)
        if not why or not removes or look.verdict.decision is not Decision.GO:
            return look
        if self._holds.approved(look.plan.id) is not None:
            return look
        diagnostic = Diagnostic(
            severity=Severity.ERROR,
            code="TT3209",
            message=f"{view.key} would be removed: {why}",
            origin=Origin(str(view.key)),
            hint=f"bring it back in Git, or approve this plan: trimtab approve {view.key} {look.plan.id[:12]}",
        )
        verdict = Verdict(
            decision=Decision.HOLD, diagnostics=(*look.verdict.diagnostics, diagnostic), waits_for="approval"
        )
        return replace(look, verdict=verdict)

    def _why(self, view: View) -> str:
        with self._lock:
            if not view.removed:
                self._swept.pop(view.key, None)
                return ""
            if view.key not in self._swept:
                self._swept |= self._found(view)
            return self._swept.get(view.key, "")

    def _found(self, view: View) -> dict[AppKey, str]:
        """All that go together with this one, if they are many, and what to say of each."""
        owner = self._catalog.owner(view.key)
        siblings = [v for v in self._catalog.views() if v.prune and self._catalog.owner(v.key) is owner]
        gone = [v.key for v in siblings if v.removed]
        if len(gone) <= PRUNE_COUNT or len(gone) <= len(siblings) * PRUNE_SHARE:
            return {}
        why = f"{len(gone)} of {len(siblings)} applications of its repository are gone from Git at {view.revision[:7]}"
        return dict.fromkeys(gone, why)
