"""``sync``, ``suspend``, ``resume``, ``terminate``, ``approve``: a row that the controller finds and answers."""

from __future__ import annotations

import getpass
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.cli.common import (
    AppArgument,
    ConfigOption,
    DataDirOption,
    explained,
    fail,
    say,
    settings,
)
from trimtab.model.keys import AppKey
from trimtab.model.records import Approval, RequestState, RequestVerb

if TYPE_CHECKING:
    from pathlib import Path

WAIT_S = 600.0
# How long an untouched row means that nobody is there to read it; the controller looks four times a second.
NOBODY_S = 5.0
WaitOption = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the controller's answer.")]


def sync(
    app: AppArgument, wait: WaitOption = True, config: ConfigOption = None, data_dir: DataDirOption = None
) -> None:
    """Sync now, even what failed before and is not tried again by itself."""
    ask(app, RequestVerb.SYNC, {}, wait=wait, config=config, data_dir=data_dir)


def suspend(
    app: AppArgument,
    reason: Annotated[str, typer.Option("--reason", help="Shown in status.")] = "",
    until: Annotated[
        str, typer.Option("--until", help="When it ends by itself: 2026-01-31T18:00, or a duration such as 2h.")
    ] = "",
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Leave an application alone: nothing is changed until resumed; drift is still reported."""
    with explained():
        arguments = {"reason": reason, "until": _moment(until)}
    ask(
        app, RequestVerb.SUSPEND, {k: v for k, v in arguments.items() if v}, wait=True, config=config, data_dir=data_dir
    )


def resume(app: AppArgument, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """Look after a suspended application again."""
    ask(app, RequestVerb.RESUME, {}, wait=True, config=config, data_dir=data_dir)


def terminate(app: AppArgument, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """Stop a running sync between two steps."""
    ask(app, RequestVerb.TERMINATE, {}, wait=True, config=config, data_dir=data_dir)


def approve(
    app: AppArgument,
    plan: Annotated[str, typer.Argument(metavar="PLAN", help="The id of the plan that is held, as status shows it.")],
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Approve the very plan that is held; another plan needs another approval."""
    ask(app, RequestVerb.APPROVE, {"plan": plan}, wait=True, config=config, data_dir=data_dir)


def ask(
    app: str,
    verb: RequestVerb,
    arguments: dict[str, str],
    *,
    wait: bool,
    config: Path | None = None,
    data_dir: Path | None = None,
) -> None:
    """Leave a request, and wait for the answer."""
    with explained():
        from trimtab import wiring

        store = wiring.open_store(settings(config, data_dir), strict=True)
        try:
            request = store.requests.submit(AppKey.parse(app), verb, by=_who(), arguments=arguments)
            if not wait:
                say(f"request {request} is left for the controller")
                return
            began = time.monotonic()
            while (waited_s := time.monotonic() - began) < WAIT_S:
                found = store.requests.get(request)
                if found is not None and found.state is RequestState.DONE:
                    say(found.answer or "done")
                    return
                if found is not None and found.state is RequestState.REFUSED:
                    fail(found.answer)
                if found is not None and found.state is RequestState.PENDING and waited_s > NOBODY_S:
                    store.requests.answer(request, RequestState.REFUSED, "no controller was there")
                    if verb is RequestVerb.APPROVE:
                        # A yes needs nobody who acts on it now.
                        store.holds.approve(
                            Approval(plan_id=arguments["plan"], app=AppKey.parse(app), at=datetime.now(UTC), by=_who())
                        )
                        say(f"plan {arguments['plan'][:12]} is approved; no controller runs, so 'trimtab apply' has to")
                        return
                    fail("no controller answers", hint="start one with 'trimtab run', with the same --data-dir")
                time.sleep(0.1)
            fail(f"no answer within {WAIT_S:.0f} s; see 'trimtab status {app}'")
        finally:
            store.close()


def _who() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


def _moment(text: str) -> str:
    from trimtab.config import seconds
    from trimtab.errors import ConfigError

    if not text:
        return ""
    try:
        return (datetime.now(UTC) + timedelta(seconds=seconds(text))).isoformat()
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"--until '{text}' is neither a time nor a duration", hint="such as 2026-01-31T18:00 or 2h"
        ) from None
    return (at if at.tzinfo else at.astimezone()).isoformat()
