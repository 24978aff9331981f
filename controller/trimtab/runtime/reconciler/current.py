"""What one pass has found out before it acts or rests, and what every pass makes use of."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from trimtab.model.keys import AppKey
from trimtab.model.records import AppliedState
from trimtab.model.trigger import Trigger
from trimtab.ports import Clock, Store
from trimtab.runtime.carry import Carrier
from trimtab.runtime.catalog import Catalog
from trimtab.runtime.drifting import DriftTeller
from trimtab.runtime.planner import Look
from trimtab.runtime.report import Reporter
from trimtab.runtime.target import Target
from trimtab.runtime.taskruns import TaskRunner
from trimtab.runtime.views import View

StepT = TypeVar("StepT")

# A full look this often, whatever the events said.
RESYNC_S = 300.0
# What stands in the way (a name that somebody else's object has) may go without an event that is about us.
DENIED_S = 10.0
# While a helper finishes its work on the controller's own container.
HANDOVER_S = 0.5
# How long everything has to run before a release counts as healthy. Source: Swarm's default UpdateConfig.Monitor, 5 s.
SETTLE_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass(Generic[StepT]):
    """What one pass has found out before it acts or rests."""

    look: Look[StepT]
    view: View
    state: AppliedState
    target: Target
    trigger: Trigger
    cancelled: threading.Event
    requested: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Means(Generic[StepT]):
    """What passes are made with; ``healthy_changed`` hears when those that wait for one should look at it again."""

    catalog: Catalog
    carrier: Carrier[StepT]
    reporter: Reporter
    store: Store
    clock: Clock
    drift: DriftTeller
    tasks: TaskRunner[StepT] | None
    healthy_changed: Callable[[AppKey], None]

    def forget(self, key: AppKey) -> None:
        """Nothing of it is left, in Git or on the engine."""
        self.catalog.forget(key)
        self.reporter.gone(key)
        # What it leaned on may go now, too.
        self.healthy_changed(key)
