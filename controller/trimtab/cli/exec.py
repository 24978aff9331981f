"""``trimtab exec``: a command in a service's container, as ``docker compose exec`` runs it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperCommand

from trimtab.cli import terminal
from trimtab.cli.common import (
    ConfigOption,
    DataDirOption,
    InstallationOption,
    explained,
    fail,
    settings,
    tell,
)
from trimtab.cli.detachkeys import DEFAULT, DetachKeys, key_bytes

if TYPE_CHECKING:
    from typer._click.core import Context

    from trimtab.backends.engine.execs import Command, Exec

# As a shell says it of a program that a signal ended: SIGINT, SIGPIPE.
_INTERRUPTED = 130
_UNREAD = 141


class ExecCommand(TyperCommand):
    """Options of ours end where the command begins, with or without ``--``; what follows is the command's."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Put the ``--`` in, where it was left out."""
        return super().parse_args(ctx, self._separated(list(args)))

    def _separated(self, args: list[str]) -> list[str]:
        valued = {name for param in self.params if not getattr(param, "is_flag", False) for name in param.opts} - {
            param.name for param in self.params
        }
        targets, skip = 0, False
        for number, arg in enumerate(args):
            if skip:
                skip = False
            elif arg == "--":
                return args
            elif arg.startswith("-") and arg != "-":
                skip = _takes_next(arg, valued)
            elif targets:
                return [*args[:number], "--", *args[number:]]
            else:
                targets += 1
        return args


def _takes_next(arg: str, valued: set[str]) -> bool:
    """Whether the value of an option is the next argument; of ``-iu root`` it is."""
    if arg.startswith("--"):
        return arg in valued
    for place, letter in enumerate(arg[1:], start=1):
        if f"-{letter}" in valued:
            return place == len(arg) - 1
    return False


COMMAND_CLASS = ExecCommand


def exec_(
    target: Annotated[
        str, typer.Argument(metavar="APP[/SERVICE]", help="Where: the service may be left out where there is one.")
    ],
    command: Annotated[list[str], typer.Argument(metavar="COMMAND...", help="What to run, with its arguments.")],
    *,
    index: Annotated[
        int | None,
        typer.Option("--index", help="Which replica (default: the first healthy one).", min=1, show_default=False),
    ] = None,
    user: Annotated[str, typer.Option("--user", "-u", help="USER or UID, with :GROUP or :GID.")] = "",
    workdir: Annotated[str, typer.Option("--workdir", "-w", help="The directory to run it in.")] = "",
    env: Annotated[
        list[str] | None,
        typer.Option(
            "--env",
            "-e",
            help="NAME=VALUE, or NAME to pass ours on; never logged. May be repeated.",
            show_default=False,
        ),
    ] = None,
    interactive: Annotated[
        bool, typer.Option("--interactive/--no-interactive", "-i", help="Send our standard input on.")
    ] = True,
    tty: Annotated[
        bool | None,
        typer.Option("--tty/--no-tty", "-t/-T", help="A terminal (default: where we are on one).", show_default=False),
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Start it, and do not wait.")] = False,
    privileged: Annotated[bool, typer.Option("--privileged", help="With all rights.")] = False,
    detach_keys: Annotated[
        str,
        typer.Option(
            "--detach-keys", help="What leaves it running (default: Docker's configuration, else ctrl-p,ctrl-q)."
        ),
    ] = "",
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    installation: InstallationOption = None,
) -> None:
    """Run a command in a container of ours that runs; its exit code is ours."""
    with explained():
        on_terminals = terminal.is_terminal(sys.stdin) and terminal.is_terminal(sys.stdout)
        if tty and interactive and not detach and not terminal.is_terminal(sys.stdin):
            fail("--tty needs a terminal, and standard input is none", hint="leave it out, or give --no-interactive")
        keys = detach_keys or _configured_keys()
        typed = DetachKeys(key_bytes(keys))
        chosen_tty = not detach and (on_terminals if tty is None else tty)

        from trimtab import wiring
        from trimtab.backends.engine import execs

        wanted = execs.Command(
            argv=tuple(command),
            user=user,
            workdir=workdir,
            environment=_environment(env or ()),
            tty=chosen_tty,
            stdin=interactive and not detach,
            privileged=privileged,
            detach_keys=keys,
            size=terminal.size() if chosen_tty else None,
        )
        engine = wiring.open_engine(settings(config, data_dir, installation), keep_key=False)
        try:
            observed = engine.driver.observe()
            app, service = execs.find_target(observed, target)
            running = execs.Exec(engine.client, execs.find_container(observed, app, service, index), wanted)
            try:
                code = _detached(running) if detach else _attached(running, wanted, typed)
            finally:
                running.close()
        finally:
            engine.close()
    raise typer.Exit(code)


def _environment(given: Sequence[str]) -> tuple[str, ...]:
    """NAME=VALUE as it is, NAME with our value; one that we do not have either is left out, as Compose does."""
    pairs = []
    for item in given:
        name, equals, _ = item.partition("=")
        if not name:
            # Not repeated: what stands there may be a secret.
            fail("--env takes NAME=VALUE or NAME, and one of those given has no name")
        if equals:
            pairs.append(item)
        elif name in os.environ:
            pairs.append(f"{name}={os.environ[name]}")
    return tuple(pairs)


def _detached(running: Exec) -> int:
    running.start(detached=True)
    return 0


def _configured_keys() -> str:
    """Those of Docker's own configuration, else its default."""
    from docker.utils.config import load_general_config

    return str(load_general_config().get("detachKeys") or DEFAULT)


def _attached(running: Exec, command: Command, keys: DetachKeys) -> int:
    running.start()
    number = terminal.input_number() if command.stdin else None
    feeder = terminal.Feeder(running, number, keys=keys if command.tty else None)
    try:
        if command.tty and number is not None:
            with terminal.raw(number):
                _show(running, feeder)
        else:
            _show(running, feeder)
    except KeyboardInterrupt:
        tell(f"interrupted; the command may still run in {running.name}")
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read us has enough; Python would complain once more when it flushes at its end.
        sys.stdout = None
        return _UNREAD
    code = None if running.detached else running.exit_code()
    if code is None:
        tell(f"detached; the command goes on in {running.name}")
        return 0
    return code


def _show(running: Exec, feeder: terminal.Feeder) -> None:
    with feeder.feeding():
        for stream, data in running.output():
            out = sys.stderr if stream == "stderr" else sys.stdout
            out.buffer.write(data)
            out.buffer.flush()
