"""What one command looks at: a directory or a repository, planned against an engine. For ``plan`` and ``apply``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab import wiring
from trimtab.cli.configured import directory_settings, repository_settings
from trimtab.config import Config, RepositoryConfig
from trimtab.errors import ManifestError, UserError
from trimtab.model.diagnostics import Diagnostic, Severity
from trimtab.model.keys import AppKey
from trimtab.model.snapshot import Snapshot
from trimtab.plan.drift import unasked
from trimtab.plan.render import PlanHeader
from trimtab.plan.windows import verdict_now, windows_of
from trimtab.runtime.hooks import hook_options
from trimtab.runtime.planner import Look, Planner
from trimtab.runtime.renames import Renames
from trimtab.runtime.sweeps import Sweeps
from trimtab.runtime.views import View

if TYPE_CHECKING:
    from trimtab.backends.engine.steps import EngineStep
    from trimtab.runtime.catalog import Catalog
    from trimtab.runtime.repository import Repository
    from trimtab.store.sqlite import SqliteStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Everything a planning command needs; ``problems`` are those of applications that cannot be used."""

    config: Config
    store: SqliteStore
    engine: wiring.Engine
    planner: Planner[EngineStep]
    catalog: Catalog
    repository: Repository
    problems: tuple[Diagnostic, ...]

    def views(self, only: str | None = None) -> tuple[View, ...]:
        """The usable applications: lower waves first, and dependencies before those; one if ``only`` names it."""
        usable = {view.key: view for view in self.catalog.views() if view.usable and view.application is not None}
        if only is not None:
            key = AppKey.parse(only)
            if key not in usable:
                known = ", ".join(str(k) for k in sorted(usable)) or "none"
                raise UserError(f"there is no application '{only}' that can be used", hint=f"there are: {known}")
            return (usable[key],)
        done: list[View] = []

        def visit(key: AppKey, path: tuple[AppKey, ...]) -> None:
            view = usable.get(key)
            if view is None or view in done or key in path or view.application is None:
                return
            for other in view.application.depends_on:
                visit(other, (*path, key))
            done.append(view)

        for key in sorted(usable, key=lambda key: (usable[key].wave, key)):
            visit(key, ())
        return tuple(done)

    def gone(self) -> tuple[AppKey, ...]:
        """Applications that the repository has no longer, and of which something is on the engine."""
        return tuple(view.key for view in self.catalog.views() if view.removed and not view.problems)

    def look(self, view: View, *, by_itself: bool = False) -> Look[EngineStep]:
        """Plan one application: what a person's sync would do, or what the controller would do ``by_itself``."""
        application, snapshot = view.application, view.snapshot
        if application is None or snapshot is None:
            raise UserError(f"{view.key} has no manifest that can be used")
        desired = self.planner.desired(application, snapshot)
        look = self.planner.look(
            view.key,
            desired,
            application=application,
            snapshot=snapshot,
            prune=application.sync_policy.prune,
            diagnostics=tuple(d for d in view.diagnostics if d.severity is not Severity.ERROR),
            hooks=hook_options(self.store.applied, self.store.releases, view.key),
            drift=unasked(application) if by_itself else None,
        )
        if look.plan.empty:
            return look
        look = Renames(self.catalog, self.store.applied, self.store.holds).held(look, view)
        look = Sweeps(self.catalog, self.store.holds).held(look, view)
        windows = windows_of(view.key, application, self.config.sync_windows)
        return replace(look, verdict=verdict_now(look.verdict, windows, datetime.now(UTC), application.origin))

    def header(self, view: View) -> PlanHeader:
        """What stands above a plan."""
        status = self.store.statuses.get(view.key)
        state = self.store.applied.get(view.key)
        return plan_header(
            view.key,
            view.snapshot,
            applied_revision=state.applied_revision,
            health=status.health.value if status else "",
        )


def plan_header(key: AppKey, snapshot: Snapshot | None, *, applied_revision: str = "", health: str = "") -> PlanHeader:
    """The header of a plan for one commit."""
    if snapshot is None:
        return PlanHeader(app=str(key), applied_revision=applied_revision, health=health)
    age_s = (datetime.now(UTC) - snapshot.committed_at).total_seconds() if snapshot.committed_at else None
    return PlanHeader(
        app=str(key),
        ref=snapshot.ref.removeprefix("refs/heads/").removeprefix("refs/tags/"),
        revision=snapshot.revision,
        subject=snapshot.subject,
        author=snapshot.author,
        age_s=age_s,
        applied_revision=applied_revision,
        health=health,
    )


@contextlib.contextmanager
def open_session(
    config: Config,
    path: Path | None,
    repo: str | None,
    *,
    branch: str = "",
    subpath: str = "",
    revision: str = "",
    environment: dict[str, str] | None = None,
    keep_key: bool = False,
    watch: bool = False,
) -> Iterator[Session]:
    """Read the manifests and connect to the engine; closes both.

    ``watch``: listen to the engine from the beginning, so that what is looked at once need not be looked at again.
    """
    store = wiring.open_store(config)
    try:
        engine = wiring.open_engine(config, keep_key=keep_key)
    except BaseException:
        store.close()
        raise
    try:
        wiring.recognise(engine, store)
        if watch:
            engine.driver.watch(lambda _event: None)
        planner = wiring.open_planner(engine, store, config)
        repository = open_target(
            config, path, repo, branch=branch, subpath=subpath, environment=environment, revision=revision
        )
        catalog = wiring.open_catalog([repository], store, config, planner)
        # What this installation has on the engine: of those, what is gone from Git is seen to be.
        catalog.refresh(repository, known=store.applied.apps())
        problems = _problems(catalog, repository)
        yield Session(
            config=config,
            store=store,
            engine=engine,
            planner=planner,
            catalog=catalog,
            repository=repository,
            problems=problems,
        )
        catalog.close()
    finally:
        engine.close()
        store.close()


def open_target(
    config: Config,
    path: Path | None,
    repo: str | None,
    *,
    branch: str = "",
    subpath: str = "",
    environment: dict[str, str] | None = None,
    revision: str = "",
) -> Repository:
    """The directory or repository that a command is about; at ``revision``, the commit of a directory's repository."""
    if repo is not None:
        settings = repository_settings(config, repo, branch=branch, path=subpath, environment=environment)
        if revision:
            settings = replace(settings, branch=_followable(settings, config, revision))
        return wiring.open_repository(settings, config)
    from trimtab.sources.workdir import WorkingDirectory

    if branch:
        raise UserError("a directory has no revisions", hint="give --repo together with --rev or --branch")
    directory = WorkingDirectory(path or Path())
    inside = "/".join(part for part in (directory.path, subpath.strip("/")) if part)
    settings = directory_settings(config, directory.url, path=inside, environment=environment)
    if revision:
        if not (directory.root / ".git").exists():
            raise UserError(f"{path or Path()} is not in a Git repository", hint="give --repo")
        return wiring.open_repository(replace(settings, branch=_followable(settings, config, revision)), config)
    name = settings.name or wiring.default_name((path or Path()).resolve().name)
    return wiring.open_repository(replace(settings, name=name), config, directory)


def _followable(settings: RepositoryConfig, config: Config, revision: str) -> str:
    """A revision as something a source can be opened at: one with steps back becomes the commit's id."""
    from trimtab.sources.refs import parse_expression

    if not parse_expression(revision).steps:
        return revision
    source = wiring.open_source(settings, config)
    try:
        return source.snapshot(revision).revision
    finally:
        source.close()


def _problems(catalog: Catalog, repository: Repository) -> tuple[Diagnostic, ...]:
    result = repository.result
    found: list[Diagnostic] = list(result.diagnostics) if result is not None else []
    for failed in result.failed if result is not None else ():
        found += failed.diagnostics
    for view in catalog.views():
        found += view.problems
    errors = sorted({d for d in found if d.severity is Severity.ERROR}, key=lambda d: (d.origin, d.code, d.message))
    return tuple(errors)


def require_applications(session: Session, views: Sequence[View]) -> None:
    """Say so when there is nothing to work on. Raises ManifestError."""
    if views:
        return
    if session.problems:
        raise ManifestError("no application can be used", session.problems)
    raise ManifestError(
        f"no application in {session.repository.source.url}",
        hint="add a compose.yaml, or an Application (apiVersion: trimtab.dev/v1alpha1)",
    )
