"""The POST half of the API: submit, withdraw, and what reviewers and administrators decide."""

import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from leaderboard.accounts import audit, quota
from leaderboard.accounts.authorise import Action, Actor, authorise, thing_of
from leaderboard.scoring import jobs
from leaderboard.server.identity import Here, Writer
from leaderboard.server.reads import ERRORS, Id, Json
from leaderboard.store.models import Flag, Submission, now
from leaderboard.store.store import enter, publish

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
    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]


class Decision(Reason):
    """A reviewer's word on a flagged or published submission."""

    verdict: Literal["publish", "reject", "reproduced"]


@router.post("/submissions", status_code=202, openapi_extra=BODY)
async def submit(request: Request, response: Response, here: Here, who: Writer, key: Key) -> Json:
    """Submit a bundle as a zip. The answer holds a signed receipt; scores follow within seconds."""
    authorise(who, "submit")
    if request.headers.get("content-type", "").partition(";")[0].strip() != ZIP:
        raise HTTPException(415, f"send the bundle as {ZIP}")
    chunks = [chunk async for chunk in request.stream()]
    accepted = await run_in_threadpool(here.acceptance.accept, who, b"".join(chunks), key)
    here.worker.wake()
    response.headers["Location"] = f"/api/v1/submissions/{accepted.submission}"
    return {"id": accepted.submission, "new": accepted.new, "receipt": json.loads(accepted.receipt)}


@router.post("/submissions/{identity}/withdraw")
def withdraw(here: Here, who: Writer, identity: Id, body: Reason) -> Json:
    """Take one's own submission off the board. It stays in the history, marked."""
    with here.store.database.write() as session:
        row = _changing(session, who, identity, "withdraw")
        if row.state not in ("published", "flagged"):
            raise HTTPException(409, f"it is {row.state}; only what is published can be withdrawn")
        enter(session, row, "withdrawn", body.reason)
        audit.append(session, who.name, "withdrawn", row.id, {"reason": body.reason})
        return {"id": row.id, "state": row.state}


@router.post("/submissions/{identity}/dispute")
def dispute(here: Here, who: Writer, identity: Id, body: Reason) -> Json:
    """Doubt a published result. It stays on the board, marked, until a reviewer decides."""
    with here.store.database.write() as session:
        row = _changing(session, who, identity, "dispute")
        if row.state != "published":
            raise HTTPException(409, f"it is {row.state}; only what is published can be disputed")
        assert who.account is not None
        quota.use(session, who.account, "dispute", here.settings.quotas, now())
        session.add(Flag(submission_id=row.id, kind="disputed", detail=f"{who.name}: {body.reason}"))
        enter(session, row, "published", f"disputed by {who.name}: {body.reason}")
        audit.append(session, who.name, "disputed", row.id, {"reason": body.reason})
        return {"id": row.id, "state": row.state}


@router.post("/submissions/{identity}/decision")
def decide(here: Here, who: Writer, identity: Id, body: Decision) -> Json:
    """Publish or reject what was flagged or disputed; or note that a maintainer reproduced it."""
    with here.store.database.write() as session:
        row = _changing(session, who, identity, "decide")
        if row.account_id == who.account:
            raise HTTPException(403, "reviewers do not decide on their own submissions")
        if body.verdict == "reproduced":
            if row.state != "published":
                raise HTTPException(409, f"it is {row.state}; only what is published can be reproduced")
            row.tier = "reproduced"
            enter(session, row, "published", f"reproduced: {body.reason}")
        elif row.state not in ("flagged", "published"):
            raise HTTPException(409, f"it is {row.state}; there is nothing to decide")
        elif body.verdict == "reject":
            enter(session, row, "rejected", body.reason)
        else:
            settled = session.query(Flag).where((Flag.submission_id == row.id) & Flag.cleared.is_(None))
            if not settled.update({"cleared": now()}) and row.state == "published":
                raise HTTPException(409, "it is published and nothing about it is in doubt")
            if row.state == "published":
                enter(session, row, "published", f"dispute settled: {body.reason}")
            else:
                publish(session, row, body.reason)
        audit.append(session, who.name, body.verdict, row.id, {"reason": body.reason})
        return {"id": row.id, "state": row.state, "tier": row.tier}


@router.post("/submissions/{identity}/rescore")
def rescore(here: Here, who: Writer, identity: Id) -> Json:
    """Let a submission that could not be scored wait again."""
    with here.store.database.write() as session:
        row = _changing(session, who, identity, "rescore")
        if not jobs.restart(session, row.id):
            raise HTTPException(409, f"it is {row.state}; only what failed can be scored again")
        enter(session, row, "received", "an administrator asked for another try")
        audit.append(session, who.name, "rescore", row.id, {})
    here.worker.wake()
    return {"id": identity, "state": "received"}


def _changing(session: Session, who: Actor, identity: str, action: Action) -> Submission:
    row = session.get(Submission, identity, with_for_update=True)
    authorise(who, action, thing_of(row))
    assert row is not None  # or it would have been denied
    return row
