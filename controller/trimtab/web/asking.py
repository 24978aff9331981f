"""The routes that ask the controller for something: the same requests that the command line leaves, answered later."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from trimtab.model import records
from trimtab.model.keys import AppKey
from trimtab.model.records import RequestVerb
from trimtab.web import models
from trimtab.web.authority import Authority
from trimtab.web.backend import Backend
from trimtab.web.problems import NotFoundError
from trimtab.wiring.asking import moment

_REFUSED: dict[int | str, dict[str, Any]] = {
    401: {"model": models.Problems, "description": "The token is missing or wrong."},
    403: {"model": models.Problems, "description": "It may not be asked here, or from there."},
}


def asking(
    backend: Backend,
    authority: Authority,
    now: Callable[[], datetime],
    known: Callable[[AppKey], object],
    errors: dict[int | str, dict[str, Any]],
) -> APIRouter:
    """The routes; ``known`` raises for an application that nobody knows."""
    router = APIRouter(tags=["requests"])
    one = APIRouter(prefix="/applications/{namespace}/{name}", responses={**errors, **_REFUSED})

    def ask(request: Request, key: AppKey, verb: RequestVerb, **arguments: str) -> Response:
        refusal = authority.refusal(request.headers)
        if refusal is not None:
            return refusal
        known(key)
        number = backend.ask(key, verb, {name: value for name, value in arguments.items() if value})
        return _accepted(number, backend.request(number))

    @one.post("/sync", status_code=202, response_model=models.Asked)
    def sync(request: Request, namespace: str, name: str) -> Response:
        """Sync now, even what failed before and is not tried again by itself."""
        return ask(request, AppKey(namespace, name), RequestVerb.SYNC)

    @one.post("/suspend", status_code=202, response_model=models.Asked)
    def suspend(
        request: Request,
        namespace: str,
        name: str,
        reason: Annotated[str, Query(max_length=500, description="Shown in status.")] = "",
        until: Annotated[str, Query(description="When it ends by itself: a time, or a duration such as 2h.")] = "",
    ) -> Response:
        """Leave it alone until it is resumed; drift is still reported."""
        over = moment(until, now())
        text = over.isoformat() if over is not None else ""
        return ask(request, AppKey(namespace, name), RequestVerb.SUSPEND, reason=reason, until=text)

    @one.post("/resume", status_code=202, response_model=models.Asked)
    def resume(request: Request, namespace: str, name: str) -> Response:
        """Look after it again."""
        return ask(request, AppKey(namespace, name), RequestVerb.RESUME)

    @one.post("/terminate", status_code=202, response_model=models.Asked)
    def terminate(request: Request, namespace: str, name: str) -> Response:
        """Stop its running sync."""
        return ask(request, AppKey(namespace, name), RequestVerb.TERMINATE)

    @one.post("/approve", status_code=202, response_model=models.Asked)
    def approve(
        request: Request,
        namespace: str,
        name: str,
        plan: Annotated[str, Query(min_length=12, max_length=64, description="The id, as status shows it.")],
    ) -> Response:
        """Approve the very plan that is held; another plan needs another approval."""
        return ask(request, AppKey(namespace, name), RequestVerb.APPROVE, plan=plan)

    @router.get(
        "/requests/{number}",
        response_model=models.Asked,
        responses={400: {"model": models.Problems}, 404: {"model": models.Problems}},
    )
    def asked(number: int) -> dict[str, object]:
        """What became of a request."""
        found = backend.request(number)
        if found is None:
            raise NotFoundError(f"there is no request {number}", "only the newest are kept")
        return _document(found)

    router.include_router(one)
    return router


def _accepted(number: int, request: records.Request | None) -> Response:
    body = _document(request) if request is not None else {}
    return JSONResponse(body, status_code=202, headers={"Location": f"/api/v1/requests/{number}"})


def _document(request: records.Request) -> dict[str, object]:
    return {
        "formatVersion": models.FORMAT_VERSION,
        "request": request.id,
        "app": str(request.app),
        "verb": request.verb.value,
        "state": request.state.value,
        "answer": request.answer,
    }
