"""What trimtab.yaml says of the repository that a command is about: its variables, excludes, credentials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from trimtab.config import RepositoryConfig

if TYPE_CHECKING:
    from trimtab.config import Config


def repository_settings(
    config: Config, url: str, *, branch: str = "", path: str = "", environment: Mapping[str, str] | None = None
) -> RepositoryConfig:
    """The settings for ``url``: those of the configured repository with this address, under what was given here."""
    known = [item for item in config.repositories if _bare(item.url) == _bare(url)]
    exact = [item for item in known if (item.branch, item.path) == (branch or item.branch, path or item.path)]
    return _under(next(iter(exact or known), RepositoryConfig(url=url)), url, branch, path, environment)


def directory_settings(
    config: Config, directory: str, *, path: str, environment: Mapping[str, str] | None = None
) -> RepositoryConfig:
    """The settings for a work tree: those of the configured repository that it is, or of the only one there is."""
    known = [item for item in config.repositories if _bare(item.url) == _bare(directory)]
    only = config.repositories if len(config.repositories) == 1 else ()
    found = next(iter(known or only), RepositoryConfig(url=directory))
    return replace(found, url=directory, branch="", path=path, environment={**found.environment, **(environment or {})})


def _under(
    item: RepositoryConfig, url: str, branch: str, path: str, environment: Mapping[str, str] | None
) -> RepositoryConfig:
    return replace(
        item,
        url=url,
        branch=branch or item.branch,
        path=path or item.path,
        environment={**item.environment, **(environment or {})},
    )


def _bare(url: str) -> str:
    return url.removeprefix("file://").rstrip("/").removesuffix(".git").rstrip("/")
