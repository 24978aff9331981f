"""Which builder an engine's images are built with, and what ``doctor`` says about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from docker import APIClient

from trimtab.errors import ConfigError
from trimtab.images.builder import EngineBuilder
from trimtab.images.buildspec import BuildSecret
from trimtab.images.buildx import BuildxBuilder, buildx_version
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


def choose_builder(
    api: APIClient,
    *,
    choice: BuilderChoice = BuilderChoice.AUTO,
    docker_host: str = "",
    docker: str = "docker",
    variable: Callable[[BuildSecret], bytes] | None = None,
    finding: BuilderFinding | None = None,
) -> ImageBuilder:
    """The builder to use.

    Raises:
        ConfigError: buildx was asked for and is not there.
    """
    found = finding or builder_finding(api, docker=docker)
    wanted = found.chosen if choice is BuilderChoice.AUTO else choice
    if wanted is BuilderChoice.ENGINE:
        return EngineBuilder(api)
    if not found.buildx:
        raise ConfigError(
            "the builder is set to buildx, but `docker buildx` is not installed on the controller's machine",
            hint="install the plugin, or set the builder to auto",
        )
    if variable is None:
        return BuildxBuilder(docker=docker, docker_host=docker_host)
    return BuildxBuilder(docker=docker, docker_host=docker_host, variable=variable)
