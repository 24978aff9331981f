"""Whether sync windows let an application be changed now, and if not, when they will. Pure.

As in Argo CD: without windows everything may go on; a deny window that is open wins over all; with any allow window,
one of them has to be open; ``manualSync`` lets a person's sync through, of deny windows only if all that are open
have it, of allow windows if one of them has it. Repairs of drift count as automatic syncs.

Source: Argo CD, user guide "Sync Windows", and ``SyncWindows.CanSync`` in pkg/apis/application/v1alpha1/types.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from trimtab.errors import OutsideWindow
from trimtab.model.application import Application
from trimtab.model.diagnostics import Diagnostic, Origin, Severity
from trimtab.model.keys import AppKey
from trimtab.model.plan import Decision, Verdict
from trimtab.model.windows import SyncWindow, WindowKind

# So many turns ahead is looked for the end of a window, and for a moment at which all windows agree.
_TURNS = 500
_WEEK = timedelta(days=6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """Windows hold an application now. ``opens_at`` is None when nothing that can be foreseen lets it go on.

    ``window`` is the one to blame, ``manual``: a person's sync may go on all the same.
    """

    window: SyncWindow
    opens_at: datetime | None
    waits_for: str
    manual: bool = False

    @property
    def reason(self) -> str:
        """What a status says."""
        return f"waits for {self.waits_for}"


def closed(windows: Sequence[SyncWindow], now: datetime, *, manual: bool = False) -> Closed | None:
    """What holds a sync at ``now``; None when it may go on. ``manual``: a person asks for it."""
    blamed, lets_people = _blamed(windows, now)
    if blamed is None or (manual and lets_people):
        return None
    opens_at = _next_open(windows, now)
    return Closed(window=blamed, opens_at=opens_at, waits_for=_awaited(blamed, opens_at, now), manual=lets_people)


def windows_of(key: AppKey, app: Application | None, controllers: Iterable[SyncWindow] = ()) -> tuple[SyncWindow, ...]:
    """An application's own windows, and those of the controller that match it."""
    own = app.windows if app is not None else ()
    return (*own, *(window for window in controllers if window.matches(key)))


def outside(held: Closed, fallback: Origin | None = None) -> Verdict:
    """The verdict on a plan that has to wait for its window."""
    hint = "'trimtab sync' goes on all the same (manualSync)" if held.manual else ""
    origin = held.window.origin or fallback or Origin("")
    diagnostic = Diagnostic(
        severity=Severity.WARNING, code=OutsideWindow.default_code, message=held.reason, origin=origin, hint=hint
    )
    return Verdict(decision=Decision.HOLD, diagnostics=(diagnostic,), waits_for=held.waits_for)


def verdict_now(
    verdict: Verdict, windows: Sequence[SyncWindow], now: datetime, fallback: Origin | None = None
) -> Verdict:
    """A verdict as it is right now: what may be carried out may still have to wait for its window."""
    held = closed(windows, now) if verdict.decision is Decision.GO else None
    return verdict if held is None else outside(held, fallback)


def seconds_left(
    windows: Sequence[SyncWindow], now: datetime, *, at_most_s: float, manual: bool = False
) -> float | None:
    """After how long a sync that begins at ``now`` has to stop; None when it may go on to its own end.

    It has to when, within ``at_most_s``, a window begins to hold it that does not let syncs overrun.
    """
    if all(window.sync_overrun for window in windows):
        return None
    moment, end = now, now + timedelta(seconds=at_most_s)
    while (following := _boundary(windows, moment)) is not None and following < end:
        blamed, lets_people = _blamed(windows, following)
        if blamed is not None and not blamed.sync_overrun and not (manual and lets_people):
            return (following - now).total_seconds()
        moment = following
    return None


def _blamed(windows: Iterable[SyncWindow], now: datetime) -> tuple[SyncWindow | None, bool]:
    """The window that forbids a sync at ``now``, and whether a person's is let through."""
    listed = tuple(windows)
    denying = [w for w in listed if w.kind is WindowKind.DENY and _is_open(w, now)]
    if denying:
        return denying[0], all(window.manual_sync for window in denying)
    allowing = [w for w in listed if w.kind is WindowKind.ALLOW]
    if not allowing or any(_is_open(window, now) for window in allowing):
        return None, False
    soonest = min(allowing, key=lambda w: w.schedule.next_after(now) or datetime.max.replace(tzinfo=now.tzinfo))
    return soonest, any(window.manual_sync for window in allowing)


def _is_open(window: SyncWindow, now: datetime) -> bool:
    began = window.schedule.last_until(now)
    return began is not None and now < began + timedelta(seconds=window.duration_s)


def _ends(window: SyncWindow, now: datetime) -> datetime | None:
    """When a window that is open at ``now`` is not any more, turns that run into each other taken together."""
    began, left = window.schedule.last_until(now), _TURNS
    while began is not None and left:
        left -= 1
        end = began + timedelta(seconds=window.duration_s)
        following = window.schedule.next_after(began)
        if following is None or following > end:
            return end
        began = following
    return None


def _boundary(windows: Iterable[SyncWindow], now: datetime) -> datetime | None:
    """The next moment at which any window opens or closes."""
    moments = [_ends(window, now) if _is_open(window, now) else window.schedule.next_after(now) for window in windows]
    return min((moment for moment in moments if moment is not None), default=None)


def _next_open(windows: Sequence[SyncWindow], now: datetime) -> datetime | None:
    moment = now
    allowing = [window for window in windows if window.kind is WindowKind.ALLOW]
    for _ in range(_TURNS):
        denying = [w for w in windows if w.kind is WindowKind.DENY and _is_open(w, moment)]
        ends = [_ends(window, moment) for window in denying]
        if denying:
            known = [end for end in ends if end is not None]
            if len(known) < len(ends):
                return None
            moment = max(known)
        elif not allowing or any(_is_open(window, moment) for window in allowing):
            return moment
        else:
            openings = [window.schedule.next_after(moment) for window in allowing]
            following = min((opening for opening in openings if opening is not None), default=None)
            if following is None:
                return None
            moment = following
    return None


def _awaited(window: SyncWindow, opens_at: datetime | None, now: datetime) -> str:
    about = f' ("{window.description}")' if window.description else ""
    if opens_at is None:
        return f"the {window.kind} window '{window.schedule.expression}'{about}, with no end in sight"
    when = said_moment(opens_at, window.schedule.zone, now)
    if window.kind is WindowKind.ALLOW:
        return f"the window that opens {when}{about}"
    return f"the deny window that ends {when}{about}"


def said_moment(moment: datetime, zone: str, now: datetime) -> str:
    """A moment as the people of ``zone`` say it, such as ``Mon 22:00 Europe/Berlin``; with its date when far off."""
    local = moment.astimezone(ZoneInfo(zone))
    day = "%a" if moment - now < _WEEK else "%a %Y-%m-%d"
    time = "%H:%M:%S" if local.second else "%H:%M"
    return f"{local:{day} {time}} {zone}"
