"""API routes that write: submit, withdraw and dispute, and the decisions of reviewers and administrators."""

import json
from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Header, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from leaderboard.accounts import disputes, quota
from leaderboard.accounts.authorise import Action, Actor, authorise, thing_of
from leaderboard.bundle.entry import UNSEEN
from leaderboard.scoring import decisions
from leaderboard.scoring.ladder import reinstate
from leaderboard.server.identity import CurrentContext, Writer
from leaderboard.server.reads import ERRORS, Id, Json
from leaderboard.store import audit
from leaderboard.store.models import Submission, now
from leaderboard.store.store import enter

router = APIRouter(prefix="/api/v1", tags=["write"], responses=ERRORS)
ZIP = "application/zip"
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {ZIP: {"schema": {"type": "string", "format": "binary"}}},
    }
}
Key = Annotated[
    str, Header(alias="Idempotency-Key", pattern=r"^[\x21-\x7e]{8,100}$", description="Once per bundle.")
]


class Reason(BaseModel):
    """The reason for a change; it is public."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=rf"^[^\x00-\x1f\x7f{UNSEEN}]+$")]


class Decision(Reason):
    """A reviewer's decision on a flagged or published submission."""

    verdict: decisions.Verdict


@router.post("/submissions", status_code=202, openapi_extra=BODY)
async def submit(
    request: Request, response: Response, context: CurrentContext, actor: Writer, key: Key
) -> Json:
    """Submit a bundle as a zip. The answer has a signed receipt; the scores follow within seconds."""
    authorise(actor, "submit")
    if request.headers.get("content-type", "").partition(";")[0].strip() != ZIP:
        raise HTTPException(415, f"send the bundle as {ZIP}")
    await run_in_threadpool(context.acceptance.expect, actor, key)
    content = b"".join([chunk async for chunk in request.stream()])
    accepted = await run_sync(
        context.acceptance.accept, actor, content, key, limiter=context.slow, abandon_on_cancel=True
    )
    context.worker.wake()
    response.headers["Location"] = f"/api/v1/submissions/{accepted.submission}"
    return {"id": accepted.submission, "new": accepted.new, "receipt": json.loads(accepted.receipt)}


@router.post("/submissions/{identity}/withdraw")
def withdraw(context: CurrentContext, actor: Writer, identity: Id, body: Reason) -> Json:
    """Take one's own submission off the board, whose place the one before takes again.

    What was published stays in the history, marked; what was not yet stays its owner's.
    """
    with context.store.database.write() as session:
        row = _changing(session, actor, identity, "withdraw")
        if row.state not in ("published", "flagged"):
            raise HTTPException(409, f"it is {row.state}; only what is published can be withdrawn")
        left = row.state == "published"
        enter(session, row, "withdrawn", body.reason)
        if left:
            reinstate(session, row)
        audit.append(session, actor.name, "withdrawn", row.id, {"reason": body.reason})
        return {"id": row.id, "state": row.state}


@router.post("/submissions/{identity}/dispute")
def dispute(context: CurrentContext, actor: Writer, identity: Id, body: Reason) -> Json:
    """Dispute a published result. It stays on the board until a reviewer decides.

    It is marked there once a reviewer, or two accounts with a published result of their own, dispute it.
    """
    with context.store.database.write() as session:
        row = _changing(session, actor, identity, "dispute")
        if row.state != "published":
            raise HTTPException(409, f"it is {row.state}; only what is published can be disputed")
        assert actor.account is not None
        quota.lock(session, actor.account)
        disputes.check(session, actor, row.id)
        quota.use(session, actor.account, "dispute", context.settings.quotas, now())
        disputes.add(session, actor, row.id, body.reason)
        enter(session, row, "published", f"disputed by {actor.name}: {body.reason}")
        audit.append(session, actor.name, "disputed", row.id, {"reason": body.reason})
        return {"id": row.id, "state": row.state}


@router.post("/submissions/{identity}/decision")
def decide(context: CurrentContext, actor: Writer, identity: Id, body: Decision) -> Json:
    """Publish or reject a flagged or disputed submission, or record that a maintainer reproduced it."""
    with context.store.database.write() as session:
        row = _changing(session, actor, identity, "decide")
        if row.account_id == actor.account:
            raise HTTPException(403, "reviewers do not decide on their own submissions")
        decisions.decide(session, row, body.verdict, body.reason, actor=actor.name)
        return {"id": row.id, "state": row.state, "tier": row.tier}


@router.post("/submissions/{identity}/rescore")
def rescore(context: CurrentContext, actor: Writer, identity: Id) -> Json:
    """Queue a submission again that could not be scored."""
    with context.store.database.write() as session:
        row = _changing(session, actor, identity, "rescore")
        decisions.rescore(session, row, actor=actor.name)
    context.worker.wake()
    return {"id": identity, "state": "received"}


def _changing(session: Session, actor: Actor, identity: str, action: Action) -> Submission:
    """The submission, its row locked until the transaction ends. Denied if the actor may not do this."""
    row = session.get(Submission, identity, with_for_update=True)
    authorise(actor, action, thing_of(row))
    assert row is not None  # or it would have been denied
    return row
