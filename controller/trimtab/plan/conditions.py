"""A status as Kubernetes' tools read one: conditions, derived from the status alone. Pure.

Source: Flux's kstatus conditions; those that tell of trouble are there only while it lasts.
"""

from __future__ import annotations

from datetime import datetime

from trimtab.model.status import AppCondition, AppStatus, HealthStatus, Phase, SyncStatus


def conditions_of(status: AppStatus, before: AppStatus | None, now: datetime) -> tuple[AppCondition, ...]:
    """All that hold now; a time moves only when a condition's status flips."""
    running = status.phase is Phase.RUNNING
    ready = status.sync is SyncStatus.SYNCED and status.health is HealthStatus.HEALTHY
    stalled = status.phase in {Phase.FAILED, Phase.ERROR}
    progressing = running or status.health is HealthStatus.PROGRESSING
    wanted = [
        (
            "Ready",
            "True" if ready else "Unknown" if progressing else "False",
            "ReconciliationSucceeded" if ready else "Progressing" if progressing else "ReconciliationFailed",
        ),
        ("Healthy", "True" if status.health is HealthStatus.HEALTHY else "False", status.health.value),
    ]
    # Negative ones are there only while they are true, as kstatus reads them.
    if progressing:
        wanted.append(("Reconciling", "True", "Progressing"))
    if stalled:
        wanted.append(("Stalled", "True", status.phase.value if status.phase else "Failed"))
    if status.contended:
        wanted.append(("DriftContended", "True", "FoughtOver"))
    old = {c.type: c for c in before.conditions} if before is not None else {}
    return tuple(
        AppCondition(
            type=kind,
            status=value,
            reason=reason,
            message=status.message,
            changed_at=old[kind].changed_at if kind in old and old[kind].status == value else now,
        )
        for kind, value, reason in wanted
    )
