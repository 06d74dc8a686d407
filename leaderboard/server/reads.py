"""API routes that read: health, tracks, the leaderboard, submissions, quotas and the audit chain's head.

Submissions are read through `ranking/standing.py`; access to one by its id passes `authorise`.
"""

import json
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from sqlalchemy import select, text
from starlette.exceptions import HTTPException

from leaderboard.accounts import quota
from leaderboard.accounts.authorise import Thing, authorise, thing_of
from leaderboard.bundle.names import FILES
from leaderboard.ranking import standing
from leaderboard.scoring import jobs
from leaderboard.scoring.document import document
from leaderboard.server.caching import TaggedRoute
from leaderboard.server.identity import PUBLIC, CurrentActor, CurrentContext
from leaderboard.server.problems import ProblemJson
from leaderboard.server.rows import Rows
from leaderboard.store import audit
from leaderboard.store.models import Submission, now

ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ProblemJson, "content": {"application/problem+json": {}}}
    for status in (400, 401, 403, 404, 405, 408, 409, 413, 422, 429)
}
Id = Annotated[str, Path(pattern="^[0-9a-f-]{36}$", description="A submission's id.")]
Json = dict[str, Any]
health = APIRouter(tags=["health"])
Most = Annotated[int, Query(ge=1, le=1000, description="Rows in one answer.")]
After = Annotated[
    str | None,
    Query(pattern="^[0-9a-f-]{36}$", description="`next` of the answer before: what comes after it."),
]
router = APIRouter(prefix="/api/v1", tags=["read"], responses=ERRORS, route_class=TaggedRoute)


@health.get("/healthz")
async def healthz() -> Json:
    """The process is alive. It needs no thread, so it answers whatever the others do."""
    return {"ok": True}


@health.get("/readyz", responses={503: {"model": ProblemJson}})
def readyz(context: CurrentContext) -> Json:
    """The process is ready: its database answers."""
    try:
        with context.store.database.read() as session:
            session.execute(text("SELECT 1"))
    except Exception as error:
        raise HTTPException(503, "the database does not answer", headers={"Retry-After": "5"}) from error
    return {"ok": True, "revision": standing.revision(context.store)}


async def _rows(request: Request) -> Rows:
    rows: Rows = request.app.state.rows
    return rows


@router.get("/tracks")
def tracks(context: CurrentContext) -> Json:
    """The names of all tracks; submissions of one track are ranked together."""
    return {"tracks": list(standing.tracks(context.store))}


@router.get("/leaderboard", response_class=Response)
async def leaderboard(
    context: CurrentContext,
    rows: Annotated[Rows, Depends(_rows)],
    track: Annotated[str | None, Query(max_length=500, description="A track's name; all by default.")] = None,
    tier: Annotated[str | None, Query(pattern="^(recomputed|challenged|reproduced)$")] = None,
    limit: Most = 1000,
    after: After = None,
) -> Response:
    """Current submissions, each with its mean accuracy per task, oldest first; `next` is None at the end."""
    text = '{"submissions":[],"next":null}'
    if track is None or "\0" not in track:  # PostgreSQL refuses a NUL in a query
        read = partial(rows.page, track=track, tier=tier, after=after, limit=limit)
        text = await run_sync(read, limiter=context.pages, abandon_on_cancel=True)
    return Response(text, media_type="application/json")


@router.get("/methods/{name}")
def method(
    context: CurrentContext, name: Annotated[str, Path(pattern="^[a-z0-9][a-z0-9._-]{0,63}$")]
) -> Json:
    """All submissions of a method that are or were published, oldest first."""
    rows = standing.history(context.store, name)
    if not rows:
        raise HTTPException(404, f"no method named {name!r} is published")
    return {"method": name, "submissions": [brief(row) for row in rows]}


@router.get("/submissions")
def mine(context: CurrentContext, actor: CurrentActor, limit: Most = 100, after: After = None) -> Json:
    """One's own submissions, newest first; `next` is None at the end."""
    authorise(actor, "list")
    with context.store.database.read() as session:
        query = select(Submission).where(Submission.account_id == actor.account)
        if after is not None:
            query = query.where(Submission.id < after)
        rows = session.scalars(query.order_by(Submission.id.desc()).limit(limit + 1)).all()
        brief = [{"id": row.id, "method": row.method, "state": row.state} for row in rows[:limit]]
    return {"submissions": brief, "next": _next(rows, limit)}


@router.get("/submissions/{identity}", openapi_extra=PUBLIC)
def submission(context: CurrentContext, actor: CurrentActor, identity: Id) -> Json:
    """One submission, with its place in the queue while it waits."""
    row = _visible(context, actor, identity)
    with context.store.database.read() as session:
        ahead = jobs.ahead(session, identity)
    return {**brief(row), "superseded": row.superseded, "flags": row.flags, "jobs_ahead": ahead}


@router.get("/submissions/{identity}/events", openapi_extra=PUBLIC)
def events(context: CurrentContext, actor: CurrentActor, identity: Id) -> Json:
    """The states that a submission entered, when and why, oldest first."""
    history = _visible(context, actor, identity).events
    return {"events": [{"at": e.at.isoformat(), "state": e.state, "reason": e.reason} for e in history]}


@router.get("/submissions/{identity}/scores", openapi_extra=PUBLIC, response_class=Response)
def scores(context: CurrentContext, actor: CurrentActor, identity: Id) -> Response:
    """All scores of a submission: the same bytes that `metanas score BUNDLE` prints."""
    row = _visible(context, actor, identity)
    if not row.accuracies:
        raise HTTPException(404, f"not scored: it is {row.state}")
    return Response(
        document(row.document, row.accuracies, row.summaries, row.gains), media_type="application/json"
    )


@router.get("/submissions/{identity}/files/{name}", openapi_extra=PUBLIC, response_class=Response)
def file(
    context: CurrentContext,
    actor: CurrentActor,
    identity: Id,
    name: Annotated[str, Path(pattern="^[a-zA-Z]+[.][a-z]+$")],
) -> Response:
    """A file of the bundle, unchanged. entry.json has a contact address: only the owner gets it."""
    row = _visible(context, actor, identity)
    if name not in FILES or name not in row.files:
        raise HTTPException(404, f"no file {name!r} in this submission")
    if name == "entry.json":
        authorise(actor, "withdraw", _thing(context, identity))
    sha256 = row.files[name][0]
    if row.state == "rejected" and not context.store.blobs.path(sha256).exists():
        raise HTTPException(
            410, "deleted: this board keeps the files of rejected submissions for a time only"
        )
    content = context.store.blobs.get(sha256)
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type="application/octet-stream", headers=headers)


@router.get("/quota")
def quotas(context: CurrentContext, actor: CurrentActor) -> Json:
    """What remains of one's own quotas."""
    authorise(actor, "list")
    assert actor.account is not None
    limits = context.settings.quotas
    with context.store.database.read() as session:
        return {kind: quota.left(session, actor.account, kind, limits, now()) for kind in limits}


@router.get("/audit/head")
def audit_head(context: CurrentContext) -> Json:
    """The newest link of the audit chain, signed by the key that signs receipts. Keep some elsewhere."""
    with context.store.database.read() as session:
        return context.key.sign_head(*audit.head_of(session))


def _next(rows: Sequence[Submission], limit: int) -> str | None:
    """The last id of this answer, for the parameter `after` of the next; None if no rows are left."""
    return rows[limit - 1].id if len(rows) > limit else None


def _thing(context: CurrentContext, identity: str) -> Thing:
    with context.store.database.read() as session:
        return thing_of(session.get(Submission, identity))


def _visible(context: CurrentContext, actor: CurrentActor, identity: str) -> standing.Standing:
    """A submission that the actor may see. Denied otherwise."""
    authorise(actor, "read", _thing(context, identity))
    row = standing.one(context.store, identity)
    assert row is not None  # or it would have been denied; rows are never deleted
    return row


def brief(row: standing.Standing) -> Json:
    """What lists say of a submission."""
    return {
        "id": row.id,
        "method": row.method,
        "track": row.track,
        "state": row.state,
        "tier": row.tier,
        "owner": row.owner,
        "accepted": row.accepted.isoformat(),
        "attempts": row.attempts,
        "accuracy": {task: float(values.mean()) for task, values in row.accuracies.items()},
        "fresh_accuracy": {task: float(values.mean()) for task, values in row.fresh.items()},
        "challenge": None if row.challenge is None else row.challenge.id,
        "entry": None if row.entry is None else json.loads(json.dumps(row.entry)),
    }
