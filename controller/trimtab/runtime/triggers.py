"""What wakes the loop: commits, the engine's events, and the regular look at whatever nothing else wakes.

A trigger carries a key and says that something may have changed; what it was is found out by the pass.
A repository with many applications is asked once, and only the applications for which its new revision makes a
difference are woken.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Protocol, TypeVar

from trimtab.errors import TransientError, TrimtabError
from trimtab.model.events import EngineEvent, Event, EventType
from trimtab.model.keys import AppKey
from trimtab.model.trigger import Trigger, TriggerKind
from trimtab.ports import Clock, EventSink, Meter, Source
from trimtab.runtime.meter import NoMeter

# A local repository is watched; looking at it as well costs next to nothing and forgives a lost signal.
POLL_S = 30.0
RESYNC_S = 300.0
# A remote that does not answer is asked less and less often, down to this.
POLL_MAX_S = 300.0

T = TypeVar("T")


class Notify(Protocol):
    """How a trigger reaches the loop."""

    def __call__(self, key: AppKey, trigger: Trigger, *, delay_s: float = 0.0) -> None:
        """Something may have changed for ``key``."""
        ...


class RepositoryTrigger:
    """One repository: asked for its revision, and read when that has moved.

    ``refresh`` reads the new revision and answers with the applications it concerns; it raises what
    reading raises. Trouble is told when it begins, when it changes and when it ends, not each time.
    """

    def __init__(
        self,
        source: Source,
        refresh: Callable[[], Iterable[AppKey]],
        notify: Notify,
        clock: Clock,
        sink: EventSink,
        *,
        interval_s: float = POLL_S,
        meter: Meter | None = None,
    ) -> None:
        self._source = source
        self._refresh = refresh
        self._notify = notify
        self._clock = clock
        self._sink = sink
        self._interval_s = interval_s
        self._meter = meter or NoMeter()
        self._revision: str | None = None
        self._trouble = ""
        self._failures = 0
        self.trouble: TrimtabError | None = None

    def look(self) -> float | None:
        """Ask once; the seconds until the next time when that is not the usual interval."""
        try:
            revision = self._measured("ls-remote", self._source.poll)
            # After an outage it is read again also where it was: whoever was told that it is away has to be told.
            known = revision == self._revision and self.trouble is None
            affected = () if known else sorted(self._measured("fetch", self._refresh))
        except TrimtabError as error:
            return self._failed(error)
        self._revision = revision
        self._recovered()
        detail = f"commit {revision[:7]}" if revision else "changed files"
        for key in affected:
            trigger = Trigger(kind=TriggerKind.COMMIT, at=self._clock.now(), detail=detail, revision=revision)
            self._notify(key, trigger)
        return None

    def _measured(self, request_type: str, work: Callable[[], T]) -> T:
        repo, began_s = self._source.url, self._clock.monotonic_s()
        self._meter.count("git_request_total", repo=repo, request_type=request_type)
        try:
            return work()
        except TrimtabError:
            self._meter.count("git_fetch_fail_total", repo=repo)
            raise
        finally:
            took_s = self._clock.monotonic_s() - began_s
            self._meter.observe("git_request_duration_seconds", took_s, repo=repo, request_type=request_type)

    def _failed(self, error: TrimtabError) -> float | None:
        self._failures += 1
        self.trouble = error
        if str(error) != self._trouble:
            self._trouble = str(error)
            self._tell(
                "SourceUnavailable", f"{self._source.url}: {error}; what runs is kept as it is", EventType.WARNING
            )
        if isinstance(error, TransientError):
            return min(self._interval_s * 2.0 ** min(self._failures - 1, 10), max(POLL_MAX_S, self._interval_s))
        return None

    def _recovered(self) -> None:
        self._failures = 0
        self.trouble = None
        if self._trouble:
            self._trouble = ""
            self._tell("SourceRecovered", f"{self._source.url} can be read again", EventType.NORMAL)

    def _tell(self, reason: str, message: str, kind: EventType) -> None:
        self._sink.emit(Event(at=self._clock.now(), reason=reason, message=message, type=kind))


class EngineTrigger:
    """Wakes the application that an event of the engine concerns, or everyone."""

    def __init__(self, notify: Notify, keys: Callable[[], Collection[AppKey]], clock: Clock) -> None:
        self._notify = notify
        self._keys = keys
        self._clock = clock

    def take(self, event: EngineEvent) -> None:
        """Listener of Driver.watch; quick, since the stream waits for it."""
        detail = f"{event.kind} {event.name or event.handle[:12]}: {event.action}"
        trigger = Trigger(kind=TriggerKind.ENGINE, at=self._clock.now(), detail=detail)
        for key in sorted(self._keys()) if event.app is None else (event.app,):
            self._notify(key, trigger)


class Resync:
    """The regular look at applications for which nothing else is planned: stalled ones, and whatever was forgotten."""

    def __init__(
        self, notify: Notify, keys: Callable[[], Collection[AppKey]], expects: Callable[[AppKey], bool], clock: Clock
    ) -> None:
        self._notify = notify
        self._keys = keys
        self._expects = expects
        self._clock = clock

    def look(self) -> None:
        """Once around."""
        for key in sorted(self._keys()):
            if not self._expects(key):
                self._notify(key, Trigger(kind=TriggerKind.TIMER, at=self._clock.now(), detail="full look"))
