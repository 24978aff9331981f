"""Which builder an engine's images are built with, and what ``doctor`` says about it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from docker import APIClient

from trimtab.errors import ConfigError, InternalError, UnsupportedByBackend
from trimtab.images.builder import EngineBuilder
from trimtab.images.buildspec import BuildSpec
from trimtab.images.buildx import BuildxBuilder, buildx_version
from trimtab.model.snapshot import Tree
from trimtab.ports import ImageBuilder


class BuilderChoice(StrEnum):
    """What may be asked for; AUTO takes BuildKit where it is installed."""

    AUTO = "auto"
    ENGINE = "engine"
    BUILDX = "buildx"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuilderFinding:
    """What there is to build with; ``chosen`` is what AUTO takes."""

    engine_version: str
    buildx: str
    chosen: BuilderChoice
    message: str
    hint: str = ""


def builder_finding(api: APIClient, *, docker: str = "docker") -> BuilderFinding:
    """Look at the engine and for the buildx plugin."""
    engine = str(api.version(api_version=False).get("Version", ""))
    buildx = buildx_version(docker)
    if buildx:
        message = f"BuildKit, by docker buildx {buildx}, on engine {engine}"
        return BuilderFinding(engine_version=engine, buildx=buildx, chosen=BuilderChoice.BUILDX, message=message)
    return BuilderFinding(
        engine_version=engine,
        buildx="",
        chosen=BuilderChoice.ENGINE,
        message=f"the classic builder of engine {engine}; docker buildx is not installed here",
        hint="build secrets, ssh, RUN --mount and here-documents need BuildKit: install the buildx plugin",
    )


class ChosenBuilder:
    """An ImageBuilder that gives each build to the first of its builders that honours all of it."""

    def __init__(self, *, buildx: BuildxBuilder | None, engine: EngineBuilder | None, engine_version: str) -> None:
        self.buildx = buildx
        self.engine = engine
        self._engine_version = engine_version

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
        """Build with the builder for this build. Raises what that one raises, and UnsupportedByBackend."""
        builder = self._builder_for(spec)
        return builder.build(spec, tree, tags=tags, labels=labels, log=log, cancelled=cancelled, timeout_s=timeout_s)

    def _builder_for(self, spec: object) -> ImageBuilder:
        if not isinstance(spec, BuildSpec):
            raise InternalError(f"a build needs a BuildSpec, not {type(spec).__name__}")
        if self.buildx is None and self.engine is None:
            raise InternalError("there is no builder to choose from")
        ignored = self._ignored_by_buildkit(spec)
        if self.buildx is not None and not ignored:
            return self.buildx
        if self.engine is not None and (self.buildx is None or not spec.needs_buildkit()):
            # Where it cannot build this either, it says why.
            return self.engine
        raise UnsupportedByBackend(
            f"the BuildKit of engine {self._engine_version} ignores build.{ignored} of {spec.dockerfile_label}",
            code="TT4121",
            hint=f"leave {ignored} out, set the builder to auto, or use an engine from version {_HONOURS_LIMITS} on",
            origin=spec.origin,
        )

    def _ignored_by_buildkit(self, spec: BuildSpec) -> str:
        """What this engine's BuildKit would silently leave out; "" if nothing."""
        if _major(self._engine_version) >= _HONOURS_LIMITS:
            return ""
        return "ulimits" if spec.ulimits else "shm_size" if spec.shm_size_bytes else ""


# Engine 20.10 carries BuildKit 0.8, which takes shm-size and ulimit and does nothing; 23 carries 0.10.
_HONOURS_LIMITS = 23


def _major(version: str) -> int:
    digits = version.partition(".")[0]
    # A version that does not read like one is a newer fashion.
    return int(digits) if digits.isdecimal() else _HONOURS_LIMITS


def choose_builder(
    api: APIClient,
    *,
    choice: BuilderChoice = BuilderChoice.AUTO,
    docker_host: str = "",
    docker: str = "docker",
    finding: BuilderFinding | None = None,
) -> ChosenBuilder:
    """The builder to use.

    Raises:
        ConfigError: buildx was asked for and is not there.
    """
    found = finding or builder_finding(api, docker=docker)
    wanted = found.chosen if choice is BuilderChoice.AUTO else choice
    engine = EngineBuilder(api)
    if wanted is BuilderChoice.ENGINE:
        return ChosenBuilder(buildx=None, engine=engine, engine_version=found.engine_version)
    if not found.buildx:
        raise ConfigError(
            "the builder is set to buildx, but `docker buildx` is not installed on the controller's machine",
            hint="install the plugin, or set the builder to auto",
        )
    buildx = BuildxBuilder(docker=docker, docker_host=docker_host)
    fallback = engine if choice is BuilderChoice.AUTO else None
    return ChosenBuilder(buildx=buildx, engine=fallback, engine_version=found.engine_version)
