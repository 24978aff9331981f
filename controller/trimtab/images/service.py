"""Builds and pulls as the engine driver asks for them: a builder a thread, two builds at once, provenance."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from trimtab.errors import InternalError
from trimtab.images.buildspec import BuildSpec
from trimtab.images.gate import BuildGate
from trimtab.images.naming import COMMIT_LABEL, REPOSITORY_LABEL, provenance_labels
from trimtab.model.snapshot import Tree
from trimtab.ports import ImageBuilder

if TYPE_CHECKING:
    from docker import APIClient

    from trimtab.images.choose import BuilderChoice, BuilderFinding


class BuildService:
    """An ImageBuilder for many threads. ``api`` gives the calling thread's client, which is never shared."""

    def __init__(
        self,
        api: Callable[[], APIClient],
        *,
        installation: str,
        choice: BuilderChoice,
        gate: BuildGate,
        docker_host: str,
    ) -> None:
        self._api = api
        self._installation = installation
        self._choice = choice
        self._gate = gate
        self._docker_host = docker_host
        self._finding: BuilderFinding | None = None
        self._lock = threading.Lock()

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
        """Build when there is a place. ``labels`` name the repository and the commit; the rest is known here."""
        if not isinstance(spec, BuildSpec):
            raise InternalError(f"a build needs a BuildSpec, not {type(spec).__name__}")
        marked = provenance_labels(
            key=spec.key,
            installation=self._installation,
            repository=labels.get(REPOSITORY_LABEL, ""),
            commit=labels.get(COMMIT_LABEL, ""),
            path=spec.context_path,
        )
        with self._gate.slot(cancelled):
            return self._builder().build(
                spec, tree, tags=(*tags, *spec.tags), labels=marked, log=log, cancelled=cancelled, timeout_s=timeout_s
            )

    def _builder(self) -> ImageBuilder:
        from trimtab.images.choose import builder_finding, choose_builder

        api = self._api()
        with self._lock:
            if self._finding is None:
                self._finding = builder_finding(api)
        return choose_builder(api, choice=self._choice, docker_host=self._docker_host, finding=self._finding)


class PullService:
    """An ImagePuller for many threads."""

    def __init__(self, api: Callable[[], APIClient]) -> None:
        self._api = api

    def pull(
        self, ref: str, *, platform: str, log: Callable[[str], None], cancelled: threading.Event, timeout_s: float
    ) -> str:
        """Fetch an image with the calling thread's client."""
        from trimtab.images.pull import EnginePuller

        return EnginePuller(self._api()).pull(ref, platform=platform, log=log, cancelled=cancelled, timeout_s=timeout_s)
