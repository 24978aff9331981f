"""A plan as JSON-like data: the stable contract that text and markdown are read from, too. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from trimtab.model.change import Change, Disruption, FieldChange
from trimtab.model.diagnostics import Diagnostic
from trimtab.model.plan import Plan, Verdict
from trimtab.plan.render.rollout import rollout_document

StepT = TypeVar("StepT")
FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanHeader:
    """What stands above a plan: where the application is, and where it would go."""

    app: str
    ref: str = ""
    revision: str = ""
    subject: str = ""
    author: str = ""
    age_s: float | None = None
    applied_revision: str = ""
    health: str = ""


def plan_document(plan: Plan[StepT], header: PlanHeader, verdict: Verdict | None = None) -> dict[str, object]:
    """Everything of a plan that can be shown; no secret is in it."""
    return {
        "formatVersion": FORMAT_VERSION,
        "planId": plan.id,
        "app": header.app,
        "target": plan.target,
        "ref": header.ref,
        "revision": plan.revision,
        "subject": header.subject,
        "author": header.author,
        "appliedRevision": header.applied_revision,
        "desiredDigest": plan.desired_digest,
        "observedDigest": plan.observed_digest,
        "empty": plan.empty,
        "changes": [change_document(change) for change in plan.changes],
        "steps": len(plan.nodes),
        "verdict": verdict.decision.value if verdict else "go",
        "diagnostics": diagnostics_document((*plan.diagnostics, *(verdict.diagnostics if verdict else ()))),
    }


def change_document(change: Change) -> dict[str, object]:
    """One change."""
    return {
        "verb": change.verb.value,
        "kind": change.key.kind.value,
        "name": change.name,
        "resource": str(change.key),
        "reason": change.reason.value,
        "detail": change.detail,
        "downtime": {
            Disruption.NONE: "none",
            Disruption.ROLLING: "none",
            Disruption.RESTART: "restart",
            Disruption.REPLACE: "replace",
        }[change.disruption],
        "order": change.order.value if change.order else None,
        "orderReason": change.order_reason or None,
        "rollout": rollout_document(change),
        "dataLoss": change.loses_data,
        "approval": change.approval or None,
        "copiedFrom": change.source.name if change.source else None,
        "leavesVolumes": list(change.leaves),
        "origin": str(change.origin) if change.origin else None,
        "fields": [field_document(field) for field in change.fields],
    }


def field_document(field: FieldChange) -> dict[str, object]:
    """One field of a change; a secret's values are its fingerprints."""
    return {
        "path": field.path,
        "attribute": field.attribute,
        "before": field.before,
        "after": field.after,
        "inPlace": field.in_place,
        "sensitive": field.sensitive,
        "origin": str(field.origin) if field.origin else None,
    }


def diagnostics_document(diagnostics: Sequence[Diagnostic]) -> list[dict[str, object]]:
    """Diagnostics, once each, in the order of their places."""
    unique = sorted(set(diagnostics), key=lambda d: (d.origin, d.code, d.message))
    return [
        {
            "severity": d.severity.value,
            "code": d.code,
            "message": d.message,
            "hint": d.hint,
            "path": d.origin.path,
            "line": d.origin.line,
            "column": d.origin.column,
        }
        for d in unique
    ]
