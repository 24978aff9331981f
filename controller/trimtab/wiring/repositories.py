"""Repositories, the catalog of their applications, and the planner, built from the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.config import Config, RepositoryConfig
from trimtab.errors import ConfigError
from trimtab.images.changedfiles import changed_files
from trimtab.images.resolver import TreeImageResolver
from trimtab.model.application import SourceRef
from trimtab.model.snapshot import PathEscapesTree, join_path
from trimtab.runtime.buildreasons import BuildReasons
from trimtab.runtime.catalog import Catalog
from trimtab.runtime.planner import Planner
from trimtab.runtime.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trimtab.backends.engine.steps import EngineStep
    from trimtab.model.desired import DesiredState
    from trimtab.model.keys import AppKey
    from trimtab.ports import Source
    from trimtab.store.sqlite import SqliteStore
    from trimtab.wiring.engine import Engine


def open_source(repository: RepositoryConfig, config: Config) -> Source:
    """A Git source. Raises UserError, ConfigError."""
    from trimtab.sources.credentials import Credential
    from trimtab.sources.source import GitSource

    def read(path: str) -> str:
        try:
            return Path(path).read_text(encoding="utf-8").strip() if path else ""
        except OSError as error:
            raise ConfigError(f"the credential file {path} cannot be read: {error.strerror}") from None

    credential = Credential(
        username=repository.username,
        password=read(repository.credential_file),
        ssh_key_file=Path(repository.ssh_key_file) if repository.ssh_key_file else None,
        known_hosts_file=Path(repository.known_hosts_file) if repository.known_hosts_file else None,
    )
    return GitSource(repository.url, target=repository.branch, data_dir=config.data_dir, credential=credential)


def open_repository(repository: RepositoryConfig, config: Config, source: Source | None = None) -> Repository:
    """A watched repository; ``source`` when it is not the configured Git one."""
    return Repository(
        source=source or open_source(repository, config),
        path=_inside(repository.path),
        default_name=repository.name or default_name(repository.url),
        excludes=repository.excludes,
        environment=repository.environment,
        target_revision=repository.branch,
    )


def _inside(path: str) -> str:
    try:
        return join_path("", path.strip("/"))
    except PathEscapesTree:
        raise ConfigError(
            f"the path {path} leads out of the repository", hint="give a directory inside it; without one, all is read"
        ) from None


def default_name(url: str) -> str:
    """The name of an application at a repository's root: the repository's own."""
    last = url.rstrip("/").removesuffix("/.git").removesuffix(".git").rsplit("/", 1)[-1].rsplit(":", 1)[-1]
    name = "".join(c if c.isalnum() or c == "-" else "-" for c in last.lower()).strip("-")
    return name or "app"


def open_catalog(
    repositories: Sequence[Repository], store: SqliteStore, config: Config, planner: Planner[EngineStep] | None = None
) -> Catalog:
    """The catalog of these repositories."""

    def elsewhere(reference: SourceRef) -> Source:
        return open_source(RepositoryConfig(url=reference.repo_url, branch=reference.target_revision), config)

    def applied(key: AppKey) -> str:
        return store.applied.get(key).applied_revision

    if planner is None:
        return Catalog(repositories, store.facts, elsewhere, applied=applied)
    catalog = Catalog(repositories, store.facts, elsewhere, planner.unaffected, applied)
    planner.explain_builds(BuildReasons(tree_at=catalog.tree_at, changed=changed_files))
    return catalog


def open_planner(
    engine: Engine,
    store: SqliteStore,
    config: Config,
    on_rendered: Callable[[DesiredState], None] = lambda _desired: None,
) -> Planner[EngineStep]:
    """Stages 3 to 8 for this engine."""
    return Planner(
        engine.dialect,
        engine.driver,
        TreeImageResolver(config.image_prefix),
        store.applied,
        store.holds,
        on_rendered=on_rendered,
        preflight=engine.preflight,
    )
