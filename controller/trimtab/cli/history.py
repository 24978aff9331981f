"""``trimtab history``: what was deployed when, from which commit, by whom, with what result."""

from __future__ import annotations

from typing import Annotated

import typer

from trimtab.cli.common import (
    AppArgument,
    ConfigOption,
    DataDirOption,
    Output,
    OutputOption,
    document,
    explained,
    say,
    settings,
)
from trimtab.model.keys import AppKey
from trimtab.plan.render.records import release_document


def history(
    app: AppArgument,
    limit: Annotated[int, typer.Option("--limit", help="How many, newest first.")] = 20,
    output: OutputOption = Output.TEXT,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Show the releases of an application, newest first."""
    with explained():
        from trimtab import wiring

        store = wiring.open_store(settings(config, data_dir))
        try:
            releases = store.releases.list(AppKey.parse(app), limit)
        finally:
            store.close()
    if output in {Output.JSON, Output.YAML}:
        document({"formatVersion": 1, "app": app, "history": [release_document(r) for r in releases]}, output)
        return
    if not releases:
        say(f"nothing was deployed of '{app}' yet")
        return
    say(f"{'ID':<5} {'WHEN (UTC)':<17} {'REVISION':<9} {'RESULT':<12} {'TRIGGER':<11} {'AUTHOR':<20} SUBJECT")
    for r in releases:
        say(
            f"{r.id:<5} {r.started_at:%Y-%m-%d %H:%M}  {r.revision[:7] or '-':<9} {r.phase.value:<12} "
            f"{r.trigger:<11} {r.author[:20]:<20} {r.subject}".rstrip()
        )
        if r.message:
            say(f"      {r.message.splitlines()[0]}")
