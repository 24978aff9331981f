"""Configs and secrets: the top-level ones, and how a service or a build mounts them.

Source: Compose Specification, 08-configs.md and 09-secrets.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trimtab.manifest.compose.keyvalues import LABELS, OPTIONS
from trimtab.manifest.compose.scalars import BOOLEAN, PLAIN, FileMode
from trimtab.manifest.compose.shapes import Record, from_text, text
from trimtab.manifest.compose.volumes import Resource
from trimtab.manifest.nodes import MappingNode, Node, Scalar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SECRETS_DIRECTORY = "/run/secrets"


def _secret_target(node: MappingNode) -> Mapping[str, Node]:
    source = node.items.get("source")
    name = source.value if isinstance(source, Scalar) else ""
    return {"target": text(f"{SECRETS_DIRECTORY}/{name}", node)}


def _mount(defaults: Callable[[MappingNode], Mapping[str, Node]] | None) -> Record:
    return Record(
        {"source": PLAIN, "target": PLAIN, "uid": PLAIN, "gid": PLAIN, "mode": FileMode()},
        short=from_text("source"),
        defaults=defaults,
    )


def _resource() -> Resource:
    return Resource(
        {
            "name": PLAIN,
            "content": PLAIN,
            "environment": PLAIN,
            "file": PLAIN,
            "external": BOOLEAN,
            "labels": LABELS,
            "driver": PLAIN,
            "driver_opts": OPTIONS,
            "template_driver": PLAIN,
        }
    )


CONFIG_MOUNT = _mount(None)
SECRET_MOUNT = _mount(_secret_target)
# A build names its secrets by id; only a service's get a default target.
BUILD_SECRET = _mount(None)
CONFIG = _resource()
SECRET = _resource()
