"""Statuses, releases and events as JSON-like data, in Argo CD's words: what commands and the HTTP API show. Pure."""

from __future__ import annotations

from datetime import datetime

from trimtab.model.records import Release, StoredEvent, TaskRun
from trimtab.model.status import AppStatus


def _time(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None


def status_document(status: AppStatus) -> dict[str, object]:
    """One application's status."""
    return {
        "name": status.app.name,
        "namespace": status.app.namespace,
        "destination": status.target,
        "sync": {"status": status.sync.value, "revision": status.desired_revision},
        "health": {"status": status.health.value, "message": status.message},
        "operationState": {"phase": status.phase.value if status.phase else None, "message": status.message},
        "message": status.message,
        "suspended": status.suspended or None,
        "desiredRevision": status.desired_revision,
        "appliedRevision": status.applied_revision,
        "healthyRevision": status.healthy_revision,
        "failedRevision": status.failed_revision,
        "since": _time(status.since),
        "observedAt": _time(status.observed_at),
        "resources": [
            {
                "kind": r.key.kind.value,
                "name": r.name,
                "resource": r.key.name,
                "replica": r.key.replica,
                "status": r.sync.value,
                "health": {"status": r.health.value, "message": r.message},
            }
            for r in status.resources
        ],
        "conditions": [
            {
                "type": c.type,
                "status": c.status,
                "reason": c.reason,
                "message": c.message,
                "lastTransitionTime": _time(c.changed_at),
            }
            for c in status.conditions
        ],
    }


def release_document(release: Release) -> dict[str, object]:
    """One entry of a history."""
    return {
        "id": release.id,
        "revision": release.revision,
        "subject": release.subject,
        "author": release.author,
        "planId": release.plan_id,
        "phase": release.phase.value,
        "message": release.message,
        "trigger": release.trigger,
        "initiatedBy": release.initiated_by,
        "deployStartedAt": _time(release.started_at),
        "deployedAt": _time(release.finished_at),
        "images": dict(sorted(release.images.items())),
    }


def run_document(run: TaskRun) -> dict[str, object]:
    """One run of a hook or job, without its log."""
    return {
        "name": run.name,
        "kind": run.kind.value,
        "task": run.task,
        "cause": run.cause,
        "outcome": run.outcome.value,
        "exitCode": run.exit_code,
        "message": run.message,
        "revision": run.revision,
        "startedAt": _time(run.started_at),
        "finishedAt": _time(run.finished_at),
    }


def event_document(stored: StoredEvent) -> dict[str, object]:
    """One event."""
    event = stored.event
    return {
        "id": stored.id,
        "at": _time(event.at),
        "app": str(event.app) if event.app else None,
        "type": event.type.value,
        "reason": event.reason,
        "message": event.message,
        "revision": event.revision,
        "fields": dict(event.fields),
    }
