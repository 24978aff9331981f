"""The hooks of an application's removal, for ``trimtab delete``: from the commit that runs, where it is watched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trimtab.cli.common import fail, tell
from trimtab.errors import TrimtabError
from trimtab.runtime.hooks import Farewell, farewell, has_farewell

if TYPE_CHECKING:
    import contextlib

    from trimtab.backends.engine.steps import EngineStep
    from trimtab.config import Config
    from trimtab.model.keys import AppKey
    from trimtab.runtime.planner import Planner
    from trimtab.store.sqlite import SqliteStore


def last_hooks(
    config: Config,
    store: SqliteStore,
    planner: Planner[EngineStep],
    key: AppKey,
    closing: contextlib.ExitStack,
    *,
    wanted: bool,
) -> Farewell:
    """What is left to want of ``key``; its repository stays open until ``closing`` is closed."""
    from trimtab import wiring
    from trimtab.cli.watched import watched_repositories

    nothing = Farewell(desired=planner.nothing(key, ""))
    if not wanted:
        return nothing
    applied = store.applied.get(key).applied_revision
    for item in watched_repositories(config):
        try:
            repository = wiring.open_repository(item, config)
            catalog = wiring.open_catalog([repository], store, config, planner)
            closing.callback(catalog.close)
            catalog.refresh(repository, known=[key])
            found = farewell(catalog, planner, key, revision="", applied_revision=applied, unknown=tell)
        except TrimtabError as error:
            tell(f"warning: {item.url} cannot be read now, so hooks in it are not known: {error.message}")
            continue
        if found.desired.hooks:
            return found
    if has_farewell(store.facts, key):
        fail(
            f"{key} has hooks for its removal, and the commit that declares them cannot be read here",
            hint="run it where its repository is watched, or give --no-hooks to remove it without them",
        )
    return nothing
