"""The web application: REST API under /api/v1, HTML pages, and a worker thread that scores submissions.

    uvicorn.run(create_app(Settings(db="runs/leaderboard.db")))

A request passes `body_limits.py` (size, headers), `identity.py` (which account), `accounts/authorise.py`
(permission), then a route of `reads.py`, `writes.py`, `boards.py`, `challenges.py` or `pages.py`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from leaderboard.repository.studies import read_all
from leaderboard.server import boards, challenges, pages, problems, reads, writes
from leaderboard.server.body_limits import BodyLimits
from leaderboard.server.context import open_context
from leaderboard.server.settings import Settings
from leaderboard.web.live import Live

DESCRIPTION = "Scores are recomputed from predictions. Errors are problem+json (RFC 9457)."


def create_app(settings: Settings) -> FastAPI:
    """Open a board and return its application; the worker runs while it is served.

    StoreError or ReceiptError if the board cannot be opened; ResultError for a damaged transfer study.
    """
    context = open_context(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.live.start()
        if settings.work:
            context.worker.start()
        yield
        context.worker.stop()
        app.state.live.close()
        context.store.close()

    app = FastAPI(
        title="MetaNAS-Bench leaderboard",
        version="1",
        description=DESCRIPTION,
        lifespan=lifespan,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # FastAPI's documentation pages load scripts from another host
        redoc_url=None,
    )
    app.state.context = context
    studies = read_all(settings.studies) if settings.studies else ()
    app.state.live = Live(context.store, studies, settings.home)
    problems.install(app)
    app.include_router(reads.health)
    app.include_router(reads.router)
    app.include_router(writes.router)
    app.include_router(boards.router)
    app.include_router(challenges.router)
    app.include_router(pages.router)  # last: it matches every other address
    app.add_middleware(BodyLimits, settings=settings)
    return app
