"""The web application: REST API under /api/v1, HTML pages, and a worker thread that scores submissions.

    uvicorn.run(create_app(Settings(db="runs/leaderboard.db")))

A request passes `body_limits.py` (size, headers), `quick.py` (health, kept pages), `identity.py` (which
account), `accounts/authorise.py` (permission), then a route of `reads.py`, `writes.py`, `boards.py`,
`challenges.py` or `pages.py`.
"""

import asyncio
import logging
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI

from leaderboard.repository import results
from leaderboard.repository.studies import read_all
from leaderboard.server import boards, challenges, desk, metrics, pages, problems, reads, writes
from leaderboard.server.body_limits import BodyLimits
from leaderboard.server.context import Context, open_context
from leaderboard.server.journal import Journal
from leaderboard.server.quick import Quick
from leaderboard.server.rows import Rows
from leaderboard.server.settings import Settings
from leaderboard.web.live import Live
from metanas.base.errors import MetanasError

log = logging.getLogger(__name__)
DESCRIPTION = "Scores are recomputed from predictions. Errors are problem+json (RFC 9457)."


def create_app(settings: Settings) -> FastAPI:
    """Open a board and return its application; the worker runs while it is served.

    StoreError or ReceiptError if the board cannot be opened; ResultError for a damaged transfer study.
    """
    context = open_context(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        current_default_thread_limiter().total_tokens = settings.threads
        app.state.live.start()
        if settings.work:
            context.worker.start()
        if settings.committed:
            opening = (context, settings.committed)
            threading.Thread(target=_publish_committed, args=opening, name="committed", daemon=True).start()
        async with _metrics(context):
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
    app.state.rows = Rows(context.store, reads.brief)
    app.state.live = Live(context.store, studies, settings.home, also=(app.state.rows.prepare,))
    problems.install(app)
    app.include_router(reads.health)
    app.include_router(reads.router)
    app.include_router(writes.router)
    app.include_router(boards.router)
    app.include_router(challenges.router)
    app.state.sessions = desk.Sessions()
    app.include_router(desk.router)
    app.include_router(pages.router)  # last: it matches every other address
    app.add_middleware(Quick, site=app.state.live.kept, rate=context.rate)
    app.add_middleware(BodyLimits, settings=settings)
    app.add_middleware(Journal)  # the last is the outermost
    return app


def _publish_committed(context: Context, folder: Path) -> None:
    """Publish what is committed and not on the board yet; half a second each, so nobody waits for it.

    Scored where submissions are, whose process gives the memory for it back.
    """
    try:
        results.open_with(context.store, folder, context.worker.score)
    except MetanasError as error:  # some of them: the others are there
        log.error("%s", error)
    except Exception:  # the board serves what it has
        log.exception("the committed results in %s were not all published", folder)


@asynccontextmanager
async def _metrics(context: Context) -> AsyncIterator[None]:
    """Serve /metrics on its own port of this machine, if there is to be one. OSError if it is taken."""
    port = context.settings.metrics_port
    if port is None:
        yield
        return
    import uvicorn  # tests of the application itself need none

    with socket.create_server(("127.0.0.1", port)) as listening:
        print(f"http://127.0.0.1:{listening.getsockname()[1]}/metrics", flush=True)
        config = uvicorn.Config(
            metrics.application(context.store), log_config=None, access_log=False, lifespan="off"
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server._serve([listening]))  # `serve` would take the signals, too
        try:
            yield
        finally:
            server.should_exit = True
            await serving
