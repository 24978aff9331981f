"""Whether a difference may be put right now, and who or what is waited for if not. Asks the store, changes nothing.

In this order: a suspension, applications that go first, the guard's verdict, the application's own policy, sync
windows. A person's sync goes past the policy and past what goes first; past windows only where they let it; never
past a suspension or the guard.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from trimtab.model.application import Application
from trimtab.model.drift import DriftMode
from trimtab.model.keys import AppKey
from trimtab.model.plan import Decision
from trimtab.model.windows import SyncWindow
from trimtab.plan import promotion
from trimtab.plan.listed import only_lists
from trimtab.plan.windows import closed, seconds_left, windows_of
from trimtab.ports import Clock, Store
from trimtab.runtime.order import Order
from trimtab.runtime.planner import Look

StepT = TypeVar("StepT")
NOT_AUTOMATED = "automated sync is off; 'trimtab sync' applies it"
NOT_HEALED = "selfHeal is off; 'trimtab sync' repairs it"
# Nothing is waited for then but a person, or another state of Git or of the engine.
LEFT_BY_POLICY = frozenset({NOT_AUTOMATED, NOT_HEALED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Nothing is done now, because of ``reason``; at ``until`` it may be otherwise without anything happening.

    ``refuses``: a person who asked for a sync is told no, instead of being served later.
    """

    reason: str
    until: datetime | None = None
    refuses: bool = False
    waits: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a pass wants to do. ``way_back``: it puts back what ran before a release that failed."""

    requested: bool
    drift_only: bool
    way_back: bool = False


class Gate:
    """The decisions of one controller; ``windows`` are those of its configuration."""

    def __init__(self, store: Store, clock: Clock, order: Order, windows: Sequence[SyncWindow] = ()) -> None:
        self._store = store
        self._clock = clock
        self._order = order
        self._windows = tuple(windows)

    def hold(self, look: Look[StepT], app: Application | None, asked: Asked) -> Hold | None:
        """What keeps the plan of ``look`` from being carried out; None to go on. ``app`` is None once gone from Git."""
        suspended = self._suspended(look.plan.app, app)
        if suspended is not None:
            return suspended
        if look.plan.empty or only_lists(look.plan.changes):
            return _unless_go(look)
        # Before the verdict: what is missing may be what the others are about to make.
        by_itself = not asked.requested and not asked.drift_only and not asked.way_back
        automated = app is None or app.sync_policy.automated
        if by_itself and automated and (waiting := self._order.waits_for(look.plan.app)):
            return Hold(reason=waiting)
        if (refused := _unless_go(look)) is not None:
            return refused
        if app is not None and not asked.requested:
            # A sync that a person asked for ends with what ran well, too.
            if not app.sync_policy.automated and (asked.drift_only or not asked.way_back):
                return Hold(reason=NOT_AUTOMATED)
            repairs = any(rule.mode is DriftMode.REPAIR for rule in app.sync_policy.drift.rules)
            if asked.drift_only and not app.sync_policy.self_heal and not repairs:
                return Hold(reason=NOT_HEALED)
        # To put back what ran well is the end of a sync that began when it might.
        return None if asked.way_back else self._outside(look.plan.app, app, asked)

    def seconds_left(self, key: AppKey, app: Application | None, *, requested: bool, at_most_s: float) -> float | None:
        """After how long a sync that begins now has to stop for a window's sake; None: it may end by itself."""
        windows = windows_of(key, app, self._windows)
        return seconds_left(windows, self._clock.now(), at_most_s=at_most_s, manual=requested)

    def _suspended(self, key: AppKey, app: Application | None) -> Hold | None:
        now = self._clock.now()
        suspension = self._store.holds.suspension(key)
        if suspension is not None and suspension.holds(now):
            said = _suspended_sentence(suspension.reason, suspension.by, suspension.until)
            return Hold(reason=said, until=suspension.until, refuses=True)
        if app is not None and app.suspend.enabled and (app.suspend.until is None or now < app.suspend.until):
            said = _suspended_sentence(app.suspend.reason, app.suspend.by, app.suspend.until)
            return Hold(reason=said, until=app.suspend.until, refuses=True)
        return None

    def _outside(self, key: AppKey, app: Application | None, asked: Asked) -> Hold | None:
        windows = windows_of(key, app, self._windows)
        held = closed(windows, self._clock.now(), manual=asked.requested)
        if held is None:
            return None
        return Hold(reason=held.reason, until=held.opens_at, refuses=True, waits=True)


def _unless_go(look: Look[StepT]) -> Hold | None:
    if look.verdict.decision is Decision.GO:
        return None
    if said := promotion.reason_of(look.verdict):
        return Hold(reason=said, refuses=True, waits=True)
    return Hold(reason="; ".join(str(d) for d in look.verdict.diagnostics), waits=bool(look.verdict.waits_for))


def _suspended_sentence(reason: str, by: str, until: datetime | None) -> str:
    parts = ["suspended"]
    parts += [f"by {by}"] if by else []
    parts += [f"until {until:%Y-%m-%d %H:%M} UTC"] if until else []
    return " ".join(parts) + (f': "{reason}"' if reason else "")
