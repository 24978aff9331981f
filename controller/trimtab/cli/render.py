"""``trimtab render``: the resolved application, as ``docker compose config`` prints it."""

from __future__ import annotations

from typing import Annotated

import typer

from trimtab.cli.common import (
    BranchOption,
    ConfigOption,
    EnvironmentOption,
    Output,
    OutputOption,
    PathArgument,
    RepoOption,
    SubPathOption,
    document,
    explained,
    settings,
    tell,
    variables,
)


def render(
    path: PathArgument = None,
    repo: RepoOption = None,
    branch: BranchOption = "",
    subpath: SubPathOption = "",
    app: Annotated[str | None, typer.Option("--app", help="Only this application.", show_default=False)] = None,
    env: EnvironmentOption = None,
    output: OutputOption = Output.YAML,
    config: ConfigOption = None,
) -> None:
    """Print what the manifests mean, with every default, variable and file resolved."""
    with explained():
        from trimtab.cli.session import open_target
        from trimtab.errors import ManifestError
        from trimtab.manifest.compose.config_text import config_document
        from trimtab.manifest.compose.shapes import Style
        from trimtab.manifest.load import load
        from trimtab.model.keys import AppKey

        repository = open_target(
            settings(config), path, repo, branch=branch, subpath=subpath, environment=variables(env)
        )
        snapshot = repository.source.snapshot()
        result = load(
            snapshot.tree,
            path=repository.path,
            default_name=repository.default_name,
            environment=repository.environment,
            excludes=repository.excludes,
        )
        repository.source.close()
        wanted = AppKey.parse(app) if app else None
        chosen = [a for a in result.applications if wanted is None or a.key == wanted]
        problems = tuple(
            d for failed in result.failed for d in failed.diagnostics if wanted is None or failed.key in {None, wanted}
        )
        if not chosen:
            raise ManifestError(f"there is no application{f' {app}' if app else ''} to render", problems)
        for number, application in enumerate(chosen):
            if number and output is not Output.JSON:
                typer.echo("---")
            style = Style.JSON if output is Output.JSON else Style.YAML
            document(
                config_document(application.compose, working_dir=repository.source.url, style=style),
                Output.JSON if output is Output.JSON else Output.YAML,
            )
        if problems:
            for problem in problems:
                tell(str(problem))
            raise typer.Exit(1)
