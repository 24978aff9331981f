"""How a service's image is built. Source: Compose Specification, build.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trimtab.manifest.compose.files import BUILD_SECRET
from trimtab.manifest.compose.keyvalues import CONTEXTS, ENVIRONMENT, HOSTS, LABELS, SshKeys
from trimtab.manifest.compose.limits import ULIMITS
from trimtab.manifest.compose.scalars import BOOLEAN, PLAIN, SIZE, TEXT
from trimtab.manifest.compose.shapes import Items, Record, from_text, text
from trimtab.manifest.nodes import MappingNode, Node

if TYPE_CHECKING:
    from collections.abc import Mapping


def _defaults(node: MappingNode) -> Mapping[str, Node]:
    defaults: dict[str, Node] = {"context": text(".", node)}
    if "dockerfile_inline" not in node.items:
        defaults["dockerfile"] = text("Dockerfile", node)
    return defaults


BUILD = Record(
    {
        "context": PLAIN,
        "dockerfile": PLAIN,
        "dockerfile_inline": PLAIN,
        "entitlements": PLAIN,
        "args": ENVIRONMENT,
        "ssh": SshKeys(),
        "labels": LABELS,
        "cache_from": PLAIN,
        "cache_to": PLAIN,
        "no_cache": BOOLEAN,
        "additional_contexts": CONTEXTS,
        "network": PLAIN,
        "provenance": TEXT,
        "sbom": TEXT,
        "pull": BOOLEAN,
        "target": PLAIN,
        "shm_size": SIZE,
        "extra_hosts": HOSTS,
        "isolation": PLAIN,
        "privileged": BOOLEAN,
        "secrets": Items(BUILD_SECRET),
        "tags": PLAIN,
        "ulimits": ULIMITS,
        "platforms": PLAIN,
    },
    short=from_text("context"),
    defaults=_defaults,
)
