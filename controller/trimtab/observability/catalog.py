"""Every metric there is: its name (without ``trimtab_``), kind, labels and help. Names follow Argo CD's and Flux's."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class MetricKind(StrEnum):
    """Prometheus' kinds that are in use."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. ``current``: of its series, one label set is true for each ``current`` labels; older ones go."""

    name: str
    kind: MetricKind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    current: tuple[str, ...] = ()


# Seconds: from an engine call to a pass that had something to do.
_QUICK = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# Seconds: builds, and from push to healthy.
_LONG = (0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)

# A step of this name is measured a second time under a name of its own, by its status.
STEP_METRICS = {"BuildImage": "build_seconds"}

_COUNTER, _GAUGE, _HISTOGRAM = MetricKind.COUNTER, MetricKind.GAUGE, MetricKind.HISTOGRAM
_APP = ("name", "namespace")

METRICS = (
    Metric(
        "app_info",
        _GAUGE,
        "1 for the present standing of each application.",
        (*_APP, "sync_status", "health_status"),
        current=_APP,
    ),
    Metric("app_reconcile_seconds", _HISTOGRAM, "Duration of passes.", buckets=_QUICK),
    Metric("app_reconcile_total", _COUNTER, "Passes by what follows them.", ("result",)),
    Metric("app_sync_total", _COUNTER, "Syncs by how they ended.", (*_APP, "phase")),
    Metric("build_seconds", _HISTOGRAM, "Duration of image builds.", ("result",), buckets=_LONG),
    Metric("drift_contended_total", _COUNTER, "Fields that were put right time and again.", ("kind", "field")),
    Metric("drift_total", _COUNTER, "Differences from Git that nobody pushed.", ("kind", "field")),
    Metric("engine_call_seconds", _HISTOGRAM, "Duration of calls to the engine.", ("method",), buckets=_QUICK),
    Metric("engine_calls_total", _COUNTER, "Calls to the engine.", ("method", "code")),
    Metric("engine_events_total", _COUNTER, "Events of the engine that concern us.", ("kind", "action")),
    Metric("events_dropped_total", _COUNTER, "Events that a slow reader of the stream missed."),
    Metric("events_total", _COUNTER, "Events by reason.", ("reason", "type")),
    Metric("git_fetch_fail_total", _COUNTER, "Failed requests to Git remotes.", ("repo",)),
    Metric(
        "git_request_duration_seconds",
        _HISTOGRAM,
        "Duration of requests to Git remotes.",
        ("repo", "request_type"),
        _QUICK,
    ),
    Metric("git_request_total", _COUNTER, "Requests to Git remotes.", ("repo", "request_type")),
    Metric("internal_errors_total", _COUNTER, "Defects of Trimtab that were met and survived."),
    Metric("step_seconds", _HISTOGRAM, "Duration of a plan's steps.", ("step", "status"), buckets=_QUICK),
    Metric("steps_abandoned_total", _COUNTER, "Steps that did not come back in time.", ("step",)),
    Metric("store_degraded", _GAUGE, "1 while nothing is written to the disk."),
    Metric(
        "time_to_deploy_seconds", _HISTOGRAM, "From the commit being seen to the release being healthy.", _APP, _LONG
    ),
    Metric("workqueue_adds_total", _COUNTER, "What was added to the work queue.", ("trigger",)),
    Metric("workqueue_depth", _GAUGE, "Applications that are due and wait for a worker."),
    Metric("workqueue_retries_total", _COUNTER, "Passes that were put off after a failure."),
    Metric("workqueue_wait_seconds", _HISTOGRAM, "How long what was due waited for a worker.", buckets=_QUICK),
)
