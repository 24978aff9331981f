"""``trimtab plan --base REV``: what merging would change, from Git alone; no engine is asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.backends.engine.dialect import EngineDialect
from trimtab.cli.common import Output, document, fail, say, tell
from trimtab.cli.session import open_target, plan_header
from trimtab.errors import ManifestError
from trimtab.images.changedfiles import changed_files
from trimtab.images.resolver import TreeImageResolver
from trimtab.manifest.load import LoadResult, load
from trimtab.model.desired import DesiredState
from trimtab.model.keys import AppKey
from trimtab.plan.assemble import make_plan
from trimtab.plan.canonical import digest
from trimtab.plan.diff import DiffOptions
from trimtab.plan.render import plan_document, plan_markdown, plan_text
from trimtab.plan.runs import HookOptions
from trimtab.plan.suppose import suppose
from trimtab.runtime.buildreasons import BuildReasons

if TYPE_CHECKING:
    from trimtab.config import Config
    from trimtab.model.snapshot import Snapshot
    from trimtab.runtime.repository import Repository


def compare_revisions(
    config: Config,
    path: Path | None,
    repo: str | None,
    *,
    base: str,
    head: str,
    subpath: str,
    only: str | None,
    environment: dict[str, str],
    output: Output,
) -> bool:
    """Print what differs between two revisions; whether anything does."""
    at = "HEAD" if repo is None else ""
    repository = open_target(config, path, repo, subpath=subpath, environment=environment, revision=at)
    try:
        earlier = repository.source.snapshot(base)
        before = _states(repository, earlier, only)
        snapshot = repository.source.snapshot(head or None)
        after = _states(repository, snapshot, only)
        dialect = EngineDialect(installation=config.installation, seal_key=b"")
        reasons = BuildReasons(tree_at=lambda _key, _revision: earlier.tree, changed=changed_files)
        plans = []
        for key in sorted({*before, *after}):
            old, new = before.get(key, _empty(key)), after.get(key, _empty(key, snapshot.revision))
            observed = suppose(old, "git")
            plan = make_plan(new, observed, dialect, DiffOptions(hooks=HookOptions(applied_digest=old.digest)))
            plan = replace(plan, changes=reasons.told(plan.changes, new, observed, snapshot.tree, old.revision))
            plans.append((plan, plan_header(key, snapshot, applied_revision=old.revision)))
    finally:
        repository.source.close()
    if output in {Output.JSON, Output.YAML}:
        document(
            {"formatVersion": 1, "base": base, "plans": [plan_document(plan, header) for plan, header in plans]}, output
        )
    else:
        form = plan_markdown if output is Output.MARKDOWN else plan_text
        changed = [form(plan, header) for plan, header in plans if plan.changes]
        say(
            "\n".join(changed).rstrip("\n")
            if changed
            else f"no application differs between {base[:12]} and {snapshot.revision[:7]}"
        )
    return any(plan.changes for plan, _ in plans)


def _states(repository: Repository, snapshot: Snapshot, only: str | None) -> dict[AppKey, DesiredState]:
    result: LoadResult = load(
        snapshot.tree,
        path=repository.path,
        default_name=repository.default_name,
        environment=repository.environment,
        excludes=repository.excludes,
    )
    wanted = AppKey.parse(only) if only else None
    problems = tuple(d for f in result.failed for d in f.diagnostics if wanted is None or f.key in {None, wanted})
    if problems:
        for problem in problems:
            tell(f"{snapshot.revision[:7]}: {problem}")
        if not result.applications:
            raise ManifestError(f"nothing in {snapshot.revision[:7]} can be compared", problems)
    dialect, resolver = EngineDialect(installation="compare", seal_key=b""), TreeImageResolver()
    states = {}
    for app in result.applications:
        if wanted is not None and app.key != wanted:
            continue
        images, problems = resolver.choose(app, snapshot.tree)
        states[app.key] = dialect.render(app, snapshot.tree, snapshot.revision, images)
    if wanted is not None and wanted not in states and not problems:
        fail(f"there is no application '{only}' at {snapshot.revision[:7]}")
    return states


def _empty(key: AppKey, revision: str = "") -> DesiredState:
    return DesiredState(app=key, revision=revision, resources={}, digest=digest({}))
