"""Every error in one shape: ``{"error": {"code", "message", "hint"}}``."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import structlog
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from trimtab.errors import TransientError, TrimtabError, UserError, WaitingError

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

_log = structlog.get_logger(__name__)


class NotFoundError(Exception):
    """What was asked for is not there."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class BusyError(Exception):
    """Too many streams are open."""


def problem(
    status: int, code: str, message: str, hint: str = "", *, headers: dict[str, str] | None = None
) -> JSONResponse:
    """One error."""
    body = {"error": {"code": code, "message": message, "hint": hint}}
    return JSONResponse(body, status_code=status, headers=headers)


def install(app: FastAPI) -> None:
    """Let every error of ``app`` have that shape."""
    app.add_exception_handler(NotFoundError, _not_found)
    app.add_exception_handler(BusyError, _busy)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(TrimtabError, _ours)


async def _not_found(_request: Request, error: Exception) -> JSONResponse:
    hint = error.hint if isinstance(error, NotFoundError) else ""
    return problem(404, "NotFound", str(error), hint)


async def _busy(_request: Request, error: Exception) -> JSONResponse:
    return problem(503, "TooManyStreams", str(error), "close some, or try again later", headers={"Retry-After": "5"})


async def _http(request: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    phrase = HTTPStatus(status).phrase
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        return problem(status, "MethodNotAllowed", f"{request.method} is not for {request.url.path}", headers=headers)
    if status == HTTPStatus.NOT_FOUND:
        hint = "/api/openapi.json describes what there is"
        return problem(status, "NotFound", f"there is nothing at {request.url.path}", hint)
    return problem(status, phrase.replace(" ", ""), phrase, headers=headers)


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    said = "; ".join(f"{'.'.join(str(part) for part in e['loc'][1:])}: {e['msg']}" for e in found)
    return problem(400, "BadRequest", said, "/api/openapi.json describes the parameters")


async def _ours(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, TrimtabError):
        return defect(request.url.path, error)
    message = f"{error.origin}: {error.message}" if error.origin else error.message
    match error:
        case TransientError() | WaitingError():
            status = 503
        case UserError():
            status = 409
        case _:
            status = 500
    return problem(status, error.code, message, error.hint)


def defect(path: str, error: Exception) -> JSONResponse:
    """A failure nobody foresaw: told without its text, which may hold anything; the log has all of it."""
    _log.error("a request failed in a way nobody foresaw", path=path, exc_info=error)
    return problem(500, "InternalError", f"a defect of Trimtab ({type(error).__name__})", "its log has the traceback")
