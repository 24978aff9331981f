"""``trimtab plan``: what a sync would do now, changing nothing; ``--base`` compares two revisions without an engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.cli.common import (
    EXIT_CHANGES,
    EXIT_ERROR,
    EXIT_HELD,
    BranchOption,
    ConfigOption,
    DataDirOption,
    EnvironmentOption,
    InstallationOption,
    Output,
    PathArgument,
    PlanOutputOption,
    RepoOption,
    SubPathOption,
    document,
    explained,
    say,
    settings,
    tell,
    variables,
)

if TYPE_CHECKING:
    from trimtab.backends.engine.steps import EngineStep
    from trimtab.cli.session import Session
    from trimtab.plan.render import PlanHeader
    from trimtab.runtime.planner import Look


def plan(
    path: PathArgument = None,
    repo: RepoOption = None,
    branch: BranchOption = "",
    subpath: SubPathOption = "",
    rev: Annotated[str, typer.Option("--rev", help="Plan this revision instead of the branch's newest.")] = "",
    app: Annotated[str | None, typer.Option("--app", help="Only this application.", show_default=False)] = None,
    base: Annotated[
        str | None, typer.Option("--base", help="Compare with this revision instead of the engine.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Save the plan, for 'trimtab apply --plan'.", show_default=False)
    ] = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 2 when there are changes, with 3 when they are held.")
    ] = False,
    env: EnvironmentOption = None,
    output: PlanOutputOption = Output.TEXT,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    installation: InstallationOption = None,
) -> None:
    """Show what a sync would do now, against the live engine; nothing is changed."""
    with explained():
        chosen = settings(config, data_dir, installation)
        if base is not None:
            from trimtab.cli.compare import compare_revisions

            changed = compare_revisions(
                chosen,
                path,
                repo,
                base=base,
                head=rev or branch,
                subpath=subpath,
                only=app,
                environment=variables(env),
                output=output,
            )
            raise typer.Exit(EXIT_CHANGES if changed and detailed_exitcode else 0)
        from trimtab.cli.session import open_session, require_applications
        from trimtab.model.plan import Decision

        # The digests of a saved plan hold only with the key that it was made with, so that one is kept.
        with open_session(
            chosen,
            path,
            repo,
            branch=branch,
            subpath=subpath,
            revision=rev,
            environment=variables(env),
            keep_key=out is not None,
        ) as session:
            views = session.views(app)
            if not session.problems or views:
                require_applications(session, views)
            planned = [(session.header(view), session.look(view)) for view in views]
            show(planned, output)
            if out is not None:
                save(session, planned, out)
            for problem in session.problems:
                tell(str(problem))
            if app is None:
                for key in session.gone():
                    tell(
                        f"{key} is no longer in Git: a running controller removes its containers and networks and keeps"
                        f" its volumes; without one: trimtab delete {key}"
                    )
    if session.problems:
        raise typer.Exit(EXIT_ERROR)
    decisions = {look.verdict.decision for _, look in planned}
    if Decision.DENY in decisions or (detailed_exitcode and Decision.HOLD in decisions):
        raise typer.Exit(EXIT_HELD)
    if detailed_exitcode and any(not look.plan.empty for _, look in planned):
        raise typer.Exit(EXIT_CHANGES)


def show(planned: list[tuple[PlanHeader, Look[EngineStep]]], output: Output) -> None:
    """Every plan, in the form that was asked for."""
    from trimtab.plan.render import plan_document, plan_markdown, plan_text

    if output in {Output.JSON, Output.YAML}:
        document(
            {"formatVersion": 1, "plans": [plan_document(look.plan, header, look.verdict) for header, look in planned]},
            output,
        )
        return
    form = plan_markdown if output is Output.MARKDOWN else plan_text
    say("\n".join(form(look.plan, header, look.verdict) for header, look in planned).rstrip("\n"))


def save(session: Session, planned: list[tuple[PlanHeader, Look[EngineStep]]], file: Path) -> None:
    """Write a plan file: which revision, and the digests that must still hold when it is applied."""
    from trimtab.plan.render import plan_document

    repository = session.repository
    data = {
        "formatVersion": 1,
        "installation": session.config.installation,
        "repository": repository.source.url,
        "target": repository.target_revision,
        "path": repository.path,
        "revision": repository.snapshot.revision if repository.snapshot else "",
        "plans": [plan_document(look.plan, header, look.verdict) for header, look in planned],
    }
    file.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    tell(f"saved to {file}; carry it out with: trimtab apply --plan {file}")
