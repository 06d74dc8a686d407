"""Logs as JSON, one object a line on stderr, and a line for every request: the access log.

A request has an id, which its response has too (`x-request-id`) and every line that is logged meanwhile. A
proxy may give it. Query strings and tokens are not logged, nor are addresses of clients: the proxy has
them.
"""

import json
import logging
import re
import secrets
import sys
import time
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

from starlette.types import ASGIApp, Message, Receive, Scope, Send

ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")
HEADER = b"x-request-id"
request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
access = logging.getLogger("metanas.access")
_FIELDS = ("method", "path", "status", "milliseconds", "bytes")


class JsonLines(logging.Formatter):
    """A record as one line of JSON: time, level, logger, message, request, and what else it has."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (identity := request_id.get()) is not None:
            line["request"] = identity
        line |= {name: getattr(record, name) for name in _FIELDS if hasattr(record, name)}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line)


def install(*, requests: bool, to: TextIO = sys.stderr) -> None:
    """Log warnings and errors of the whole process as JSON; requests: and every request."""
    handler = logging.StreamHandler(to)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    access.setLevel(logging.INFO if requests else logging.WARNING)


class Journal:
    """ASGI middleware, the outermost: the id of a request, and its line in the access log."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on to the application."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin, status, size = time.perf_counter(), 0, 0
        given = dict(scope["headers"]).get(HEADER, b"")
        identity = given.decode() if ID.fullmatch(given) else secrets.token_hex(8)
        token = request_id.set(identity)

        async def noted(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (HEADER, identity.encode())]
            size += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            if access.isEnabledFor(logging.INFO):
                took = round(1000 * (time.perf_counter() - begin), 1)
                values = (scope["method"], scope["path"][:200], status, took, size)
                access.info("request", extra=dict(zip(_FIELDS, values, strict=True)))
            request_id.reset(token)
