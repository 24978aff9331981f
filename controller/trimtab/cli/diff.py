"""``trimtab diff``: where the engine differs from what was applied, field by field."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.cli.common import (
    EXIT_CHANGES,
    BranchOption,
    ConfigOption,
    DataDirOption,
    InstallationOption,
    OptionalApp,
    Output,
    OutputOption,
    RepoOption,
    SubPathOption,
    document,
    explained,
    fail,
    say,
    settings,
    tell,
)
from trimtab.plan.units import human

if TYPE_CHECKING:
    from trimtab.config import Config, RepositoryConfig
    from trimtab.model.change import Change


def diff(
    app: OptionalApp = None,
    directory: Annotated[
        Path | None,
        typer.Option("--directory", "-C", help="Compare with this directory of manifests.", show_default=False),
    ] = None,
    repo: RepoOption = None,
    branch: BranchOption = "",
    subpath: SubPathOption = "",
    output: OutputOption = Output.TEXT,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    installation: InstallationOption = None,
) -> None:
    """Show drift; exits with 2 when there is any. Without --repo: the repositories that the controller watches."""
    with explained():
        from trimtab.cli.session import open_session
        from trimtab.plan.render.document import change_document

        chosen = settings(config, data_dir, installation)
        found: list[tuple[str, tuple[Change, ...]]] = []
        for target in _targets(chosen, directory, repo, branch, subpath):
            with open_session(
                chosen,
                directory,
                target.url if target else None,
                branch=target.branch if target else "",
                subpath=target.path if target else subpath,
            ) as session:
                for view in session.views():
                    if app is None or str(view.key) == app:
                        changes = session.look(view).plan.changes
                        found.append((str(view.key), tuple(c for c in changes if c.acts or c.fields)))
                for problem in session.problems:
                    tell(str(problem))
    if app is not None and not found:
        fail(f"there is no application '{app}' that can be used")
    if output in {Output.JSON, Output.YAML}:
        items = [{"app": name, "differences": [change_document(c) for c in changes]} for name, changes in found]
        document({"formatVersion": 1, "applications": items}, output)
    else:
        say("\n".join(line for name, changes in found for line in lines(name, changes)))
    if any(changes for _, changes in found):
        raise typer.Exit(EXIT_CHANGES)


def _targets(
    config: Config, directory: Path | None, repo: str | None, branch: str, subpath: str
) -> list[RepositoryConfig | None]:
    from trimtab.cli.watched import watched_repositories
    from trimtab.config import RepositoryConfig

    if repo is not None:
        return [RepositoryConfig(url=repo, branch=branch, path=subpath)]
    if directory is not None:
        return [None]
    known = watched_repositories(config)
    return list(known) if known else [None]


def lines(app: str, changes: tuple[Change, ...]) -> list[str]:
    """One application's differences, as text."""
    if not changes:
        return [f"{app}: no difference from Git"]
    out = []
    for change in changes:
        number = len(change.fields)
        what = (
            f"{number} field{'' if number == 1 else 's'} differ{'s' if number == 1 else ''} from Git"
            if number
            else (change.detail or change.reason.value)
        )
        out.append(f"{change.key.kind} {change.name}: {what}")
        for field in change.fields:
            place = f" ({field.origin})" if field.origin else ""
            remedy = "in place" if field.in_place else "by replacement"
            after, before = human(field.after, field.unit), human(field.before, field.unit)
            out.append(f"  {field.attribute:<20} Git {after}{place}   engine {before}   -> {remedy}")
    return out
