"""``trimtab status``: where applications stand, as the controller last saw them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from trimtab.cli.common import (
    ConfigOption,
    DataDirOption,
    OptionalApp,
    Output,
    OutputOption,
    document,
    explained,
    fail,
    say,
    settings,
)
from trimtab.model.keys import AppKey
from trimtab.plan.render.records import status_document
from trimtab.plan.units import ago

if TYPE_CHECKING:
    from trimtab.model.status import AppStatus


def status(
    app: OptionalApp = None,
    output: OutputOption = Output.TEXT,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Show sync and health of every application, or all about one."""
    with explained():
        from trimtab import wiring

        store = wiring.open_store(settings(config, data_dir))
        try:
            if app is None:
                found = store.statuses.all()
            else:
                one = store.statuses.get(AppKey.parse(app))
                if one is None:
                    known = ", ".join(str(s.app) for s in store.statuses.all()) or "none"
                    fail(f"there is no application '{app}'", hint=f"known are: {known}")
                found = (one,)
        finally:
            store.close()
    if output in {Output.JSON, Output.YAML}:
        items = [status_document(s) for s in found]
        document({"formatVersion": 1, "applications": items}, output)
        return
    if not found:
        say("no applications; 'trimtab run --repo URL' or 'trimtab apply' makes some")
        return
    say("\n".join(table(found, datetime.now(UTC))))
    if app is not None:
        say()
        say("\n".join(details(found[0])))


def table(statuses: tuple[AppStatus, ...], now: datetime) -> list[str]:
    """The overview, one line an application."""
    head = ("APPLICATION", "SYNC", "HEALTH", "REVISION", "SINCE", "WHAT")
    rows = [head]
    for s in statuses:
        since = ago((now - s.since).total_seconds()).replace(" ", "") if s.since else ""
        rows.append(
            (
                str(s.app),
                s.sync.value,
                s.health.value,
                s.desired_revision[:7] or "-",
                since,
                s.message.splitlines()[0] if s.message else "",
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def details(s: AppStatus) -> list[str]:
    """Revisions and objects of one application."""
    lines = [
        f"{name:<10} {value[:12]}"
        for name, value in (
            ("Git", s.desired_revision),
            ("applied", s.applied_revision),
            ("healthy", s.healthy_revision),
            ("failed", s.failed_revision),
        )
        if value
    ]
    if s.message:
        lines += ["", s.message]
    lines.append("")
    width = max((len(r.name) for r in s.resources), default=0)
    for r in s.resources:
        lines.append(
            f"  {r.key.kind.value:<10} {r.name:<{width}}  {r.sync.value:<10} {r.health.value:<12} {r.message}".rstrip()
        )
    return lines
