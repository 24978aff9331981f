"""A reconciler for a command that makes its own passes, without a loop around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trimtab import wiring
from trimtab.runtime.carry import Carrier, Watcher
from trimtab.runtime.clock import SystemClock
from trimtab.runtime.reconciler import Reconciler
from trimtab.runtime.report import Reporter
from trimtab.runtime.taskruns import TaskRunner

if TYPE_CHECKING:
    from trimtab.backends.engine.steps import EngineStep
    from trimtab.cli.session import Session
    from trimtab.model.events import Event
    from trimtab.store.sqlite import SqliteStore


class StoredEvents:
    """An EventSink that only remembers; a command shows its progress by itself."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    def emit(self, event: Event) -> None:
        """Remember it."""
        self._store.events.append(event)


def open_reconciler(session: Session, watcher: Watcher[EngineStep], *, settle_s: float) -> Reconciler[EngineStep]:
    """Passes over the applications of a session."""
    clock = SystemClock()
    sink = StoredEvents(session.store)
    driver = session.engine.driver
    return Reconciler(
        session.catalog,
        session.planner,
        Carrier(driver, session.store, sink, clock, workers=session.config.engine_calls),
        Reporter(session.store, sink, clock, driver.target),
        session.store,
        clock,
        wiring.EngineRetention(session.engine.client, session.config),
        settle_s=settle_s,
        tasks=TaskRunner(session.planner, driver, session.store, sink, clock),
        watcher=watcher,
        command=True,
        windows=session.config.sync_windows,
    )
