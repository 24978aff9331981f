"""Engines by name, as manifests declare them."""

from __future__ import annotations

from dataclasses import dataclass

from trimtab.model.diagnostics import Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """An engine; ``host`` is what DOCKER_HOST would be."""

    name: str
    host: str
    origin: Origin
