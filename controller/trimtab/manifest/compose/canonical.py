"""One compose file in the long form: the first and the last word on how values are written.

``canonical`` is for each file, before merging; ``complete`` is for the merged whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trimtab.manifest.compose.files import CONFIG, SECRET
from trimtab.manifest.compose.networks import NETWORK
from trimtab.manifest.compose.scalars import INTEGER, PLAIN
from trimtab.manifest.compose.services import SERVICE
from trimtab.manifest.compose.shapes import Record, Report, Values
from trimtab.manifest.compose.volumes import VOLUME
from trimtab.manifest.nodes import MappingNode

if TYPE_CHECKING:
    from trimtab.model.diagnostics import Diagnostic

_MODEL = Record({"name": PLAIN, "model": PLAIN, "context_size": INTEGER, "runtime_flags": PLAIN})

SECTIONS = {
    "services": Values(SERVICE),
    "networks": Values(NETWORK),
    "volumes": Values(VOLUME),
    "configs": Values(CONFIG),
    "secrets": Values(SECRET),
    "models": Values(_MODEL),
}


def canonical(node: MappingNode, *, path: str) -> tuple[MappingNode, tuple[Diagnostic, ...]]:
    """A compose file's mapping with every short form made long, and what could not be read.

    ``path`` names the file in places that have none of their own. Attributes that are missing stay
    missing, so that the result can be merged with other files'.
    """
    report = Report()
    items = {
        name: SECTIONS[name].read(item, name, report) if name in SECTIONS else item for name, item in node.items.items()
    }
    origin = node.origin if node.origin.path else type(node.origin)(path, node.origin.line, node.origin.column)
    return (
        MappingNode(items=items, origin=origin, key_origins=node.key_origins, tag=node.tag),
        tuple(report.diagnostics),
    )


def complete(node: MappingNode) -> MappingNode:
    """The merged model with attribute defaults filled in and without values that mean "not set"."""
    items = {name: SECTIONS[name].complete(item) if name in SECTIONS else item for name, item in node.items.items()}
    return MappingNode(items=items, origin=node.origin, key_origins=node.key_origins, tag=node.tag)
