"""A running controller as the HTTP side reads it: the store, the planner, the catalog and the engine's output."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from trimtab.backends.engine.output import ApplicationOutput
from trimtab.plan.render import PlanHeader, plan_document

if TYPE_CHECKING:
    from trimtab.model.keys import AppKey
    from trimtab.model.records import Release, StoredEvent
    from trimtab.model.status import AppStatus
    from trimtab.wiring.controller import Controller


class ReadSide:
    """Implements ``web.backend.Backend``; nothing here changes anything."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller

    def ready(self) -> str:
        """Why it is not ready yet; "" when it is."""
        return self._controller.ready

    def metrics(self) -> tuple[bytes, str]:
        """The exposition and its content type."""
        return self._controller.metrics.render()

    def statuses(self) -> tuple[AppStatus, ...]:
        """Every application's, in key order."""
        return self._controller.store.statuses.all()

    def status(self, app: AppKey) -> AppStatus | None:
        """One application's."""
        return self._controller.store.statuses.get(app)

    def plan(self, app: AppKey) -> Mapping[str, object] | None:
        """The plan document of what a sync to Git's newest commit would do now."""
        controller = self._controller
        view = controller.catalog.view(app)
        if view is None or view.application is None or view.snapshot is None:
            return None
        desired = controller.planner.desired(view.application, view.snapshot)
        look = controller.planner.look(
            app,
            desired,
            application=view.application,
            snapshot=view.snapshot,
            prune=view.application.sync_policy.prune,
            diagnostics=view.problems,
        )
        header = PlanHeader(
            app=str(app),
            ref=view.snapshot.ref,
            revision=view.snapshot.revision,
            subject=view.snapshot.subject,
            author=view.snapshot.author,
            applied_revision=controller.store.applied.get(app).applied_revision,
        )
        return plan_document(look.plan, header, look.verdict)

    def history(self, app: AppKey, limit: int) -> tuple[Release, ...]:
        """The newest releases first."""
        return self._controller.store.releases.list(app, limit)

    def newest_events(self, app: AppKey | None, limit: int) -> tuple[StoredEvent, ...]:
        """The last events, oldest first."""
        return self._controller.store.events.newest(app=app, limit=limit)

    def events_after(self, cursor: int, app: AppKey | None, limit: int) -> tuple[StoredEvent, ...]:
        """Those with a greater number, oldest first."""
        return self._controller.store.events.after(cursor, app=app, limit=limit)

    def subscribe(self, on_news: Callable[[], None]) -> Callable[[], None]:
        """Call ``on_news`` when there is a new event."""
        sink = self._controller.sink
        return partial(sink.unsubscribe, sink.subscribe(on_news))

    def output(self, app: AppKey, service: str, *, tail: int | None, follow: bool) -> ApplicationOutput:
        """The output of an application's containers."""
        return ApplicationOutput(self._controller.engine.driver, app, service, tail=tail, follow=follow)
