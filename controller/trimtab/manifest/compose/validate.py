"""What is wrong with a merged compose model: attributes, values, references and what does not fit together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trimtab.manifest.compose.consistency import check_consistency
from trimtab.manifest.compose.references import check_references
from trimtab.manifest.compose.schema_check import check_schema

if TYPE_CHECKING:
    from collections.abc import Collection

    from trimtab.manifest.nodes import MappingNode
    from trimtab.model.diagnostics import Diagnostic


def validate(node: MappingNode, *, enabled: Collection[str] | None = None) -> tuple[Diagnostic, ...]:
    """Every problem of a canonical, merged model, in the order of its places.

    The schema is applied to all of it; references and combinations only to the services that are
    ``enabled`` (None: all), because a profile that is off may name what is not there.
    """
    found = [*check_schema(node), *check_references(node, enabled), *check_consistency(node, enabled)]
    return tuple(sorted(set(found), key=lambda one: (one.origin, one.code, one.message)))
