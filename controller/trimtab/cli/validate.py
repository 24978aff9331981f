"""``trimtab validate``: an offline check; every problem with its place, the line itself and what was probably meant."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from trimtab.cli.common import (
    EXIT_ERROR,
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
    say,
    settings,
    variables,
)
from trimtab.model.sensitive import is_sensitive

# What is larger has no line worth showing.
EXCERPT_BYTES = 16 * 1024 * 1024
# The attribute: a line about a service's secrets names them, and has no value.
_SECTION = re.compile(r"\bsecrets\s*:")

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trimtab.model.diagnostics import Diagnostic
    from trimtab.model.snapshot import Tree
    from trimtab.runtime.repository import Repository


def validate(
    path: PathArgument = None,
    repo: RepoOption = None,
    branch: BranchOption = "",
    subpath: SubPathOption = "",
    env: EnvironmentOption = None,
    output: OutputOption = Output.TEXT,
    config: ConfigOption = None,
) -> None:
    """Check manifests without an engine; exit 1 if there is any error."""
    with explained():
        from trimtab.cli.session import open_target

        repository = open_target(
            settings(config), path, repo, branch=branch, subpath=subpath, environment=variables(env)
        )
        found, good, bad = check(repository)
        tree = repository.source.snapshot().tree
        repository.source.close()
    errors = [d for d in found if d.severity.value == "error"]
    if output in {Output.JSON, Output.YAML}:
        from trimtab.plan.render.document import diagnostics_document

        document({"formatVersion": 1, "applications": good + bad, "diagnostics": diagnostics_document(found)}, output)
    else:
        for diagnostic in found:
            say(excerpt(diagnostic, tree, _shown_from(path, repo)))
        say(_summary(len(errors), good, bad))
    if errors:
        raise typer.Exit(EXIT_ERROR)


def check(repository: Repository) -> tuple[tuple[Diagnostic, ...], int, int]:
    """Every diagnostic, in the order of places; the number of good and of bad applications.

    What a backend refuses counts as well: rendering needs no engine.
    """
    from trimtab.backends.engine.dialect import EngineDialect
    from trimtab.images.resolver import TreeImageResolver
    from trimtab.manifest.load import load
    from trimtab.model.diagnostics import has_errors

    snapshot = repository.source.snapshot()
    result = load(
        snapshot.tree,
        path=repository.path,
        default_name=repository.default_name,
        environment=repository.environment,
        excludes=repository.excludes,
    )
    found = set(result.diagnostics)
    for failed in result.failed:
        found |= set(failed.diagnostics)
    dialect = EngineDialect(installation="validate", seal_key=b"")
    resolver = TreeImageResolver()
    # What is only held, such as a submodule that might hold applications, is neither good nor bad.
    refused = {failed.key or failed.path for failed in result.failed if has_errors(failed.diagnostics)}
    bad = len(refused)
    for app in result.applications:
        images, problems = resolver.choose(app, snapshot.tree)
        desired = dialect.render(app, snapshot.tree, snapshot.revision, images)
        about = (*problems, *desired.diagnostics)
        bad += has_errors(about)
        found |= set(about)
    total = len(result.applications) + len(result.declarations) + len(refused)
    ordered = sorted(found, key=lambda d: (d.origin, d.code, d.message))
    return tuple(ordered), total - bad, bad


def _shown_from(path: Path | None, repo: str | None) -> tuple[Path, Path] | None:
    """For a directory: its repository's root and the current directory, so that paths can be clicked."""
    if repo is not None:
        return None
    from trimtab.sources.workdir import enclosing_root

    return enclosing_root(path or Path()), Path.cwd()


def excerpt(diagnostic: Diagnostic, tree: Tree, shown_from: tuple[Path, Path] | None = None) -> str:
    """A diagnostic with its line and a mark below what it is about."""
    origin = diagnostic.origin
    place = str(origin)
    if shown_from is not None and tree.entry(origin.path) is not None:
        root, here = shown_from
        absolute = root / origin.path
        if absolute.is_relative_to(here.resolve()):
            place = place.replace(origin.path, absolute.relative_to(here.resolve()).as_posix(), 1)
    lines = [f"{place}: {diagnostic.severity} {diagnostic.code}: {diagnostic.message}"]
    source = _line(tree, origin.path, origin.line)
    if source is not None:
        lines.append(f"{origin.line:>5} | {source}")
        if origin.column:
            mark = "^" * max(1, min(diagnostic.length, len(source) - origin.column + 1))
            lines.append(f"      | {' ' * (origin.column - 1)}{mark} {diagnostic.hint}".rstrip())
            return "\n".join(lines)
    if diagnostic.hint:
        lines.append(f"      {diagnostic.hint}")
    return "\n".join(lines)


def _line(tree: Tree, path: str, number: int) -> str | None:
    from trimtab.model.snapshot import FileTooLarge

    if not number:
        return None
    try:
        text = tree.read(path, EXCERPT_BYTES).decode("utf-8", "replace")
    except (FileNotFoundError, FileTooLarge, OSError):
        return None
    lines: Sequence[str] = text.splitlines()
    if number > len(lines) or _may_be_secret(path, lines[number - 1]):
        return None
    return lines[number - 1].replace("\t", " ")


def _may_be_secret(path: str, line: str) -> bool:
    """Whether a line is better not quoted: this output ends in the logs of builds and in reviews."""
    if not path.endswith((".yaml", ".yml", ".dockerignore")) and "dockerfile" not in path.lower():
        return True  # an env file, or the file of a secret
    return "content:" in line or is_sensitive(_SECTION.sub("", line), line)


def _summary(errors: int, good: int, bad: int) -> str:
    total = good + bad
    if not errors:
        return f"{total} application{'' if total == 1 else 's'}, no errors."
    fine = f"; the other {good} {'is' if good == 1 else 'are'} fine" if good else ""
    return (
        f"{errors} error{'' if errors == 1 else 's'} in {bad} of {total} application{'' if total == 1 else 's'}{fine}."
    )
