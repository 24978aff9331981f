"""``trimtab doctor``: everything Trimtab stands on, looked at one by one: ok, or what to do."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import typer

from trimtab.cli.checkup import Finding, State, data_directory, free_disk, git
from trimtab.cli.common import (
    EXIT_ERROR,
    ConfigOption,
    DataDirOption,
    InstallationOption,
    Output,
    OutputOption,
    document,
    explained,
    say,
    settings,
)
from trimtab.errors import TrimtabError

if TYPE_CHECKING:
    from trimtab.config import Config

_MARKS = {State.OK: "ok  ", State.WARNING: "warn", State.BROKEN: "FAIL"}
_COLOURS = {State.OK: 32, State.WARNING: 33, State.BROKEN: 31}


def doctor(
    *,
    output: OutputOption = Output.TEXT,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    installation: InstallationOption = None,
) -> None:
    """Check the engine, its builder, git, permissions and disk; exit 1 if something is broken."""
    with explained():
        chosen = settings(config, data_dir, installation)
    found = []
    for finding in examine(chosen):
        found.append(finding)
        if output is Output.TEXT:
            # One by one: an engine that does not answer takes its time.
            _show(finding)
    broken = [finding for finding in found if finding.state is State.BROKEN]
    if output is Output.TEXT:
        warnings = sum(finding.state is State.WARNING for finding in found)
        say(f"{len(found)} checks: {len(broken)} broken, {warnings} to look at.")
    else:
        checks = [
            {"check": f.check, "state": f.state.value, "message": f.message, "hint": f.hint or None} for f in found
        ]
        document({"formatVersion": 1, "ok": not broken, "checks": checks}, output)
    if broken:
        raise typer.Exit(EXIT_ERROR)


def _show(finding: Finding) -> None:
    mark = _MARKS[finding.state]
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        mark = f"\x1b[{_COLOURS[finding.state]}m{mark}\x1b[0m"
    say(f"{mark}  {finding.check:<16} {finding.message}")
    if finding.hint:
        say(f"{'':<23}-> {finding.hint}")


def examine(config: Config) -> Iterator[Finding]:
    """Every finding, in order; what needs an engine is left out when there is none."""
    from trimtab.backends.engine.client import EngineClient
    from trimtab.cli import checkup_engine as engine

    yield from _safely("git", git)
    yield from _safely("data directory", lambda: data_directory(config.data_dir))
    yield from _safely("disk", lambda: free_disk("disk", config.data_dir))
    client = EngineClient(config.docker_host)
    try:
        reached = list(_safely("engine", lambda: engine.reached(client)))
        yield from reached
        if any(finding.state is State.BROKEN for finding in reached):
            return
        info = engine.info(client)
        for name, check in (
            ("builder", lambda: engine.builder(client, config)),
            ("engine disk", lambda: engine.disk(client, info)),
            ("limits", lambda: engine.limits(info)),
            ("clock", lambda: engine.clock(info)),
            ("key", lambda: engine.installation_key(client, config)),
            ("controller", lambda: engine.holder(client, config)),
        ):
            yield from _safely(name, check)
    finally:
        client.close()


def _safely(check: str, look: Callable[[], Finding]) -> Iterator[Finding]:
    """A check that cannot be made is a finding, too, and the next one is made."""
    try:
        yield look()
    except TrimtabError as error:
        yield Finding(check=check, state=State.BROKEN, message=error.message, hint=error.hint)
