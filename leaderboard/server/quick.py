"""ASGI middleware that answers /healthz and pages in the cache before the framework sees the request.

Routing and dependencies take longer than the answer, and under abuse every request waits behind those of all
other clients. Comes after `body_limits.py`, which adds its headers; everything else goes on to the routes.
"""

from collections.abc import Callable
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from leaderboard.server.pages import LONGEST, answer
from leaderboard.web.site import Site


class Quick:
    """The middleware. site: the newest site, or None before the first is complete; must not block."""

    def __init__(self, app: ASGIApp, site: Callable[[], Site | None]) -> None:
        self._app, self._site = app, site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass the request on to the application."""
        if scope["type"] == "http" and scope["method"] in ("GET", "HEAD"):
            if scope["path"] == "/healthz":
                await JSONResponse({"ok": True})(scope, receive, send)
                return
            site, query = self._site(), scope["query_string"]
            if site is not None and len(query) <= LONGEST and not scope["path"].startswith("/api/"):
                values = parse_qs(query.decode("latin-1"), keep_blank_values=True)
                page = site.kept(scope["path"].removeprefix("/"), values)
                if page is not None:
                    await answer(Request(scope), page)(scope, receive, send)
                    return
        await self._app(scope, receive, send)
