"""ASGI middleware for what needs no framework: /healthz, pages in the cache, and floods, which are refused.

Routing and dependencies take longer than such an answer, and under abuse every request waits behind those of
all other clients. Comes after `body_limits.py`, which adds its headers; all else goes on to the routes.
"""

import math
from collections.abc import Callable
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from leaderboard.accounts import tokens
from leaderboard.server import problems
from leaderboard.server.pages import LONGEST, answer
from leaderboard.server.rate import Rate
from leaderboard.web.site import Site


class Quick:
    """The middleware. site: the newest site, or None before the first is complete; must not block.

    rate: of the writes of one token, or of an address without one.
    """

    def __init__(self, app: ASGIApp, site: Callable[[], Site | None], rate: Rate) -> None:
        self._app, self._site, self._rate = app, site, rate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass the request on to the application."""
        quick: Response | None = None
        if scope["type"] == "http" and scope["method"] in ("GET", "HEAD"):
            quick = self._read(scope)
        elif scope["type"] == "http" and scope["path"].startswith("/api/"):
            quick = self._limited(Request(scope))
        await (self._app if quick is None else quick)(scope, receive, send)

    def _read(self, scope: Scope) -> Response | None:
        if scope["path"] == "/healthz":
            return JSONResponse({"ok": True})
        site, query = self._site(), scope["query_string"]
        if site is None or len(query) > LONGEST or scope["path"].startswith("/api/"):
            return None
        values = parse_qs(query.decode("latin-1"), keep_blank_values=True)
        page = site.kept(scope["path"].removeprefix("/"), values)
        return None if page is None else answer(Request(scope), page)

    def _limited(self, request: Request) -> Response | None:
        """429 above the rate limit. The connection ends, so that the body of a flood is not read."""
        if (token := request.headers.get("authorization")) is not None:
            key = f"token {tokens.digest(token)}"
        else:
            key = f"address {request.client.host if request.client else 'local'}"
        if not (wait := self._rate.take(key)):
            return None
        headers = {"Retry-After": str(math.ceil(wait)), "Connection": "close"}
        return problems.answer(429, "too many requests a minute", headers=headers)
