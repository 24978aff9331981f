"""The command line: one file a verb, imported when it is used."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from trimtab import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

    # Typer carries its own copy of click.
    from typer._click.core import Command, Context
    from typer._click.formatting import HelpFormatter

# verb: (module, function). What a verb needs is imported when it runs, so that help is quick.
COMMANDS = {
    "validate": ("trimtab.cli.validate", "validate"),
    "render": ("trimtab.cli.render", "render"),
    "plan": ("trimtab.cli.plan", "plan"),
    "apply": ("trimtab.cli.apply", "apply"),
    "run": ("trimtab.cli.run", "run"),
    "status": ("trimtab.cli.status", "status"),
    "diff": ("trimtab.cli.diff", "diff"),
    "history": ("trimtab.cli.history", "history"),
    "jobs": ("trimtab.cli.jobs", "jobs"),
    "events": ("trimtab.cli.events", "events"),
    "rollback": ("trimtab.cli.rollback", "rollback"),
    "sync": ("trimtab.cli.requests", "sync"),
    "suspend": ("trimtab.cli.requests", "suspend"),
    "resume": ("trimtab.cli.requests", "resume"),
    "terminate": ("trimtab.cli.requests", "terminate"),
    "approve": ("trimtab.cli.requests", "approve"),
    "logs": ("trimtab.cli.logs", "logs"),
    "exec": ("trimtab.cli.exec", "exec_"),
    "images": ("trimtab.cli.images", "images"),
    "archives": ("trimtab.cli.archives", "archives"),
    "adopt": ("trimtab.cli.adopt", "adopt"),
    "delete": ("trimtab.cli.delete", "delete"),
    "doctor": ("trimtab.cli.doctor", "doctor"),
    "schema": ("trimtab.cli.schema", "schema"),
    "hand-over": ("trimtab.cli.hand_over", "hand_over"),
}

SUMMARIES = {
    "validate": "Check manifests offline; every problem with file, line and column.",
    "render": "Print the resolved application, as 'docker compose config' does.",
    "plan": "Show what a sync would do now; nothing is changed.",
    "apply": "Sync once, to the end.",
    "run": "Watch repositories and converge until stopped: the controller.",
    "status": "Where applications stand.",
    "diff": "Drift: where the engine differs from Git, field by field.",
    "history": "What was deployed when, from which commit, with what result.",
    "jobs": "Hooks and jobs, their runs and logs; run one now.",
    "events": "What happened.",
    "rollback": "Make and push the 'git revert' commit, or --pin an older release.",
    "sync": "Ask the controller for a sync now.",
    "suspend": "Ask the controller to leave an application alone.",
    "resume": "Ask the controller to look after it again.",
    "terminate": "Ask the controller to stop a running sync.",
    "approve": "Approve a plan that is held.",
    "logs": "Show the output of an application's containers.",
    "exec": "Run a command in a container, as 'docker compose exec' does.",
    "images": "List the images of an application and what they were built from.",
    "archives": "List the archives of removed volumes, and put one back.",
    "adopt": "Take over running containers, without restarting what already matches.",
    "delete": "Remove an application's containers and networks; volumes are kept.",
    "doctor": "Check engine, builder, git, permissions and disk.",
    "schema": "Print the JSON Schema of manifests, or the CRDs.",
    "hand-over": "Replace the controller's own container (it starts this by itself).",
}


# Click's UsageError, of whichever copy of click typer brings.
WRONG_USE: Any = typer.BadParameter.__bases__[0]


@contextlib.contextmanager
def wrong_use_is_an_error() -> Iterator[None]:
    """Click ends a wrong use with 2, which would read as "changes are pending" to who asked for that code."""
    try:
        yield
    except WRONG_USE as error:
        error.exit_code = 1
        raise


class LazyGroup(TyperGroup):
    """Finds a verb's module when it is called, and lists all verbs without importing one."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: Context | None = None, **extra: Any
    ) -> Context:
        """What stands before the verb."""
        with wrong_use_is_an_error():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: Context) -> Any:
        """The verb and what stands after it."""
        with wrong_use_is_an_error():
            return super().invoke(ctx)

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
        """For a verb that is none, the one that was probably meant."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, 1)
            ctx.fail(f"there is no verb '{args[0]}'." + (f" Did you mean '{near[0]}'?" if near else ""))
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: Context) -> list[str]:  # noqa: ARG002 - the group's signature
        """In the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:  # noqa: ARG002 - the group's signature
        """One verb, imported now."""
        import importlib

        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name]
        found = importlib.import_module(module)
        single = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
        single.command(name=cmd_name, cls=getattr(found, "COMMAND_CLASS", None))(getattr(found, name))
        return typer.main.get_command(single)

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:  # noqa: ARG002 - the group's signature
        """The list of verbs in the help text."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, SUMMARIES[name]) for name in COMMANDS])


app = typer.Typer(
    cls=LazyGroup,
    name="trimtab",
    help="GitOps for Docker: what Git says is what runs.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(value: bool) -> None:
    if value:
        sys.stdout.write(f"trimtab {__version__}\n")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", help="Print the version.", callback=_version, is_eager=True),
) -> None:
    """GitOps for Docker: what Git says is what runs."""


def main() -> None:
    """The console script."""
    # Pydantic looks through every installed distribution for plugins, at 20 to 50 ms; none of ours has one.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    app(prog_name="trimtab")
