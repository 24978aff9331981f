"""The routes that read, and where those that ask for something are added (asking.py)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Header, Query, Response
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool

from trimtab import __version__
from trimtab.errors import UserError
from trimtab.model.keys import AppKey
from trimtab.model.output import OutputLine
from trimtab.model.status import AppStatus
from trimtab.plan.render.records import event_document, release_document, status_document
from trimtab.web import models, problems
from trimtab.web.asking import asking
from trimtab.web.authority import Authority
from trimtab.web.backend import Backend
from trimtab.web.callers import Callers
from trimtab.web.edge import Edge
from trimtab.web.page import page
from trimtab.web.problems import NotFoundError, problem
from trimtab.web.streams import Streams

Limit = Annotated[int, Query(ge=1, le=1000, description="How many of the newest.")]
_ERRORS: dict[int | str, dict[str, Any]] = {
    code: {"model": models.Problems, "description": text}
    for code, text in (
        (400, "A parameter does not fit."),
        (404, "There is no such application."),
        (409, "It cannot be done until an input changes."),
        (503, "The engine or Git does not answer now, or too many streams are open."),
    )
}
_LISTED = 10


def create_app(
    backend: Backend, streams: Streams, now: Callable[[], datetime], callers: Callers, authority: Authority
) -> FastAPI:
    """The application, ready for a server."""
    app = FastAPI(
        title="Trimtab",
        version=__version__,
        summary="What Git says is what runs.",
        openapi_url="/api/openapi.json",
        # Their pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    problems.install(app)
    app.include_router(_process(backend, now))
    app.include_router(_applications(backend), prefix="/api/v1")
    app.include_router(_streaming(backend, streams), prefix="/api/v1")
    app.include_router(asking(backend, authority, now, partial(_known, backend), _ERRORS), prefix="/api/v1")
    app.add_middleware(Edge, callers=callers)
    return app


def _known(backend: Backend, key: AppKey) -> AppStatus:
    status = backend.status(key)
    if status is None:
        names = [str(one.app) for one in backend.statuses()]
        more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
        raise NotFoundError(
            f"there is no application '{key}'", f"known are: {', '.join(names[:_LISTED]) or 'none'}{more}"
        )
    return status


def _process(backend: Backend, now: Callable[[], datetime]) -> APIRouter:
    router = APIRouter(tags=["process"])

    @router.get("/healthz")
    async def healthz() -> models.Health:
        """Whether the process lives; asks nobody else."""
        return models.Health(status="ok")

    @router.get("/readyz", response_model=models.Health, responses={503: {"model": models.Problems}})
    def readyz() -> Response:
        """Whether the engine answers and every repository was read once."""
        waiting = backend.ready()
        if waiting:
            return problem(503, "NotReady", waiting, headers={"Retry-After": "2"})
        return JSONResponse({"status": "ok", "message": ""})

    @router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    def metrics() -> Response:
        """Prometheus' exposition."""
        body, content_type = backend.metrics()
        return Response(body, media_type=content_type)

    @router.get("/", response_class=HTMLResponse, include_in_schema=False)
    def root() -> HTMLResponse:
        return HTMLResponse(page(backend.statuses(), now(), backend.ready()))

    return router


def _applications(backend: Backend) -> APIRouter:
    router = APIRouter(tags=["applications"])

    @router.get("/applications", response_model=models.Applications)
    def applications() -> dict[str, object]:
        """Every application, in the order of names."""
        return {"applications": [status_document(status) for status in backend.statuses()]}

    one = APIRouter(prefix="/applications/{namespace}/{name}", tags=["applications"], responses=_ERRORS)

    @one.get("", response_model=models.ApplicationStatus)
    def application(namespace: str, name: str) -> dict[str, object]:
        """Where one application stands."""
        return status_document(_known(backend, AppKey(namespace, name)))

    @one.get("/resources", response_model=models.Resources)
    def resources(namespace: str, name: str) -> dict[str, object]:
        """Its objects on the engine."""
        status = _known(backend, AppKey(namespace, name))
        return {"app": str(status.app), "resources": status_document(status)["resources"]}

    @one.get("/plan", response_model=models.PlanDocument)
    def plan(namespace: str, name: str) -> object:
        """What a sync would do now."""
        key = AppKey(namespace, name)
        document = backend.plan(key)
        if document is None:
            _known(backend, key)
            raise NotFoundError(f"no watched repository declares '{key}' now", "its status tells what runs")
        return document

    @one.get("/history", response_model=models.History)
    def history(namespace: str, name: str, limit: Limit = 50) -> dict[str, object]:
        """What was deployed when, newest first."""
        key = _known(backend, AppKey(namespace, name)).app
        return {"app": str(key), "history": [release_document(r) for r in backend.history(key, limit)]}

    @one.get("/events", response_model=models.Events)
    def events(namespace: str, name: str, limit: Limit = 100) -> dict[str, object]:
        """Its last events, oldest first."""
        key = _known(backend, AppKey(namespace, name)).app
        return {"events": [event_document(e) for e in backend.newest_events(key, limit)]}

    router.include_router(one)
    return router


def _streaming(backend: Backend, streams: Streams) -> APIRouter:
    router = APIRouter(tags=["streams"])
    sent: dict[int | str, dict[str, Any]] = {
        200: {"content": {"text/event-stream": {}}, "description": "Server-sent events, or a list as JSON."}
    }

    @router.get("/events", response_model=models.Events, responses={**_ERRORS, **sent})
    async def all_events(
        app: Annotated[str, Query(description="Only this application: name, or namespace/name.")] = "",
        limit: Annotated[int | None, Query(ge=1, le=1000, description="The newest ones as JSON, no stream.")] = None,
        after: Annotated[int | None, Query(ge=0, description="Begin after this number.")] = None,
        last_event_id: Annotated[str, Header(description="Where a broken stream is to go on.")] = "",
    ) -> Response:
        """Events as they come (server-sent); with ``limit`` the newest ones as JSON."""
        key = AppKey.parse(app) if app else None
        if key is not None:
            await run_in_threadpool(_known, backend, key)
        if limit is not None:
            found = await run_in_threadpool(backend.newest_events, key, limit)
            return JSONResponse({"formatVersion": 1, "events": [event_document(e) for e in found]})
        start = after
        if last_event_id:
            if not last_event_id.isascii() or not last_event_id.isdecimal() or len(last_event_id) > 18:
                return problem(400, "BadRequest", "Last-Event-ID is not the number of an event")
            start = int(last_event_id)
        streams.check()
        return StreamingResponse(streams.events(key, start), media_type="text/event-stream")

    @router.get(
        "/applications/{namespace}/{name}/logs",
        response_class=StreamingResponse,
        responses={**_ERRORS, 200: {"content": {"text/plain": {}}, "description": "One line a line of output."}},
    )
    async def logs(
        namespace: str,
        name: str,
        service: Annotated[str, Query(description="Only this service.")] = "",
        *,
        tail: Annotated[int, Query(ge=0, le=100_000, description="The last lines of each container.")] = 200,
        follow: Annotated[bool, Query(description="Go on as they come.")] = False,
        timestamps: Annotated[bool, Query(description="Put the time before each line.")] = False,
    ) -> Response:
        """The output of its containers, each line with the container it is from."""
        key = AppKey(namespace, name)
        await run_in_threadpool(_known, backend, key)
        streams.check()
        try:
            output = await run_in_threadpool(backend.output, key, service, tail=tail, follow=follow)
        except UserError as error:
            raise NotFoundError(error.message, error.hint) from None

        def text(line: OutputLine) -> str:
            return f"{line.label} | {line.at + ' ' if timestamps else ''}{line.text}\n"

        return StreamingResponse(streams.output(output, text), media_type="text/plain; charset=utf-8")

    return router
