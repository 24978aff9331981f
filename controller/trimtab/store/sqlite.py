"""The whole store over one SQLite file: the parts, each a file of its own, put together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from trimtab.model.events import Event
from trimtab.ports import Clock
from trimtab.store.applied import Applied
from trimtab.store.builds import BuildFailures
from trimtab.store.database import Database
from trimtab.store.events import Events
from trimtab.store.facts import InstallationFacts
from trimtab.store.holds import PeoplesHolds
from trimtab.store.journal import StepJournal
from trimtab.store.releases import Releases
from trimtab.store.requests import Requests
from trimtab.store.statuses import Statuses
from trimtab.store.taskruns import TaskRunLog

FILE_NAME = "trimtab.db"


class SqliteStore:
    """ports.Store in ``data_dir``/trimtab.db.

    The controller's own store outlives every fault of the file (see store.database); ``strict`` is for commands,
    which would rather tell a person that a request could not be left.
    """

    def __init__(self, data_dir: Path, clock: Clock, *, strict: bool = False, history: int = 50) -> None:
        """Open or make it. Raises ConfigError when the directory cannot be used, TransientError only if strict."""
        self._database = Database(data_dir / FILE_NAME, now=clock.now, monotonic_s=clock.monotonic_s, strict=strict)
        self.releases = Releases(self._database, keep=history)
        self.applied = Applied(self._database)
        self.events = Events(self._database)
        self.journal = self.journal_reader = StepJournal(self._database, keep=history)
        self.requests = Requests(self._database)
        self.holds = PeoplesHolds(self._database)
        self.failed_builds = BuildFailures(self._database)
        self.statuses = Statuses(self._database)
        self.facts = InstallationFacts(self._database)
        self.task_runs = TaskRunLog(self._database)

    @property
    def degraded(self) -> str:
        """Why nothing new is written to disk now; "" while it is."""
        return self._database.degraded

    def on_warning(self, listener: Callable[[Event], None]) -> None:
        """Hear of faults of the file, those at its opening included; the listener may use the store."""
        self._database.subscribe(listener)

    def close(self) -> None:
        """Flush and release the file."""
        self._database.close()
