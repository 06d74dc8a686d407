"""ASGI middleware around the application: limits on request bodies, and security headers on responses.

Bytes are counted as they arrive: a request need not declare its length, and the framework reads the body of
most routes before their code runs.
"""

import asyncio
import re

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from leaderboard.server.problems import answer
from leaderboard.server.settings import Settings

HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' data:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
LARGE = re.compile("/api/v1/(submissions|challenges/[0-9a-f-]{36}/predictions)")  # bundles, predictions
_RAW = [(name.encode(), value.encode()) for name, value in HEADERS.items()]


class BodyLimits:
    """The middleware. 413 for a body that is too large, 408 for one that arrives too slowly."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on to the application, with a limited `receive` and a `send` that adds headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        large = scope["method"] == "POST" and LARGE.fullmatch(scope["path"])
        most = self._settings.body_bytes if large else self._settings.small_body_bytes
        received = 0

        async def limited() -> Message:
            nonlocal received
            try:
                message = await asyncio.wait_for(receive(), self._settings.body_seconds)
            except TimeoutError:
                raise HTTPException(408, "the body came too slowly") from None
            received += len(message.get("body", b""))
            if received > most:
                raise HTTPException(413, f"more than {most} bytes")
            return message

        async def hardened(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *((name, value) for name, value in _RAW if name not in present),
                ]
            await send(message)

        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or int(length) > most:
            await answer(413, f"more than {most} bytes")(scope, receive, hardened)
            return
        await self._app(scope, limited, hardened)
