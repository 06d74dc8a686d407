"""Errors as problem+json (RFC 9457): what was wrong and what would be right, never a traceback."""

import logging
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from leaderboard.accounts.authorise import Denied
from leaderboard.accounts.quota import QuotaExceeded
from leaderboard.bundle.problem import BundleError
from leaderboard.scoring.decisions import Undecidable
from leaderboard.store.blobs import BlobError

log = logging.getLogger(__name__)
TITLES = {
    400: "bad request",
    401: "a token is needed",
    403: "not allowed",
    404: "not found",
    405: "method not allowed",
    408: "too slow",
    409: "in conflict with what is there",
    411: "length required",
    413: "too large",
    415: "wrong kind of content",
    422: "not valid",
    429: "too many",
    500: "our mistake",
    503: "not ready",
}


class ProblemJson(BaseModel):
    """The body of an error response."""

    title: str
    status: int
    detail: str
    problems: list[dict[str, Any]] = []


def answer(
    status: int,
    detail: str,
    problems: Sequence[dict[str, Any]] = (),
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """An error response. problems: single errors of a bundle or request, as JSON."""
    body = {"title": TITLES.get(status, "error"), "status": status, "detail": detail}
    if problems:
        body["problems"] = list(problems)
    return JSONResponse(body, status, headers, media_type="application/problem+json")


def install(app: FastAPI) -> None:
    """Register the handlers that turn exceptions of the application into error responses."""

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        return answer(error.status_code, str(error.detail), headers=dict(error.headers or {}))

    @app.exception_handler(RequestValidationError)
    async def request(request: Request, error: RequestValidationError) -> JSONResponse:
        problems = [
            {"field": ".".join(str(part) for part in e["loc"])[:200], "message": str(e["msg"])[:300]}
            for e in error.errors()
        ]
        return answer(422, "; ".join(f"{f['field']}: {f['message']}" for f in problems)[:1000], problems[:20])

    @app.exception_handler(BundleError)
    async def bundle(request: Request, error: BundleError) -> JSONResponse:
        return answer(422, str(error)[:4000], [problem.as_json() for problem in error.problems])

    @app.exception_handler(Undecidable)
    async def undecidable(request: Request, error: Undecidable) -> JSONResponse:
        return answer(409, str(error))

    @app.exception_handler(BlobError)
    async def blob(request: Request, error: BlobError) -> JSONResponse:
        log.error("%s %s: %s", request.method, request.url.path, error)
        return answer(404, "this file is not there any more")

    @app.exception_handler(Denied)
    async def denied(request: Request, error: Denied) -> JSONResponse:
        headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
        return answer(error.status, str(error), headers=headers)

    @app.exception_handler(QuotaExceeded)
    async def quota(request: Request, error: QuotaExceeded) -> JSONResponse:
        return answer(429, str(error), headers={"Retry-After": str(error.retry_after)})

    @app.exception_handler(ClientDisconnect)
    async def gone(request: Request, error: ClientDisconnect) -> JSONResponse:
        return answer(400, "the body ended too early")  # nobody reads it, but it must not count as a 500

    @app.exception_handler(Exception)
    async def ours(request: Request, error: Exception) -> JSONResponse:
        log.exception("%s %s", request.method, request.url.path, exc_info=error)
        return answer(500, "something went wrong on our side; it was logged")
