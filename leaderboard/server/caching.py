"""Conditional GET requests for the API: ETag headers, and 304 for content that has not changed."""

import hashlib
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute


class TaggedRoute(APIRoute):
    """A route whose GET responses have an ETag. With a token they are private: no shared cache keeps them."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler of the route with these headers added."""
        handle = super().get_route_handler()

        async def tagged(request: Request) -> Response:
            answer = await handle(request)
            if request.method != "GET" or answer.status_code != 200:
                return answer
            tag = f'"{hashlib.sha256(answer.body).hexdigest()[:32]}"'
            whose = "private" if "authorization" in request.headers else "public"
            headers = {"etag": tag, "cache-control": f"{whose}, no-cache", "vary": "authorization"}
            if request.headers.get("if-none-match") == tag:
                return Response(status_code=304, headers=headers)
            answer.headers.update(headers)
            return answer

        return tagged
