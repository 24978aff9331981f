"""docs/reference/metrics.md is the catalog, word for word; this module, run as a program, writes it."""

from __future__ import annotations

from pathlib import Path

from trimtab.observability.catalog import METRICS, MetricKind
from trimtab.observability.metrics import PREFIX

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "metrics.md"


def page() -> str:
    rows = [
        f"| `{PREFIX}_{metric.name}` | {metric.kind.value} | "
        f"{', '.join(f'`{label}`' for label in metric.labels)} | {metric.help} |"
        for metric in sorted(METRICS, key=lambda metric: metric.name)
    ]
    return "\n".join(
        [
            "# Metrics",
            "",
            "Served at `/metrics` of the controller's listener in Prometheus' text format. A histogram has the series",
            "`_bucket`, `_sum` and `_count`. Names follow Argo CD's and Flux's: a known dashboard only needs a new",
            "prefix.",
            "",
            "| Name | Kind | Labels | Meaning |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def test_the_page_is_the_catalog() -> None:
    assert PAGE.read_text("utf-8") == page(), "run: python -m tests.unit.observability.test_metrics_page"


def test_counters_are_named_as_prometheus_wants_them() -> None:
    for metric in METRICS:
        assert metric.name.endswith("_total") == (metric.kind is MetricKind.COUNTER), metric.name


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
