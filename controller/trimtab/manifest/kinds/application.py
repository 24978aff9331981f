"""``kind: Application`` of ``trimtab.dev/v1alpha1``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from trimtab.manifest.kinds.base import Document, FilePath, Metadata, RepoUrl, RootPath
from trimtab.manifest.kinds.settings import ComposeOptions, Settings

# Sections of an Application's spec that are compose's own; they are checked by the compose loader.
COMPOSE_SECTIONS = ("services", "networks", "volumes", "configs", "secrets")


class Source(Document):
    """Where an application's files are; without it, this repository at this revision."""

    repo_url: RepoUrl | None = Field(None, alias="repoURL", description="Default: this repository.")
    target_revision: str = Field("", description="A branch, tag, semver range or commit.")
    path: RootPath = Field("", description="The directory of the files, from the repository's root.")


class ComposeFiles(ComposeOptions):
    """Which compose files make up an application, and how they are read."""

    files: tuple[FilePath, ...] = Field(
        (), description="From the manifest's directory, or from source.path; merged in this order."
    )


class ApplicationSpec(Settings):
    """What should run, and how Trimtab goes about it."""

    source: Source | None = None
    compose: ComposeFiles = ComposeFiles()
    services: dict[str, JsonValue] = Field(default_factory=dict)
    networks: dict[str, JsonValue] = Field(default_factory=dict)
    volumes: dict[str, JsonValue] = Field(default_factory=dict)
    configs: dict[str, JsonValue] = Field(default_factory=dict)
    secrets: dict[str, JsonValue] = Field(default_factory=dict)


class ApplicationManifest(Document):
    """One deployable unit."""

    api_version: Literal["trimtab.dev/v1alpha1"]
    kind: Literal["Application"]
    metadata: Metadata
    spec: ApplicationSpec = ApplicationSpec()
    status: dict[str, JsonValue] | None = Field(None, description="Written by the controller only.")
