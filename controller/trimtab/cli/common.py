"""What every command shares: options, output, exit codes, and how an error is told."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from trimtab.cli.plain import plain
from trimtab.errors import ManifestError, PolicyDenied, TrimtabError, WaitingError

if TYPE_CHECKING:
    from trimtab.config import Config

# As documented in docs/reference/cli.md; scripts rely on them.
EXIT_ERROR = 1
EXIT_CHANGES = 2
EXIT_HELD = 3


class Output(StrEnum):
    """How a command answers."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"
    MARKDOWN = "markdown"


# What programs read.
DOCUMENTS = frozenset({Output.JSON, Output.YAML})


def _no_markdown(value: Output) -> Output:
    if value is Output.MARKDOWN:
        raise typer.BadParameter("only 'plan' answers in markdown; choose text, json or yaml")
    return value


PathArgument = Annotated[
    Path | None, typer.Argument(help="A directory of manifests (default: the current one).", show_default=False)
]
AppArgument = Annotated[str, typer.Argument(metavar="APP", help="An application: name, or namespace/name.")]
OptionalApp = Annotated[
    str | None, typer.Argument(metavar="[APP]", help="An application: name, or namespace/name.", show_default=False)
]
OutputOption = Annotated[
    Output, typer.Option("-o", "--output", help="text, json or yaml.", metavar="FORM", callback=_no_markdown)
]
PlanOutputOption = Annotated[
    Output, typer.Option("-o", "--output", help="text, json, yaml or markdown.", metavar="FORM")
]
ConfigOption = Annotated[Path | None, typer.Option("--config", help="trimtab.yaml", show_default=False)]
DataDirOption = Annotated[
    Path | None, typer.Option("--data-dir", help="Where state is kept (TRIMTAB_DATA_DIR).", show_default=False)
]
InstallationOption = Annotated[
    str | None,
    typer.Option(
        "--installation", help="Which objects on the engine are ours (TRIMTAB_INSTALLATION).", show_default=False
    ),
]
RepoOption = Annotated[
    str | None,
    typer.Option(
        "--repo", help="A Git repository instead of a directory: path, file://, ssh://, https://.", show_default=False
    ),
]
BranchOption = Annotated[str, typer.Option("--branch", help="Branch, tag, semver range or commit.")]
SubPathOption = Annotated[str, typer.Option("--path", help="The directory of the repository to look in.")]
EnvironmentOption = Annotated[
    list[str] | None,
    typer.Option(
        "--env",
        "-e",
        help="NAME=VALUE for interpolation (never for secrets: use .env or env_file).",
        show_default=False,
    ),
]


def settings(
    config: Path | None = None, data_dir: Path | None = None, installation: str | None = None, **options: object
) -> Config:
    """The configuration of this run."""
    from trimtab.config import load_config, unknown_variables

    for problem in unknown_variables(os.environ):
        tell(f"warning: {problem}")
    return load_config(config, options={"data_dir": data_dir, "installation": installation, **options})


def variables(given: list[str] | None) -> dict[str, str]:
    """NAME=VALUE options as a mapping."""
    pairs = {}
    for item in given or ():
        name, equals, value = item.partition("=")
        if not equals or not name:
            fail(f"--env {item!r} is not NAME=VALUE")
        pairs[name] = value
    return pairs


def document(data: object, output: Output) -> None:
    """Print JSON-like data as JSON or YAML."""
    if output is Output.YAML:
        import yaml

        sys.stdout.write(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, default_flow_style=False))
    else:
        sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False, default=str) + "\n")


def documents(items: Iterable[object], output: Output) -> None:
    """Print each as it comes: a line of JSON, or a document of YAML."""
    for item in items:
        if output is Output.YAML:
            sys.stdout.write("---\n")
            document(item, output)
        else:
            sys.stdout.write(json.dumps(item, ensure_ascii=False, default=str) + "\n")
        sys.stdout.flush()


@contextlib.contextmanager
def talking(output: Output) -> Iterator[None]:
    """What is told on the way goes to standard error, where the answer is a document."""
    if output in DOCUMENTS:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    else:
        yield


def say(text: str = "") -> None:
    """One line to a reader; what the terminal cannot show is replaced, never a crash."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(plain(text).encode(encoding, "replace").decode(encoding) + "\n")
    sys.stdout.flush()


def tell(text: str) -> None:
    """One line beside the answer, to stderr."""
    sys.stderr.write(plain(text) + "\n")
    sys.stderr.flush()


def fail(message: str, *, hint: str = "", code: int = EXIT_ERROR) -> NoReturn:
    """End with an error."""
    tell(f"error: {message}")
    if hint:
        tell(f"       {hint}")
    raise typer.Exit(code)


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Turn what Trimtab can explain into a message and an exit code."""
    try:
        yield
    except ManifestError as error:
        for diagnostic in error.diagnostics:
            tell(str(diagnostic))
        fail(error.message, hint=error.hint)
    except (PolicyDenied, WaitingError) as error:
        fail(_located(error), hint=error.hint, code=EXIT_HELD)
    except TrimtabError as error:
        tail = getattr(error, "log_tail", ())
        for line in tail:
            tell(f"  | {line}")
        fail(_located(error), hint=error.hint)


def _located(error: TrimtabError) -> str:
    return f"{error.origin}: {error.message}" if error.origin else error.message
