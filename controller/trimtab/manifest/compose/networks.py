"""Top-level networks, and how a service joins them. Source: Compose Specification, 06-networks.md."""

from __future__ import annotations

from trimtab.manifest.compose.keyvalues import LABELS, OPTIONS
from trimtab.manifest.compose.scalars import BOOLEAN, INTEGER, PLAIN
from trimtab.manifest.compose.shapes import Field, Items, Record, Values, text
from trimtab.manifest.compose.volumes import Resource

ENDPOINTS = Values(
    Record(
        {
            "aliases": PLAIN,
            "driver_opts": OPTIONS,
            "gw_priority": INTEGER,
            "interface_name": PLAIN,
            "ipv4_address": PLAIN,
            "ipv6_address": PLAIN,
            "link_local_ips": PLAIN,
            "mac_address": PLAIN,
            "priority": INTEGER,
        }
    ),
    names=lambda name: text(None, name),
)

NETWORK = Resource(
    {
        "name": PLAIN,
        "driver": PLAIN,
        "driver_opts": OPTIONS,
        "ipam": Record(
            {
                "driver": PLAIN,
                "config": Items(Record({"subnet": PLAIN, "gateway": PLAIN, "ip_range": PLAIN, "aux_addresses": PLAIN})),
                "options": PLAIN,
            },
            hidden=("options",),
        ),
        "external": BOOLEAN,
        "internal": BOOLEAN,
        "attachable": BOOLEAN,
        "labels": LABELS,
        "enable_ipv4": Field(BOOLEAN, keep=True),
        "enable_ipv6": Field(BOOLEAN, keep=True),
    },
    always=("ipam",),
)
