"""How many containers, with which resources, replaced in which way. Source: Compose Specification, deploy.md."""

from __future__ import annotations

from trimtab.manifest.compose.keyvalues import LABELS
from trimtab.manifest.compose.limits import DEVICE_REQUESTS, GENERIC_RESOURCES
from trimtab.manifest.compose.scalars import DURATION, INTEGER, NATURAL, NUMBER, PLAIN, Size
from trimtab.manifest.compose.shapes import Field, Items, Record

_MEMORY = Size(text_only=True)
_ROLLING = Record(
    {
        "parallelism": Field(NATURAL, keep=True),
        "delay": DURATION,
        "failure_action": PLAIN,
        "monitor": DURATION,
        "max_failure_ratio": NUMBER,
        "order": PLAIN,
    }
)

DEPLOY = Record(
    {
        "mode": PLAIN,
        "endpoint_mode": PLAIN,
        "replicas": Field(INTEGER, keep=True),
        "labels": LABELS,
        "update_config": _ROLLING,
        "rollback_config": _ROLLING,
        "resources": Record(
            {
                "limits": Record({"cpus": NUMBER, "memory": _MEMORY, "pids": INTEGER}),
                "reservations": Record(
                    {
                        "cpus": NUMBER,
                        "memory": _MEMORY,
                        "generic_resources": GENERIC_RESOURCES,
                        "devices": DEVICE_REQUESTS,
                    }
                ),
            }
        ),
        "restart_policy": Record(
            {
                "condition": PLAIN,
                "delay": Field(DURATION, keep=True),
                "max_attempts": Field(NATURAL, keep=True),
                "window": Field(DURATION, keep=True),
            }
        ),
        "placement": Record(
            {"constraints": PLAIN, "preferences": Items(Record({"spread": PLAIN})), "max_replicas_per_node": NATURAL}
        ),
    },
    always=("resources", "placement"),
)
