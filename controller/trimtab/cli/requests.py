"""``sync``, ``suspend``, ``resume``, ``terminate``, ``approve``: a row that the controller finds and answers."""

from __future__ import annotations

import getpass
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from string import hexdigits
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
from trimtab.model.keys import AppKey
from trimtab.model.records import Approval, RequestState, RequestVerb

if TYPE_CHECKING:
    from pathlib import Path

    from trimtab.store.sqlite import SqliteStore

WAIT_S = 600.0
# How long an untouched row means that nobody is there to read it; the controller looks four times a second.
NOBODY_S = 5.0
WaitOption = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the controller's answer.")]


def sync(
    app: AppArgument,
    wait: WaitOption = True,
    output: OutputOption = Output.TEXT,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Sync now, even what failed before and is not tried again by itself."""
    ask(app, RequestVerb.SYNC, {}, wait=wait, output=output, config=config, data_dir=data_dir)


def suspend(
    app: AppArgument,
    reason: Annotated[str, typer.Option("--reason", help="Shown in status.")] = "",
    until: Annotated[
        str, typer.Option("--until", help="When it ends by itself: 2026-01-31T18:00, or a duration such as 2h.")
    ] = "",
    output: OutputOption = Output.TEXT,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Leave an application alone: nothing is changed until resumed; drift is still reported."""
    with explained():
        from trimtab.wiring.asking import moment

        over = moment(until, datetime.now(UTC))
        arguments = {"reason": reason, "until": over.isoformat() if over is not None else ""}
    ask(
        app,
        RequestVerb.SUSPEND,
        {k: v for k, v in arguments.items() if v},
        wait=True,
        output=output,
        config=config,
        data_dir=data_dir,
    )


def resume(
    app: AppArgument,
    output: OutputOption = Output.TEXT,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Look after a suspended application again."""
    ask(app, RequestVerb.RESUME, {}, wait=True, output=output, config=config, data_dir=data_dir)


def terminate(
    app: AppArgument,
    output: OutputOption = Output.TEXT,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Stop a running sync between two steps."""
    ask(app, RequestVerb.TERMINATE, {}, wait=True, output=output, config=config, data_dir=data_dir)


def approve(
    app: AppArgument,
    plan: Annotated[str, typer.Argument(metavar="PLAN", help="The id of the plan that is held, as status shows it.")],
    output: OutputOption = Output.TEXT,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Approve the very plan that is held; another plan needs another approval."""
    from trimtab.plan.removals import SHOWN

    plan = plan.lower()
    if len(plan) < SHOWN or not set(plan) <= set(hexdigits):
        fail(f"'{plan}' is no id of a plan", hint=f"it has at least {SHOWN} digits; 'trimtab status {app}' shows it")
    ask(app, RequestVerb.APPROVE, {"plan": plan}, wait=True, output=output, config=config, data_dir=data_dir)


def ask(
    app: str,
    verb: RequestVerb,
    arguments: dict[str, str],
    *,
    wait: bool,
    output: Output = Output.TEXT,
    config: Path | None = None,
    data_dir: Path | None = None,
) -> None:
    """Leave a request, and wait for the answer."""
    with explained():
        from trimtab import wiring

        store = wiring.open_store(settings(config, data_dir), strict=True)
        try:
            key = AppKey.parse(app)
            request = store.requests.submit(key, verb, by=_who(), arguments=arguments)
            answer = _answer(store, key, verb, request, arguments) if wait else _Answer("left", "", "")
        finally:
            store.close()
    if output in DOCUMENTS:
        told = {"formatVersion": 1, "app": str(key), "verb": verb.value, "request": request}
        document({**told, "state": answer.state, "answer": answer.text}, output)
    elif answer.state == "left":
        say(f"request {request} is left for the controller")
    if answer.state == RequestState.REFUSED:
        fail(answer.text, hint=answer.hint)
    if output not in DOCUMENTS and answer.state == RequestState.DONE:
        say(answer.text)


@dataclass(frozen=True, slots=True)
class _Answer:
    state: str
    text: str
    hint: str = ""


def _answer(store: SqliteStore, app: AppKey, verb: RequestVerb, request: int, arguments: Mapping[str, str]) -> _Answer:
    """What the controller says; where none is, what can be done without."""
    began = time.monotonic()
    while (waited_s := time.monotonic() - began) < WAIT_S:
        found = store.requests.get(request)
        if found is not None and found.state is RequestState.DONE:
            return _Answer(found.state, found.answer or "done")
        if found is not None and found.state is RequestState.REFUSED:
            return _Answer(found.state, found.answer)
        if found is not None and found.state is RequestState.PENDING and waited_s > NOBODY_S:
            store.requests.answer(request, RequestState.REFUSED, "no controller was there")
            if verb is RequestVerb.APPROVE:
                # A yes needs nobody who acts on it now.
                plan = arguments["plan"]
                store.holds.approve(Approval(plan_id=plan, app=app, at=datetime.now(UTC), by=_who()))
                text = f"approved, should {plan[:12]} be held: no controller runs, so 'trimtab apply' makes use of it"
                return _Answer(RequestState.DONE, text)
            hint = "start one with 'trimtab run', with the same --data-dir"
            return _Answer(RequestState.REFUSED, "no controller answers", hint)
        time.sleep(0.1)
    return _Answer(
        RequestState.REFUSED, f"no answer within {WAIT_S:.0f} s", f"'trimtab status {app}' shows where it stands"
    )


def _who() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""
