"""Counts in Prometheus' text format, on a port of their own that only this machine reaches.

A proxy before the board shows all of its addresses to everyone, and this one to nobody.
"""

from collections.abc import Iterator

from sqlalchemy import func, select
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from leaderboard.store import audit
from leaderboard.store.models import Challenge, Job, Submission
from leaderboard.store.store import Store


def application(store: Store) -> Starlette:
    """An application with the one address /metrics."""

    async def metrics(request: Request) -> PlainTextResponse:
        return PlainTextResponse(await run_in_threadpool(text, store))

    return Starlette(routes=[Route("/metrics", metrics)])


def text(store: Store) -> str:
    """Submissions, jobs and challenges by state, and the links of the audit chain."""
    return "\n".join([*_lines(store), ""])


def _lines(store: Store) -> Iterator[str]:
    with store.database.read() as session:
        for table in (Submission, Job, Challenge):
            name = f"metanas_{table.__tablename__}s"
            yield f"# TYPE {name} gauge"
            counts = session.execute(select(table.state, func.count()).group_by(table.state))
            for state, count in sorted(counts):
                yield f'{name}{{state="{state}"}} {count}'
        link = audit.head(session)
    yield "# TYPE metanas_audit_links counter"
    yield f"metanas_audit_links {link.seq if link else 0}"
