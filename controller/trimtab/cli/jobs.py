"""``trimtab jobs``: hooks and jobs of an application, their last runs and what those wrote; ``run`` starts one now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.cli.common import (
    DOCUMENTS,
    AppArgument,
    ConfigOption,
    DataDirOption,
    Output,
    OutputOption,
    document,
    explained,
    fail,
    say,
    settings,
)
from trimtab.cli.requests import ask
from trimtab.model.keys import RUNS, AppKey
from trimtab.model.records import RequestVerb
from trimtab.plan.render.records import run_document

if TYPE_CHECKING:
    from pathlib import Path

    from trimtab.model.records import TaskRun
    from trimtab.model.status import ResourceStatus

ACTIONS = ("run", "log")


def jobs(
    app: AppArgument,
    action: Annotated[
        str | None, typer.Argument(help="run: start a job now. log: what the last run wrote.", show_default=False)
    ] = None,
    name: Annotated[
        str | None, typer.Argument(help="The job; for log also a hook or one run.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option("--limit", help="How many runs, newest first.")] = 20,
    output: OutputOption = Output.TEXT,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Show the hooks and jobs of an application with their last runs; run a job now, or print a run's log."""
    if action is None:
        _show(app, limit, output, config, data_dir)
        return
    if action not in ACTIONS or name is None:
        fail(f"'{' '.join(part for part in (action, name) if part)}' is not understood", hint="run NAME, or log NAME")
    if action == "run":
        ask(app, RequestVerb.RUN, {"job": name}, wait=True, output=output, config=config, data_dir=data_dir)
        return
    for run in _read(app, 1000, config, data_dir)[1]:
        if name in {run.task, run.name}:
            if output in DOCUMENTS:
                document({"formatVersion": 1, "app": app, **run_document(run), "log": run.log}, output)
                return
            say(run.log.rstrip("\n") or "(it wrote nothing)")
            return
    fail(f"no run of '{name}' is remembered", hint=f"'trimtab jobs {app}' lists those that are")


def _read(
    app: str, limit: int, config: Path | None, data_dir: Path | None
) -> tuple[tuple[ResourceStatus, ...], tuple[TaskRun, ...]]:
    with explained():
        from trimtab import wiring

        store = wiring.open_store(settings(config, data_dir))
        try:
            status = store.statuses.get(AppKey.parse(app))
            runs = store.task_runs.list(AppKey.parse(app), limit=limit)
        finally:
            store.close()
    return tuple(line for line in (status.resources if status else ()) if line.key.kind in RUNS), runs


def _show(app: str, limit: int, output: Output, config: Path | None, data_dir: Path | None) -> None:
    lines, runs = _read(app, limit, config, data_dir)
    if output in {Output.JSON, Output.YAML}:
        tasks = [
            {"kind": line.key.kind.value, "name": line.key.name, "health": line.health.value, "message": line.message}
            for line in lines
        ]
        found = {"formatVersion": 1, "app": app, "tasks": tasks, "runs": [run_document(run) for run in runs]}
        document(found, output)
        return
    if not lines and not runs:
        say(f"'{app}' has no hooks and no jobs, or nothing of it was applied yet")
        return
    width = max((len(line.key.name) for line in lines), default=0)
    for line in lines:
        say(f"  {line.key.kind.value:<5} {line.key.name:<{width}}  {line.message}".rstrip())
    if not runs:
        return
    say()
    say(f"{'WHEN (UTC)':<17} {'RESULT':<10} {'WHY':<10} {'EXIT':<5} RUN")
    for run in runs:
        code = "" if run.exit_code is None else str(run.exit_code)
        say(f"{run.at:%Y-%m-%d %H:%M}  {run.outcome.value:<10} {run.cause:<10} {code:<5} {run.name}")
        if run.message:
            say(f"      {run.message.splitlines()[0]}")
