"""The application: REST under /api/v1, pages beside it, one worker thread that scores.

    uvicorn.run(create_app(Settings(db="runs/leaderboard.db")))

Order of a request: `guard.py` (size, headers), `identity.py` (who), `accounts/authorise.py` (may they),
then a short route.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from leaderboard.server import boards, challenges, pages, problems, reads, writes
from leaderboard.server.context import open_context
from leaderboard.server.guard import Guard
from leaderboard.server.settings import Settings
from leaderboard.transfers import read_all
from leaderboard.web.live import Live

DESCRIPTION = "Scores are recomputed from predictions. Errors are problem+json (RFC 9457)."


def create_app(settings: Settings) -> FastAPI:
    """An application over an opened board; the worker runs while it is served.

    ResultError names what is wrong with a transfer study.
    """
    context = open_context(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
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
        docs_url=None,  # their pages load scripts from another host
        redoc_url=None,
    )
    app.state.context = context
    app.state.live = Live(context.store, read_all(settings.studies) if settings.studies else ())
    problems.install(app)
    app.include_router(reads.health)
    app.include_router(reads.router)
    app.include_router(writes.router)
    app.include_router(boards.router)
    app.include_router(challenges.router)
    app.include_router(pages.router)  # last: it takes every address that is left
    app.add_middleware(Guard, settings=settings)
    return app
