"""An application that is gone from Git while a new one with the same services appears: most likely one and the same.

A directory that is renamed gives a plain compose application another name, so the old one would be removed, its volumes
left behind, and the new one begun empty. Both wait for a person then: to say that it is the same, or that it is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from trimtab.model.diagnostics import Diagnostic, Origin, Severity
from trimtab.model.keys import AppKey, Kind, ResourceKey
from trimtab.model.plan import Decision, Verdict
from trimtab.model.records import AppliedObject
from trimtab.ports import AppliedStates, Holds
from trimtab.runtime.catalog import Catalog
from trimtab.runtime.planner import Look
from trimtab.runtime.views import View

StepT = TypeVar("StepT")


class Renames:
    """Looks for the other half of what may be a rename. ``applied`` is what each application has on the engine."""

    def __init__(self, catalog: Catalog, applied: AppliedStates, holds: Holds) -> None:
        self._catalog = catalog
        self._applied = applied
        self._holds = holds

    def held(self, look: Look[StepT], view: View) -> Look[StepT]:
        """The same look, held when it is half of what may be a rename and nobody has approved it."""
        if look.plan.empty or look.verdict.decision is not Decision.GO:
            return look
        old, new = self._old(view), self._new(view)
        other = old or new
        if other is None or self._holds.approved(look.plan.id) is not None:
            return look
        was, now = (other, view) if old is not None else (view, other)
        diagnostic = Diagnostic(
            severity=Severity.ERROR,
            code="TT3205",
            message=f"{was.key} is gone from Git, and {now.key}, with the same services, is new: its volumes would stay"
            f" behind, and {now.key} would begin with empty ones",
            origin=now.application.origin if now.application is not None else Origin(str(view.key)),
            hint=f"if it is the same application, say so: 'name: {was.key.name}' in its compose file, or metadata.name"
            f" of its Application; if not, approve this plan: trimtab approve {view.key} {look.plan.id[:12]}",
        )
        verdict = Verdict(
            decision=Decision.HOLD, diagnostics=(*look.verdict.diagnostics, diagnostic), waits_for="approval"
        )
        return replace(look, verdict=verdict)

    def _old(self, view: View) -> View | None:
        """What a new application may have been called before."""
        if view.application is None or view.removed or self._applied.objects(view.key):
            return None
        services = frozenset(view.application.compose.services)
        return next((v for v in self._others(view) if v.removed and self._had(v.key) == services), None)

    def _new(self, view: View) -> View | None:
        """What an application that is gone may be called now."""
        services = self._had(view.key) if view.removed else frozenset()
        return next(
            (
                v
                for v in self._others(view)
                if services
                and v.application is not None
                and not v.removed
                and frozenset(v.application.compose.services) == services
                and not self._applied.objects(v.key)
            ),
            None,
        )

    def _others(self, view: View) -> tuple[View, ...]:
        owner = self._catalog.owner(view.key)
        return tuple(v for v in self._catalog.views() if v.key != view.key and self._catalog.owner(v.key) is owner)

    def _had(self, key: AppKey) -> frozenset[str]:
        """The services of an application that has volumes; none of one that has no data to lose."""
        objects: Mapping[ResourceKey, AppliedObject] = self._applied.objects(key)
        if not any(found.kind is Kind.VOLUME for found in objects):
            return frozenset()
        return frozenset(found.name for found in objects if found.kind is Kind.CONTAINER)
