"""ports.Meter over prometheus-client, which is imported when the first meter is made and not before."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import structlog

from trimtab.observability.catalog import METRICS, STEP_METRICS, Metric, MetricKind

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

PREFIX = "trimtab"

_log = structlog.get_logger(__name__)


class Metrics:
    """All metrics of the catalog in one registry. A name or label that is not in it is logged once and dropped."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self.registry = registry if registry is not None else CollectorRegistry()
        self._lock = threading.Lock()
        self._refused: set[tuple[str, ...]] = set()
        self._metrics: dict[str, tuple[Metric, Any]] = {}
        # For metrics of which one label set is true: which one it was.
        self._current: dict[tuple[str, ...], Mapping[str, str]] = {}
        for metric in METRICS:
            shared: dict[str, Any] = {"labelnames": metric.labels, "namespace": PREFIX, "registry": self.registry}
            made: Any
            if metric.kind is MetricKind.COUNTER:
                made = Counter(metric.name, metric.help, **shared)
            elif metric.kind is MetricKind.GAUGE:
                made = Gauge(metric.name, metric.help, **shared)
            else:
                made = Histogram(metric.name, metric.help, **shared, buckets=metric.buckets)
            self._metrics[metric.name] = metric, made

    def count(self, name: str, amount: float = 1.0, /, **labels: str) -> None:
        """Add to a counter."""
        if (series := self._series(name, MetricKind.COUNTER, labels)) is not None:
            series.inc(amount)

    def gauge(self, name: str, value: float, /, **labels: str) -> None:
        """Set a gauge; of ``app_info`` and its like, what was true before is removed."""
        metric = self._metrics[name][0] if name in self._metrics else None
        if metric is not None and metric.current and set(labels) == set(metric.labels):
            self._forget_former(metric, labels)
        if (series := self._series(name, MetricKind.GAUGE, labels)) is not None:
            series.set(value)

    def observe(self, name: str, value: float, /, **labels: str) -> None:
        """Add one value to a histogram."""
        if (series := self._series(name, MetricKind.HISTOGRAM, labels)) is not None:
            series.observe(value)
        if name == "step_seconds" and (also := STEP_METRICS.get(labels.get("step", ""))) is not None:
            self.observe(also, value, result=labels.get("status", ""))

    def forget(self, name: str, /, **current: str) -> None:
        """Remove the present label set of ``app_info`` and its like: the application is gone."""
        metric, made = self._metrics[name]
        with self._lock:
            former = self._current.pop((name, *(current[label] for label in metric.current)), None)
            if former is not None:
                made.remove(*(former[label] for label in metric.labels))

    def render(self) -> tuple[bytes, str]:
        """The exposition and its content type, for /metrics."""
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        return generate_latest(self.registry), CONTENT_TYPE_LATEST

    def _forget_former(self, metric: Metric, labels: Mapping[str, str]) -> None:
        identity = (metric.name, *(labels[label] for label in metric.current))
        with self._lock:
            former = self._current.get(identity)
            if former is not None and former != labels:
                self._metrics[metric.name][1].remove(*(former[label] for label in metric.labels))
            self._current[identity] = dict(labels)

    def _series(self, name: str, kind: MetricKind, labels: Mapping[str, str]) -> Any:
        known = self._metrics.get(name)
        if known is None or known[0].kind is not kind or set(labels) != set(known[0].labels):
            self._refuse(name, kind, labels)
            return None
        metric, made = known
        return made.labels(*(labels[label] for label in metric.labels)) if metric.labels else made

    def _refuse(self, name: str, kind: MetricKind, labels: Mapping[str, str]) -> None:
        identity = (name, kind.value, *sorted(labels))
        with self._lock:
            new = identity not in self._refused
            self._refused.add(identity)
        if new:
            _log.error("no such metric", metric=name, kind=kind.value, labels=sorted(labels))
