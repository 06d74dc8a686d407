"""API routes of challenges: commit to code and weights, fetch sealed episodes, answer before the deadline.

The work is done in `challenge/`.
"""

import json
from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from leaderboard.accounts.authorise import authorise
from leaderboard.challenge.answer import answer, open_challenge, thing
from leaderboard.challenge.register import register
from leaderboard.server.caching import TaggedRoute
from leaderboard.server.context import Context
from leaderboard.server.identity import PUBLIC, CurrentActor, CurrentContext, Writer
from leaderboard.server.reads import ERRORS, Id, Json
from leaderboard.store.models import Challenge, now

PARQUET = "application/vnd.apache.parquet"
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {PARQUET: {"schema": {"type": "string", "format": "binary"}}},
    }
}
UNREADY: dict[int | str, dict[str, Any]] = {503: ERRORS[409]}
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
router = APIRouter(
    prefix="/api/v1", tags=["challenge"], responses={**ERRORS, **UNREADY}, route_class=TaggedRoute
)


class Commitment(BaseModel):
    """commitment: SHA-256 from `metanas challenge commitment RUN`. domains: by default all."""

    model_config = ConfigDict(extra="forbid")

    submission: Annotated[str, Field(pattern="^[0-9a-f-]{36}$")]
    commitment: Sha256
    domains: Annotated[
        list[Annotated[str, Field(max_length=80, pattern="^[a-z0-9-]+$")]], Field(max_length=64)
    ] = []


@router.post("/challenges", status_code=201)
async def commit(context: CurrentContext, actor: Writer, body: Commitment, response: Response) -> Json:
    """Commit to code and weights; fresh episodes are drawn, which takes up to a minute. Safe to repeat."""
    words = (context.challenges, actor, body.submission, body.commitment, body.domains)
    identity = await run_sync(register, *words, limiter=context.slow, abandon_on_cancel=True)
    response.headers["Location"] = f"/api/v1/challenges/{identity}"
    return await run_in_threadpool(_shown, context, identity)


@router.get("/challenges/{identity}", openapi_extra=PUBLIC)
def challenge(context: CurrentContext, actor: CurrentActor, identity: Id) -> Json:
    """A challenge: its commitment, tasks, deadline and state, and its accuracies once it is answered."""
    with context.store.database.read() as session:
        authorise(actor, "read", thing(session.get(Challenge, identity)))
    return _shown(context, identity)


@router.get("/challenges/{identity}/episodes", response_class=Response)
def episodes(context: CurrentContext, actor: CurrentActor, identity: Id) -> Response:
    """The inputs, as safetensors: `<task>/support`, class by class, and `<task>/query`. No query labels."""
    with context.store.database.read() as session:
        row = open_challenge(session, actor, identity)
        if row.episodes is None:
            raise HTTPException(409, "its episodes are not drawn yet; send the commitment again")
        if row.answered is None and not context.store.blobs.path(row.episodes).exists():
            raise HTTPException(410, "deleted: nobody answered in time; register another challenge")
    return Response(context.store.blobs.get(row.episodes), media_type="application/octet-stream")


@router.post("/challenges/{identity}/predictions", openapi_extra=BODY)
async def predictions(
    request: Request,
    context: CurrentContext,
    actor: Writer,
    identity: Id,
    commitment: Annotated[str, Query(pattern="^[0-9a-f]{64}$", description="Of what made them.")],
    episodes: Annotated[str, Query(pattern="^[0-9a-f]{64}$", description="SHA-256 of the inputs.")],
) -> Json:
    """Answer once: predictions.parquet for every episode and seed. It is scored before this returns."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != PARQUET:
        authorise(actor, "challenge")
        raise HTTPException(415, f"send predictions.parquet as {PARQUET}")
    content = b"".join([chunk async for chunk in request.stream()])
    words = (context.challenges, actor, identity, commitment, episodes, content)
    await run_sync(answer, *words, limiter=context.slow, abandon_on_cancel=True)
    return await run_in_threadpool(_shown, context, identity)


def _shown(context: Context, identity: str) -> Json:
    with context.store.database.read() as session:
        row = session.get_one(Challenge, identity)
        scores = {task: float(found.mean()) for task, found in row.submission.accuracies("fresh").items()}
        state = "expired" if row.state != "answered" and row.deadline < now() else row.state
        return {
            "id": row.id,
            "submission": row.submission_id,
            "method": row.submission.method,
            "seeds": list(row.submission.parsed.seeds),
            "commitment": row.commitment,
            "committed": row.committed.isoformat(),
            "deadline": row.deadline.isoformat(),
            "state": state,
            "tasks": json.loads(row.tasks),
            "episodes": row.episodes,
            "accuracy": scores if row.state == "answered" else None,
        }
