"""The route of the HTML pages: every address outside /api, answered from the site (`web/`) and its cache.

Pages show only what is published; they have no sign-in and set no cookie.
"""

from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from leaderboard.server.identity import CurrentContext
from leaderboard.web import render
from leaderboard.web.live import Live
from leaderboard.web.query import QueryError
from leaderboard.web.render import Busy, Missing, Page
from leaderboard.web.site import Site

router = APIRouter(include_in_schema=False)
LONGEST = 2_000  # characters of a query string
MOST_WAITING = 100  # requests for pages that have to be made; more are told to come again


async def _live(
    request: Request,
) -> Live:  # a plain function would take a thread, which a kept page needs not
    live: Live = request.app.state.live
    return live


@router.get("/{address:path}")
@router.head("/{address:path}")
async def page(
    request: Request, address: str, live: Annotated[Live, Depends(_live)], context: CurrentContext
) -> Response:
    """The page at an address, from the cache if it was rendered before."""
    if address.startswith("api/"):
        raise HTTPException(404, "the API has no such address; it is described at /api/v1/openapi.json")
    limiter = context.pages
    if (site := live.kept()) is None:
        site = await run_sync(live.site, limiter=limiter, abandon_on_cancel=True)
    if len(request.url.query) > LONGEST:
        return problem(site, address, 400, "Bad request", "the query is too long")
    query = {name: request.query_params.getlist(name) for name in request.query_params}
    try:
        rendered = site.kept(address, query)
        if rendered is None:
            if limiter.statistics().tasks_waiting >= MOST_WAITING:
                raise Busy("many pages are being made; try again in a few seconds")
            rendered = await run_sync(site.get, address, query, limiter=limiter, abandon_on_cancel=True)
    except Missing:
        return problem(site, address, 404, "Not found", "There is no such page, or it is not published.")
    except QueryError as error:
        return problem(site, address, 400, "Bad request", str(error))
    except Busy as error:
        busy = problem(site, address, 503, "Busy", str(error))
        busy.headers["retry-after"] = "5"
        return busy
    return answer(request, rendered)


def problem(site: Site, address: str, status: int, title: str, message: str) -> Response:
    """An error as an HTML page."""
    text = render.problem(site.common, address, title, message)
    return Response(text, status, media_type="text/html; charset=utf-8")


def answer(request: Request, page: Page) -> Response:
    """The response with a page, or 304 if the client has it; compressed where it can be."""
    tag = f'"{page.tag}"'
    headers = {"etag": tag, "cache-control": "public, no-cache", "vary": "accept-encoding"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    if page.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        headers["content-encoding"] = "gzip"
        return Response(page.packed, headers=headers, media_type=page.media)
    return Response(page.content, headers=headers, media_type=page.media)
