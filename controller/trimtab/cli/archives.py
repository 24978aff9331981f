"""``trimtab archives``: the volumes that were archived before they were removed; ``restore`` puts one back."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.cli.common import (
    DOCUMENTS,
    EXIT_ERROR,
    ConfigOption,
    DataDirOption,
    InstallationOption,
    Output,
    OutputOption,
    document,
    explained,
    fail,
    say,
    settings,
    tell,
)
from trimtab.model.keys import AppKey
from trimtab.plan.units import ago, human

if TYPE_CHECKING:
    from trimtab.backends.engine.archive_list import Archived
    from trimtab.backends.engine.archives import ArchiveShelf
    from trimtab.config import Config

ACTIONS = ("restore", "verify", "remove")


def archives(
    app: Annotated[
        str | None,
        typer.Argument(
            metavar="[APP|ACTION]",
            help="Only those of this application; or restore, verify or remove, with an ID.",
            show_default=False,
        ),
    ] = None,
    archive: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", help="An archive, or a volume: its newest one.", show_default=False),
    ] = None,
    *,
    volume: Annotated[
        str | None,
        typer.Option("--volume", help="Restore into this volume (default: the name it had).", show_default=False),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove without being asked.")] = False,
    output: OutputOption = Output.TEXT,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    installation: InstallationOption = None,
) -> None:
    """List the archives of removed volumes; put one back into a new or empty volume, verify it, or remove it."""
    action = app if app in ACTIONS else None
    if (action is None) != (archive is None):
        said = " ".join(part for part in (app, archive) if part)
        fail(f"'archives {said}' is not understood", hint=f"{' ID, '.join(ACTIONS)} ID, or an application to list")
    if volume is not None and action != "restore":
        fail("--volume is for 'archives restore'")
    with explained():
        chosen = settings(config, data_dir, installation)
        shelf = open_shelf(chosen)
        if action is None or archive is None:
            _list(shelf, app, output)
        elif action == "restore":
            _restore(chosen, shelf, archive, volume, output)
        elif action == "verify":
            _verify(shelf, archive, output)
        else:
            _remove(chosen, shelf, archive, output, yes=yes)


def open_shelf(config: Config) -> ArchiveShelf:
    """Where this installation's archives are."""
    from trimtab import wiring
    from trimtab.backends.engine.archives import ArchiveShelf

    return ArchiveShelf(folder=wiring.archives_in(config), now=lambda: datetime.now(UTC))


def _list(shelf: ArchiveShelf, app: str | None, output: Output) -> None:
    from trimtab.backends.engine.archive_list import listed

    key = AppKey.parse(app) if app else None
    found = [one for one in listed(shelf) if key in {None, one.application}]
    if output in DOCUMENTS:
        document({"formatVersion": 1, "archives": [_document(one) for one in found]}, output)
    elif not found:
        say(f"there is no archive of '{app}'" if app else f"there is no archive in {shelf.folder}")
    else:
        say("\n".join(table(found, datetime.now(UTC))))
        say()
        say("put one back with: trimtab archives restore ID")


def table(found: list[Archived], now: datetime) -> list[str]:
    """One line an archive."""
    rows = [("ID", "APPLICATION", "VOLUME", "AGE", "SIZE", "ENTRIES")]
    for one in found:
        age = ago((now - one.archived_at).total_seconds())
        of = str(one.application) if one.application is not None else "-"
        rows.append((one.id, of, one.volume, age, human(one.size_bytes, "bytes"), str(one.entries)))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _document(one: Archived) -> dict[str, object]:
    return {
        "id": one.id,
        "application": str(one.application) if one.application is not None else None,
        "volume": one.volume,
        "archivedAt": one.archived_at.isoformat(),
        "entries": one.entries,
        "sizeBytes": one.size_bytes,
        "treeDigest": one.tree_digest,
        "sha256": one.sha256,
        "path": str(one.path),
    }


def _restore(config: Config, shelf: ArchiveShelf, name: str, volume: str | None, output: Output) -> None:
    from trimtab import wiring
    from trimtab.backends.engine import labels
    from trimtab.backends.engine.archive_list import find
    from trimtab.backends.engine.unarchive import Restoring

    one = find(shelf, name)
    target = volume or one.volume
    engine = wiring.open_engine(config, keep_key=False)
    try:
        key = engine.dialect.seal_key
        Restoring(
            client=engine.client,
            installation=config.installation,
            identify=lambda found, at: labels.identify(found, at, seal_key=key, installation=config.installation),
            tell=tell,
        ).restore(one, target)
    finally:
        engine.close()
    text = f"volume {target} holds again what was archived as {one.id}: {one.entries} entries, verified"
    _note(config, one, "VolumeRestored", text)
    if output in DOCUMENTS:
        document({"formatVersion": 1, "restored": target, "archive": _document(one)}, output)
        return
    say(text)
    if target == one.volume:
        say("an application that declares it in Git finds it as it was; until one does, it is kept")
    else:
        say(f"it is nobody's: declare it with 'external: true' and 'name: {target}', or look into it by hand")


def _verify(shelf: ArchiveShelf, name: str, output: Output) -> None:
    from trimtab.backends.engine.archive_list import find, problem

    one = find(shelf, name)
    trouble = problem(one)
    if output in DOCUMENTS:
        document(
            {"formatVersion": 1, "whole": not trouble, "problem": trouble or None, "archive": _document(one)}, output
        )
    if trouble:
        fail(f"archive {one.id} is not whole: {trouble}")
    if output not in DOCUMENTS:
        say(f"archive {one.id} is whole: {one.entries} entries, {human(one.size_bytes, 'bytes')}")


def _remove(config: Config, shelf: ArchiveShelf, name: str, output: Output, *, yes: bool) -> None:
    from trimtab.backends.engine.archive_list import find, remove

    one = find(shelf, name)
    if one.id != name:
        fail(f"'{name}' is no id of an archive", hint=f"to remove its newest one: trimtab archives remove {one.id}")
    if not yes:
        if not sys.stdin.isatty():
            fail("nothing was removed: there is nobody to ask", hint="give --yes to remove it without being asked")
        if not typer.confirm(f"Remove {one.id}, the data of volume {one.volume}? It cannot be brought back"):
            raise typer.Exit(EXIT_ERROR)
    remove(one)
    text = f"archive {one.id} of volume {one.volume} was removed by hand: {human(one.size_bytes, 'bytes')}"
    _note(config, one, "ArchiveRemoved", text)
    if output in DOCUMENTS:
        document({"formatVersion": 1, "removed": True, "archive": _document(one)}, output)
    else:
        say(text)


def _note(config: Config, one: Archived, reason: str, text: str) -> None:
    """Keep it as an event of the application."""
    from trimtab import wiring
    from trimtab.model.events import Event

    store = wiring.open_store(config)
    try:
        store.events.append(Event(at=datetime.now(UTC), app=one.application, reason=reason, message=text))
    finally:
        store.close()
