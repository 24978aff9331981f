"""Performs what other processes asked for: takes rows out of the request box, acts, answers on the row."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import UTC, datetime

from trimtab.errors import ConfigError, TrimtabError
from trimtab.model.events import Event
from trimtab.model.keys import AppKey
from trimtab.model.records import Approval, Pin, Request, RequestState, RequestVerb, Suspension
from trimtab.model.status import Next, Phase, Requeue, Stalled, Wait
from trimtab.model.trigger import Trigger, TriggerKind
from trimtab.ports import Clock, EventSink, FailedBuilds, Holds, RequestBox, StatusBoard
from trimtab.runtime.log import Log
from trimtab.runtime.triggers import Notify

# How often the box is looked into; the look itself costs microseconds.
LOOK_S = 0.25
# After a start, an application that is not known may only not have been read from its repository yet.
PATIENCE_S = 10.0

_log = Log(__name__)


class RequestDesk:
    """The controller's side of ports.RequestBox: one thread looks, workers tell of passes that are over."""

    def __init__(
        self,
        box: RequestBox,
        holds: Holds,
        failed_builds: FailedBuilds,
        statuses: StatusBoard,
        *,
        notify: Notify,
        terminate: Callable[[AppKey, str], bool],
        keys: Callable[[], Collection[AppKey]],
        clock: Clock,
        sink: EventSink,
        run_job: Callable[[AppKey, str, datetime], str] = lambda _app, _job, _at: "",
    ) -> None:
        self._box = box
        self._holds = holds
        self._failed_builds = failed_builds
        self._statuses = statuses
        self._notify = notify
        self._terminate = terminate
        self._keys = keys
        self._clock = clock
        self._sink = sink
        self._run_job = run_job
        self._patient_until_s = clock.monotonic_s() + PATIENCE_S
        self._deferred = False
        box.reopen()

    def look(self) -> None:
        """Perform what is new."""
        if not self._box.changed() and not self._deferred:
            return
        self._deferred = False
        for request in self._box.pending():
            if self._too_early(request):
                self._deferred = True
                continue
            try:
                self._perform(request)
            except TrimtabError as error:
                self._box.answer(request.id, RequestState.REFUSED, str(error))

    def _too_early(self, request: Request) -> bool:
        """Whether the application may only not have been read yet."""
        keys = self._keys()
        return request.app not in keys and (not keys or self._clock.monotonic_s() < self._patient_until_s)

    def after_pass(self, key: AppKey, trigger: Trigger, followed: Next) -> None:
        """A pass is over: answer those who waited for it. What will be tried again is not finally answered yet."""
        if not trigger.requests:
            return
        failure = self._failure(key)
        refused = followed.refused if isinstance(followed, Requeue | Wait) else ""
        if refused:
            state, answer = RequestState.REFUSED, refused
        elif isinstance(followed, Requeue):
            state, answer = RequestState.DONE, self._standing(key)
        elif isinstance(followed, Stalled):
            state, answer = RequestState.REFUSED, followed.reason
        else:
            state, answer = RequestState.ACCEPTED, f"will be tried again: {followed.reason}"
        for request in trigger.requests:
            asked = self._box.get(request)
            if failure and state is RequestState.DONE and asked is not None and asked.verb is RequestVerb.SYNC:
                self._box.answer(request, RequestState.REFUSED, failure)
            else:
                self._box.answer(request, state, answer)

    def _failure(self, key: AppKey) -> str:
        """How the last sync of ``key`` failed; "" when it did not. The pass itself is over either way."""
        status = self._statuses.get(key)
        return status.message or "the sync failed" if status is not None and status.phase is Phase.FAILED else ""

    def _standing(self, key: AppKey) -> str:
        status = self._statuses.get(key)
        return "done" if status is None else f"{status.sync}, {status.health}"

    # -- verbs ---------------------------------------------------------------------------------------------------

    def _perform(self, request: Request) -> None:
        app, keys = request.app, self._keys()
        if app not in keys:
            known = ", ".join(str(key) for key in sorted(keys)) or "none"
            raise ConfigError(f"there is no application '{app}'", hint=f"known are: {known}")
        _log.info("request", app=str(app), verb=request.verb.value, by=request.by)
        match request.verb:
            case RequestVerb.SYNC:
                self._let_go(request)
                # Asking by hand is the one way to have a failed build tried again with the same inputs.
                self._failed_builds.clear(app)
                self._wake(request, "a sync is on its way")
            case RequestVerb.REFRESH:
                self._wake(request, "a look is on its way")
            case RequestVerb.RUN:
                job = _argument(request, "job")
                self._run_job(app, job, request.asked_at)
                self._wake(request, f"a run of {job} is on its way")
            case RequestVerb.SUSPEND:
                self._suspend(request)
            case RequestVerb.RESUME:
                unpinned, was = self._let_go(request), self._holds.resume(app)
                answer = "resumed" if was else "" if unpinned else "it was not suspended"
                said = "; ".join(
                    part for part in (answer, "the older release is not held any more" if unpinned else "") if part
                )
                self._done(request, said, reason="Resumed" if was else "")
            case RequestVerb.TERMINATE:
                was = self._terminate(app, f"terminated by {request.by or 'a request'}")
                self._done(request, self._told_to_stop(app, was=was), reason="Terminated" if was else "")
            case RequestVerb.PIN:
                self._pin(request)
            case RequestVerb.APPROVE:
                plan_id = _argument(request, "plan")
                self._holds.approve(Approval(plan_id=plan_id, app=app, at=self._clock.now(), by=request.by))
                self._done(request, f"plan {plan_id[:12]} is approved", reason="Approved")

    def _let_go(self, request: Request) -> bool:
        """Follow the branch again, whatever it has now; whether an older release was held."""
        was = self._holds.unpin(request.app)
        if was:
            self._emit(request, "Unpinned", "the older release is not held any more")
        return was

    def _told_to_stop(self, app: AppKey, *, was: bool) -> str:
        status = self._statuses.get(app)
        if was:
            if status is not None:
                self._statuses.put(replace(status, phase=Phase.TERMINATING, message="the sync is told to stop"))
            return "told to stop"
        waiting = status is not None and status.message.startswith("waits ")
        return "no sync is running" + (f"; it {status.message}" if waiting and status is not None else "")

    def _suspend(self, request: Request) -> None:
        now, until = self._clock.now(), _time(request, "until")
        why = request.arguments.get("reason", "")
        self._holds.suspend(Suspension(app=request.app, since=now, reason=why, by=request.by, until=until))
        said = "suspended" + (f" until {until:%Y-%m-%d %H:%M} UTC" if until else "") + (f": {why}" if why else "")
        self._done(request, said, reason="Suspended")
        if until is not None:
            over = Trigger(kind=TriggerKind.FOLLOW_UP, at=now, detail="the suspension is over")
            self._notify(request.app, over, delay_s=max((until - now).total_seconds(), 0.0))

    def _pin(self, request: Request) -> None:
        revision = _argument(request, "revision")
        branch = request.arguments.get("branch_revision", "")
        now = self._clock.now()
        self._holds.pin(Pin(app=request.app, revision=revision, since=now, branch_revision=branch, by=request.by))
        self._emit(request, "Pinned", f"held at {revision[:7]} until the branch takes back what that undoes")
        self._wake(request, f"{revision[:7]} is on its way back")

    def _wake(self, request: Request, answer: str) -> None:
        self._box.answer(request.id, RequestState.ACCEPTED, answer)
        detail = f"{request.verb.value} asked by {request.by}" if request.by else f"{request.verb.value} was asked for"
        trigger = Trigger(kind=TriggerKind.REQUEST, at=self._clock.now(), detail=detail, requests=(request.id,))
        self._notify(request.app, trigger)

    def _done(self, request: Request, answer: str, *, reason: str) -> None:
        """Answered at once; the pass that follows only brings the status up to date."""
        self._box.answer(request.id, RequestState.DONE, answer)
        if reason:
            self._emit(request, reason, answer)
        if request.verb is not RequestVerb.TERMINATE:
            trigger = Trigger(kind=TriggerKind.REQUEST, at=self._clock.now(), detail=answer)
            self._notify(request.app, trigger)

    def _emit(self, request: Request, reason: str, message: str) -> None:
        by = f" (by {request.by})" if request.by else ""
        self._sink.emit(Event(at=self._clock.now(), app=request.app, reason=reason, message=message + by))


def _argument(request: Request, name: str) -> str:
    value = request.arguments.get(name, "")
    if not value:
        raise ConfigError(f"a request to {request.verb.value} needs '{name}'")
    return value


def _time(request: Request, name: str) -> datetime | None:
    text = request.arguments.get(name, "")
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"'{text}' is no time", hint="write it as 2026-01-31T18:00:00+00:00") from None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
