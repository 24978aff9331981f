"""Measures that follow from an event, so that who tells of it need not count it as well."""

from __future__ import annotations

from collections.abc import Mapping

from trimtab.model.events import Event
from trimtab.ports import Meter


def count_event(meter: Meter, event: Event) -> None:
    """Count one event, and what it says about drift or the store."""
    meter.count("events_total", reason=event.reason, type=event.type.value)
    match event.reason:
        case "DriftDetected":
            kind, fields = str(event.fields.get("kind", "")), event.fields.get("fields")
            names = sorted(fields) if isinstance(fields, Mapping) else []
            # An object that is gone or stopped has no fields: then the reason stands in their place.
            for name in names or [str(event.fields.get("reason", ""))]:
                meter.count("drift_total", kind=kind, field=str(name))
        case "DriftContended":
            meter.count(
                "drift_contended_total",
                kind=str(event.fields.get("kind", "")),
                field=str(event.fields.get("attribute", "")),
            )
        case "StoreDegraded":
            meter.gauge("store_degraded", 1)
        case "StoreRecovered" | "StoreRebuilt":
            meter.gauge("store_degraded", 0)
