"""What every request passes first: limits on its body, and headers on its answer. Plain ASGI.

The limit counts bytes as they arrive, since a request need not say its length, and a framework reads a body
before any of our code runs.
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


class Guard:
    """Wraps the application."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        large = scope["method"] == "POST" and LARGE.fullmatch(scope["path"])
        most = self._settings.body_bytes if large else self._settings.small_body_bytes
        taken = 0

        async def limited() -> Message:
            nonlocal taken
            try:
                message = await asyncio.wait_for(receive(), self._settings.body_seconds)
            except TimeoutError:
                raise HTTPException(408, "the body came too slowly") from None
            taken += len(message.get("body", b""))
            if taken > most:
                raise HTTPException(413, f"more than {most} bytes")
            return message

        async def hardened(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *((name, value) for name, value in _RAW if name not in there),
                ]
            await send(message)

        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or int(length) > most:
            await answer(413, f"more than {most} bytes")(scope, receive, hardened)
            return
        await self._app(scope, limited, hardened)
