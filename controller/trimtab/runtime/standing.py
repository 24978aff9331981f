"""Where an application stands after a pass that changed nothing, in words. Decides nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from trimtab.errors import TrimtabError, UnhealthyRelease, UpdateHeld, UpdateTakenBack
from trimtab.model.change import Change, Reason, Verb
from trimtab.model.diagnostics import Diagnostic
from trimtab.model.status import AppStatus, HealthStatus, Phase, SyncStatus
from trimtab.plan import status as judge
from trimtab.runtime.planner import Look
from trimtab.runtime.target import Target
from trimtab.runtime.views import View

StepT = TypeVar("StepT")
# A failed rollout makes an application Degraded even while its previous release runs well; a failed build does not.
UNHEALTHY_CODES = tuple(error.default_code for error in (UnhealthyRelease, UpdateHeld, UpdateTakenBack))


def standing(
    base: AppStatus,
    look: Look[StepT],
    view: View,
    *,
    held: str,
    target: Target,
    trouble: TrimtabError | None,
) -> tuple[AppStatus, str]:
    """The status after it, and the reason of the event that says so."""
    health, message = judge.overall_health(base.resources)
    running_before = base.phase is Phase.RUNNING or base.phase is None
    now = replace(
        base,
        sync=judge.overall_sync(base.resources),
        health=health,
        message=message or _notes(look.plan.changes),
        phase=Phase.SUCCEEDED if running_before or look.plan.empty else base.phase,
    )
    if view.problems:
        problems = first(view.problems)
        return replace(now, sync=SyncStatus.UNKNOWN, message=problems, phase=Phase.ERROR), "ManifestInvalid"
    if target.substitute:
        said, phase = target.substitute, now.phase
        if target.rolls_back:
            said = f"{said}; the previous release {short(look.desired.revision)} keeps serving"
            phase = Phase.FAILED
        health = HealthStatus.DEGRADED if said.startswith(UNHEALTHY_CODES) else health
        return replace(now, sync=SyncStatus.OUT_OF_SYNC, health=health, message=said, phase=phase), ""
    if held.startswith("suspended"):
        return replace(now, health=HealthStatus.SUSPENDED, message=held, suspended=held), "Suspended"
    if held:
        # Its steps all succeeded; the release that they made did not.
        unwell = held.startswith(UNHEALTHY_CODES)
        health, phase = (HealthStatus.DEGRADED, Phase.FAILED) if unwell else (health, base.phase)
        return replace(now, health=health, message=held, phase=phase), "Held"
    if trouble is not None:
        # What runs is as it was last read; whether that is what Git says now, nobody knows.
        said = message or f"{trouble}; {short(look.desired.revision)} is held"
        return replace(now, sync=SyncStatus.UNKNOWN, message=said), ""
    return now, ""


def _notes(changes: tuple[Change, ...]) -> str:
    noted = {Reason.PROTECTED, Reason.IMMUTABLE_DATA, Reason.REPORTED}
    return "; ".join(f"{c.key.kind} {c.name}: {c.detail}" for c in changes if c.verb is Verb.KEEP and c.reason in noted)


def short(revision: str) -> str:
    """A revision as people are told it."""
    return revision[:7] or "working directory"


def first(problems: tuple[Diagnostic, ...]) -> str:
    """The first problem, and how many there are besides."""
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{problems[0]}{more}" if problems else ""
