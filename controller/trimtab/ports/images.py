"""What stages 3 and 6 ask of builders, registries and the images that are kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from trimtab.model.application import Application
from trimtab.model.desired import ImageChoice
from trimtab.model.diagnostics import Diagnostic
from trimtab.model.snapshot import Tree


class ImageBuilder(Protocol):
    """Builds an image from a tree; ``spec`` is what images.buildkey made of the manifest."""

    def build(
        self,
        spec: object,
        tree: Tree,
        *,
        tags: Sequence[str],
        labels: Mapping[str, str],
        log: Callable[[str], None],
        cancelled: threading.Event,
        timeout_s: float,
    ) -> str:
        """The image id. Raises BuildFailed, DeadlineExceeded, BackendUnavailable, UnsupportedByBackend."""
        ...


class ImagePuller(Protocol):
    """Fetches an image from its registry."""

    def pull(
        self,
        ref: str,
        *,
        platform: str,
        log: Callable[[str], None],
        cancelled: threading.Event,
        timeout_s: float,
    ) -> str:
        """The image id. Raises RegistryUnavailable, UserError."""
        ...


class ImageResolver(Protocol):
    """Stage 3: which image each service runs."""

    def choose(self, app: Application, tree: Tree) -> tuple[Mapping[str, ImageChoice], tuple[Diagnostic, ...]]:
        """By service; a service that is missing has a diagnostic that says why."""
        ...


class ImageRetention(Protocol):
    """Removes images of ours that no release needs any more."""

    def sweep(self, keep: Collection[str]) -> None:
        """``keep`` are references that history may still need. Never raises: what cannot go now goes later."""
        ...
