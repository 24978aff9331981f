"""Looks at the engine and its host before a plan's first change. Implements ``ports.Preflight``.

What others hold is known from the cache, so a plan without new images costs no call. Host paths and free space can be
told only where this process sees the engine's own files: on the same machine, and not from inside of a container.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from trimtab.backends.engine import preflight_rules as rules
from trimtab.backends.engine.items import Item
from trimtab.model.change import Change, Verb
from trimtab.model.diagnostics import Diagnostic, Origin, Severity
from trimtab.model.keys import Kind
from trimtab.model.observed import ObservedState
from trimtab.ports import ImageProbe


class EnginePreflight:
    """``items`` are all objects of the engine, ``local``: it is reached by a socket of this machine."""

    def __init__(
        self, items: Callable[[], Sequence[Item]], probe: ImageProbe, *, local: bool, min_free_bytes: int
    ) -> None:
        self._items = items
        self._probe = probe
        self._local = local
        self._min_free_bytes = min_free_bytes

    def findings(self, changes: Sequence[Change], observed: ObservedState) -> tuple[Diagnostic, ...]:
        """Everything that stands in the way."""
        items = self._items()
        ports = [p for i in items if i.kind is Kind.CONTAINER for p in rules.held_ports(i.handle, i.name, i.inspect)]
        subnets = [s for i in items if i.kind is Kind.NETWORK for s in rules.held_subnets(i.handle, i.name, i.inspect)]
        found = [
            *self._images(changes, observed),
            *rules.port_findings(changes, ports),
            *rules.subnet_findings(changes, subnets),
        ]
        root = observed.facts.root_dir
        if self._local and _sees(root):
            found += rules.bind_findings(changes, lambda path: Path(path).exists())
            found += rules.disk_findings(changes, _free_bytes(root), self._min_free_bytes, root)
        return tuple(found)

    def _images(self, changes: Sequence[Change], observed: ObservedState) -> list[Diagnostic]:
        found = []
        for change in changes:
            # What is on the engine needs nothing, even when a policy would have it pulled again.
            if change.verb is not Verb.PULL or observed.images.get(change.name):
                continue
            refusal = self._probe.refusal(change.name)
            if refusal is not None:
                origin = change.origin or Origin(str(change.key))
                found.append(
                    Diagnostic(
                        severity=Severity.ERROR,
                        code=refusal.code,
                        message=refusal.message,
                        origin=origin,
                        hint=refusal.hint,
                    )
                )
        return found


def _sees(root_dir: str) -> bool:
    """Whether the engine's data directory is in our own file system."""
    try:
        return (Path(root_dir) / "containers").is_dir()
    except OSError:
        return False


def _free_bytes(path: str) -> int | None:
    try:
        return shutil.disk_usage(path).free
    except OSError:
        return None
