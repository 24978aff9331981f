"""A controller's own parts as the HTTP side sees them; what it asks for is left as the command line leaves it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from trimtab.backends.engine.output import ApplicationOutput
from trimtab.errors import ManifestError, TrimtabError
from trimtab.model.diagnostics import Severity
from trimtab.model.keys import AppKey
from trimtab.model.records import Release, Request, RequestVerb, StoredEvent
from trimtab.model.status import AppStatus
from trimtab.model.windows import SyncWindow
from trimtab.observability.events import EventFanOut, Subscription
from trimtab.observability.metrics import Metrics
from trimtab.plan.render import PlanHeader, plan_document
from trimtab.plan.windows import verdict_now, windows_of
from trimtab.ports import Clock, Store
from trimtab.runtime.catalog import Catalog
from trimtab.runtime.planner import Planner
from trimtab.runtime.renames import Renames
from trimtab.runtime.sweeps import Sweeps

if TYPE_CHECKING:
    from trimtab.backends.engine.steps import EngineStep
    from trimtab.wiring.controller import Controller

StepT = TypeVar("StepT")


class ReadSide(Generic[StepT]):
    """Implements ``web.backend.Backend``. ``repositories_ready``: why not all were read yet; "" when they were."""

    def __init__(
        self,
        *,
        store: Store,
        catalog: Catalog,
        planner: Planner[StepT],
        events: EventFanOut,
        metrics: Metrics,
        clock: Clock,
        ping_engine: Callable[[], object],
        repositories_ready: Callable[[], str],
        open_output: Callable[..., ApplicationOutput],
        windows: Sequence[SyncWindow] = (),
    ) -> None:
        self._windows = tuple(windows)
        self._store = store
        self._catalog = catalog
        self._planner = planner
        self._events = events
        self._metrics = metrics
        self._clock = clock
        self._ping_engine = ping_engine
        self._repositories_ready = repositories_ready
        self._open_output = open_output

    def ready(self) -> str:
        """The repositories were read, and the engine answers now."""
        waiting = self._repositories_ready()
        if waiting:
            return waiting
        try:
            self._ping_engine()
        except TrimtabError as error:
            return error.message
        return ""

    def metrics(self) -> tuple[bytes, str]:
        """The exposition and its content type."""
        return self._metrics.render()

    def statuses(self) -> tuple[AppStatus, ...]:
        """Every application's."""
        return self._store.statuses.all()

    def status(self, app: AppKey) -> AppStatus | None:
        """One application's."""
        return self._store.statuses.get(app)

    def plan(self, app: AppKey) -> Mapping[str, object] | None:
        """What a sync to Git's newest would do now."""
        view = self._catalog.view(app)
        if view is None:
            return None
        application, snapshot = view.application, view.snapshot
        if view.problems:
            raise ManifestError(f"the manifests of {app} cannot be used", view.problems, hint=str(view.problems[0]))
        if application is not None and snapshot is not None:
            desired, prune = self._planner.desired(application, snapshot), application.sync_policy.prune
        else:
            desired, prune = self._planner.nothing(app, view.revision), view.prune
        look = self._planner.look(
            app,
            desired,
            application=application,
            snapshot=snapshot,
            prune=prune,
            diagnostics=tuple(d for d in view.diagnostics if d.severity is not Severity.ERROR),
        )
        look = Renames(self._catalog, self._store.applied, self._store.holds).held(look, view)
        look = Sweeps(self._catalog, self._store.holds).held(look, view)
        status = self._store.statuses.get(app)
        header = PlanHeader(
            app=str(app),
            ref=snapshot.ref.removeprefix("refs/heads/").removeprefix("refs/tags/") if snapshot else "",
            revision=view.revision,
            subject=snapshot.subject if snapshot else "",
            author=snapshot.author if snapshot else "",
            age_s=_age_s(self._clock.now(), snapshot.committed_at if snapshot else None),
            applied_revision=self._store.applied.get(app).applied_revision,
            health=status.health.value if status else "",
        )
        windows = windows_of(app, application, self._windows) if not look.plan.empty else ()
        place = application.origin if application is not None else None
        return plan_document(look.plan, header, verdict_now(look.verdict, windows, self._clock.now(), place))

    def history(self, app: AppKey, limit: int) -> tuple[Release, ...]:
        """The newest releases first."""
        return self._store.releases.list(app, limit)

    def newest_events(self, app: AppKey | None, limit: int) -> tuple[StoredEvent, ...]:
        """The last events, oldest first."""
        return self._store.events.newest(app=app, limit=limit)

    def events_after(self, cursor: int, app: AppKey | None, limit: int) -> tuple[StoredEvent, ...]:
        """Those with a greater number."""
        return self._store.events.after(cursor, app=app, limit=limit)

    def subscribe(self, on_news: Callable[[], None]) -> Callable[[], None]:
        """News only wakes; the events themselves are read from the store, so that a slow reader misses none."""
        held: list[Subscription] = []

        def wake() -> None:
            for one in held:
                one.take(0)
            on_news()

        subscription = self._events.subscribe(wake)
        held.append(subscription)
        return lambda: self._events.unsubscribe(subscription)

    def output(self, app: AppKey, service: str, *, tail: int | None, follow: bool) -> ApplicationOutput:
        """The output of an application's containers."""
        return self._open_output(app, service, tail=tail, follow=follow)

    def ask(self, app: AppKey, verb: RequestVerb, arguments: Mapping[str, str]) -> int:
        """Leave a request; its number."""
        return self._store.requests.submit(app, verb, by="http", arguments=arguments)

    def request(self, number: int) -> Request | None:
        """A request and what became of it."""
        return self._store.requests.get(number)


def read_side(controller: Controller) -> ReadSide[EngineStep]:
    """That of a running controller."""
    return ReadSide(
        store=controller.store,
        catalog=controller.catalog,
        planner=controller.planner,
        events=controller.sink,
        metrics=controller.metrics,
        clock=controller.clock,
        ping_engine=controller.engine.client.ping,
        repositories_ready=lambda: controller.ready,
        open_output=partial(ApplicationOutput, controller.engine.driver),
        windows=controller.config.sync_windows,
    )


def _age_s(now: datetime, then: datetime | None) -> float | None:
    return (now - then).total_seconds() if then is not None else None
