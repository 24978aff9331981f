"""``trimtab logs``: what an application's containers say, each line with its container, as Compose shows it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.cli.common import (
    DOCUMENTS,
    AppArgument,
    ConfigOption,
    DataDirOption,
    InstallationOption,
    Output,
    OutputOption,
    documents,
    explained,
    fail,
    settings,
)
from trimtab.model.keys import AppKey

if TYPE_CHECKING:
    from trimtab.model.output import OutputLine

# Cyan, yellow, green, magenta, blue, and their bright sisters, as Compose takes them in turn.
_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)


def logs(
    app: AppArgument,
    service: Annotated[str, typer.Argument(metavar="[SERVICE]", help="Only this service.", show_default=False)] = "",
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as they come.")] = False,
    tail: Annotated[str, typer.Option("--tail", "-n", help="The last lines of each container, or 'all'.")] = "all",
    timestamps: Annotated[bool, typer.Option("--timestamps", "-t", help="Put the time before each line.")] = False,
    output: OutputOption = Output.TEXT,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    installation: InstallationOption = None,
) -> None:
    """Show the output of an application's containers; of ours only, whatever others are called."""
    with explained():
        count = _count(tail)
        from trimtab import wiring
        from trimtab.backends.engine.output import ApplicationOutput

        engine = wiring.open_engine(settings(config, data_dir, installation), keep_key=False)
        try:
            found = ApplicationOutput(engine.driver, AppKey.parse(app), service, tail=count, follow=follow)
            try:
                printer = Printer(output, timestamps=timestamps)
                for line in found:
                    printer.show(line)
            except KeyboardInterrupt:
                return
            except BrokenPipeError:
                # Whoever read us has enough; Python would complain once more when it flushes at its end.
                sys.stdout = None
            finally:
                found.close()
        finally:
            engine.close()


def _count(tail: str) -> int | None:
    if tail == "all":
        return None
    if not tail.isdecimal():
        fail(f"--tail '{tail}' is neither a number nor 'all'")
    return int(tail)


class Printer:
    """Writes lines; the containers' standard error goes to ours, as with Compose."""

    def __init__(self, output: Output, *, timestamps: bool) -> None:
        self._output = output
        self._timestamps = timestamps
        self._colours = sys.stdout.isatty()
        self._labels: dict[str, int] = {}
        self._width = 0

    def show(self, line: OutputLine) -> None:
        """One line, at once."""
        if self._output in DOCUMENTS:
            item = {
                "formatVersion": 1,
                "at": line.at,
                "container": line.container,
                "service": line.service,
                "replica": line.replica,
                "stream": line.stream,
                "line": line.text,
            }
            documents([item], self._output)
            return
        out = sys.stderr if line.stream == "stderr" else sys.stdout
        text = f"{line.at + ' ' if self._timestamps and line.at else ''}{line.text}"
        encoding = out.encoding or "utf-8"
        out.write(f"{self._prefix(line.label)}{text.encode(encoding, 'replace').decode(encoding)}\n")
        out.flush()

    def _prefix(self, label: str) -> str:
        number = self._labels.setdefault(label, len(self._labels))
        self._width = max(self._width, len(label))
        prefix = f"{label:<{self._width}} | "
        return f"\x1b[{_COLOURS[number % len(_COLOURS)]}m{prefix}\x1b[0m" if self._colours else prefix
