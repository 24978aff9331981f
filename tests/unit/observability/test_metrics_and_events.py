"""Metrics by the catalog, and events that reach everyone, whatever one of them does."""

from __future__ import annotations

import ast
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

import trimtab
from trimtab.model.events import Event, EventType
from trimtab.model.keys import AppKey
from trimtab.model.records import StoredEvent
from trimtab.observability.catalog import METRICS, MetricKind
from trimtab.observability.events import EventFanOut
from trimtab.observability.metrics import Metrics
from trimtab.observability.redaction import Redactor

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def sample(metrics: Metrics, name: str, /, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_counters_gauges_and_histograms_have_our_prefix() -> None:
    metrics = Metrics()
    metrics.count("app_sync_total", name="shop", namespace="default", phase="Succeeded")
    metrics.gauge("workqueue_depth", 3)
    metrics.observe("step_seconds", 0.2, step="StartContainer", status="succeeded")
    assert sample(metrics, "trimtab_app_sync_total", name="shop", namespace="default", phase="Succeeded") == 1
    assert sample(metrics, "trimtab_workqueue_depth") == 3
    assert sample(metrics, "trimtab_step_seconds_count", step="StartContainer", status="succeeded") == 1
    body, content_type = metrics.render()
    assert b"trimtab_workqueue_depth 3.0" in body
    assert content_type.startswith("text/plain")


def test_an_application_has_one_standing_at_a_time() -> None:
    metrics = Metrics()
    shop = {"name": "shop", "namespace": "default"}
    metrics.gauge("app_info", 1, **shop, sync_status="Synced", health_status="Healthy")
    metrics.gauge("app_info", 1, **shop, sync_status="Synced", health_status="Healthy")
    metrics.gauge("app_info", 1, **shop, sync_status="OutOfSync", health_status="Degraded")
    metrics.gauge("app_info", 1, name="blog", namespace="default", sync_status="Synced", health_status="Healthy")
    assert sample(metrics, "trimtab_app_info", **shop, sync_status="Synced", health_status="Healthy") is None
    assert sample(metrics, "trimtab_app_info", **shop, sync_status="OutOfSync", health_status="Degraded") == 1
    metrics.forget("app_info", **shop)
    metrics.forget("app_info", **shop)
    assert b'name="shop"' not in metrics.render()[0]
    assert b'name="blog"' in metrics.render()[0]


def test_a_metric_that_is_not_in_the_catalog_does_no_harm(capsys: pytest.CaptureFixture[str]) -> None:
    metrics = Metrics()
    for _ in range(3):
        metrics.count("nonsense_total")
        metrics.count("workqueue_depth")
        metrics.gauge("workqueue_depth", 1, colour="blue")
    assert capsys.readouterr().out.count("no such metric") == 3


def _uses() -> Iterator[tuple[str, str, frozenset[str] | None]]:
    """(method, name, labels) of every use of a meter in the source; labels None when given by ``**``."""
    for path in Path(trimtab.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
                continue
            if node.func.attr not in {"count", "gauge", "observe"} or "meter" not in ast.unparse(node.func.value):
                continue
            first = node.args[0]
            assert isinstance(first, ast.Constant), f"{path}: a metric's name is written where it is used"
            names = [keyword.arg for keyword in node.keywords]
            labels = None if None in names else frozenset(name for name in names if name is not None)
            yield node.func.attr, str(first.value), labels


@pytest.mark.slow
def test_every_metric_that_is_used_is_in_the_catalog_with_its_labels() -> None:
    methods = {MetricKind.COUNTER: "count", MetricKind.GAUGE: "gauge", MetricKind.HISTOGRAM: "observe"}
    known = {metric.name: metric for metric in METRICS}
    uses = list(_uses())
    assert uses
    for method, name, labels in uses:
        assert name in known, name
        assert method == methods[known[name].kind], name
        assert labels is None or labels == set(known[name].labels), name


def test_importing_the_meter_does_not_import_the_client() -> None:
    script = "import sys, trimtab.observability.metrics; sys.exit('prometheus_client' in sys.modules)"
    paths = ":".join(sys.path)
    subprocess.run([sys.executable, "-c", script], check=True, env={"PYTHONPATH": paths}, timeout=60)


# -- events ----------------------------------------------------------------------------------------------------------


class Log:
    def __init__(self) -> None:
        self.events: list[Event] = []
        self.broken = False

    def append(self, event: Event) -> int:
        if self.broken:
            raise RuntimeError("no")
        self.events.append(event)
        return len(self.events)

    def after(self, cursor: int, *, app: AppKey | None = None, limit: int = 500) -> tuple[StoredEvent, ...]:
        raise NotImplementedError

    def newest(self, *, app: AppKey | None = None, limit: int = 100) -> tuple[StoredEvent, ...]:
        raise NotImplementedError


def event(message: str = "m") -> Event:
    return Event(
        at=NOW,
        reason="Synced",
        message=message,
        app=AppKey("default", "shop"),
        type=EventType.WARNING,
        revision="4f2c1a9",
        fields={"why": message},
    )


def test_an_event_is_stored_counted_and_streamed_without_secrets() -> None:
    log, metrics = Log(), Metrics()
    sink = EventFanOut(log, metrics, Redactor(["hunter2"]))
    stream = sink.subscribe()
    sink.emit(event("the password is hunter2"))
    ((number, seen),) = stream.take(timeout_s=0)
    assert (number, seen.message, seen.fields) == (1, "the password is ***", {"why": "the password is ***"})
    assert log.events == [seen]
    assert sample(metrics, "trimtab_events_total", reason="Synced", type="Warning") == 1


def test_drift_and_the_state_of_the_store_are_counted_from_their_events() -> None:
    metrics = Metrics()
    sink = EventFanOut(Log(), metrics)
    drift = {"kind": "container", "reason": "drift", "fields": {"mem_limit": [1, 2], "restart": ["no", "always"]}}
    gone = {"kind": "network", "reason": "missing", "fields": {}}
    for fields in (drift, drift, gone):
        sink.emit(Event(at=NOW, reason="DriftDetected", message="m", fields=fields))
    assert sample(metrics, "trimtab_drift_total", kind="container", field="mem_limit") == 2
    assert sample(metrics, "trimtab_drift_total", kind="network", field="missing") == 1
    sink.emit(Event(at=NOW, reason="StoreDegraded", message="full"))
    assert sample(metrics, "trimtab_store_degraded") == 1
    sink.emit(Event(at=NOW, reason="StoreRecovered", message="back"))
    assert sample(metrics, "trimtab_store_degraded") == 0


def test_a_build_is_measured_under_its_own_name_as_well() -> None:
    metrics = Metrics()
    metrics.observe("step_seconds", 7, step="BuildImage", status="succeeded")
    assert sample(metrics, "trimtab_build_seconds_sum", result="succeeded") == 7


def test_a_slow_reader_loses_the_oldest_and_is_told() -> None:
    metrics = Metrics()
    sink = EventFanOut(Log(), metrics)
    slow, quick = sink.subscribe(backlog=2), sink.subscribe()
    for number in range(5):
        sink.emit(event(str(number)))
    assert [seen.message for _, seen in slow.take(timeout_s=0)] == ["3", "4"]
    assert (slow.missed(), slow.missed()) == (3, 0)
    assert len(quick.take(timeout_s=0)) == 5
    assert sample(metrics, "trimtab_events_dropped_total") == 3


def test_a_reader_waits_for_the_first_and_ends_when_closed() -> None:
    sink = EventFanOut(Log(), Metrics())
    stream = sink.subscribe()
    got: list[int] = []

    def read() -> None:
        while not stream.closed:
            got.extend(number for number, _ in stream.take(timeout_s=30))

    reader = threading.Thread(target=read)
    reader.start()
    sink.emit(event())
    sink.close()
    reader.join(20)
    assert not reader.is_alive()
    sink.emit(event())
    assert got in ([1], [])


def test_neither_a_broken_store_nor_a_broken_reader_stops_the_others() -> None:
    log = Log()
    log.broken = True
    sink = EventFanOut(log, Metrics())

    def broken() -> None:
        raise RuntimeError("the loop is closed")

    bad, good = sink.subscribe(broken), sink.subscribe()
    sink.emit(event())
    assert [number for number, _ in good.take(timeout_s=0)] == [0]
    assert bad.closed
