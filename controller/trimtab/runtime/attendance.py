"""Which jobs an application has now: those of what was applied to it last, whatever Git's newest commit is worth."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

from trimtab.errors import TrimtabError
from trimtab.model.application import Application
from trimtab.ports import Clock, Store
from trimtab.runtime.catalog import Catalog
from trimtab.runtime.jobs import JobKeeper
from trimtab.runtime.log import Log
from trimtab.runtime.planner import Look, Planner

StepT = TypeVar("StepT")

_log = Log(__name__)


class Attendance(Generic[StepT]):
    """Called at the end of each pass; what goes wrong with a job is told, and is no part of the pass."""

    def __init__(
        self, keeper: JobKeeper[StepT], catalog: Catalog, planner: Planner[StepT], store: Store, clock: Clock
    ) -> None:
        self._keeper = keeper
        self._catalog = catalog
        self._planner = planner
        self._store = store
        self._clock = clock

    def __call__(self, look: Look[StepT], cancelled: threading.Event) -> None:
        """Look after the jobs of one application."""
        key, app = look.plan.app, look.application
        applied = self._store.applied.get(key)
        try:
            if app is None or not applied.applied_digest:
                self._keeper.forget(key)
                return
            desired, snapshot = look.desired, look.snapshot
            if desired.digest != applied.applied_digest:
                older = self._catalog.at(key, applied.applied_revision)
                if older is None or older.application is None or older.snapshot is None:
                    self._keeper.forget(key)
                    return
                desired, snapshot = self._planner.desired(older.application, older.snapshot), older.snapshot
            self._keeper.attend(desired, snapshot, cancelled, suspended=self._suspended(app))
        except TrimtabError as error:
            _log.warning("jobs could not be looked after", app=str(key), reason=str(error))

    def _suspended(self, app: Application) -> bool:
        now = self._clock.now()
        held = self._store.holds.suspension(app.key)
        own = app.suspend
        return (held is not None and held.holds(now)) or (own.enabled and (own.until is None or now < own.until))
