"""``trimtab events``: what happened, oldest first; ``--follow`` goes on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.cli.common import (
    DOCUMENTS,
    ConfigOption,
    DataDirOption,
    OptionalApp,
    Output,
    OutputOption,
    document,
    documents,
    explained,
    say,
    settings,
    tell,
)
from trimtab.model.keys import AppKey
from trimtab.plan.render.records import event_document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trimtab.model.records import StoredEvent


def events(
    app: OptionalApp = None,
    limit: Annotated[int, typer.Option("--limit", help="How many of the newest.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as they come.")] = False,
    output: OutputOption = Output.TEXT,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Show what happened to all applications, or to one."""
    with explained():
        from trimtab import wiring

        key = AppKey.parse(app) if app else None
        store = wiring.open_store(settings(config, data_dir))
        try:
            found: Sequence[StoredEvent] = store.events.newest(app=key, limit=limit)
            if output in DOCUMENTS and not follow:
                document({"formatVersion": 1, "events": [event_document(e) for e in found]}, output)
                return
            _show(found, output)
            if not found and output is Output.TEXT:
                tell(
                    f"nothing happened to '{app}' that is remembered" if app else "nothing happened that is remembered"
                )
            cursor = found[-1].id if found else 0
            while follow:
                time.sleep(0.5)
                found = store.events.after(cursor, app=key)
                _show(found, output)
                cursor = found[-1].id if found else cursor
        except KeyboardInterrupt:
            return
        finally:
            store.close()


def _show(found: Sequence[StoredEvent], output: Output) -> None:
    if output in DOCUMENTS:
        documents(({"formatVersion": 1, **event_document(stored)} for stored in found), output)
        return
    for stored in found:
        event = stored.event
        mark = "!" if event.type.value == "Warning" else " "
        app = f"{event.app}: " if event.app else ""
        say(f"{event.at:%Y-%m-%d %H:%M:%S} {mark} {event.reason:<18} {app}{event.message}")
        log = event.fields.get("log")
        for line in log if isinstance(log, list) else ():
            say(f"                      | {line}")
