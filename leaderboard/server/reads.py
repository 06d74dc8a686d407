"""The GET half of the API. Everything comes from `standing.py`, and passes `authorise` by its id."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from sqlalchemy import select, text
from starlette.exceptions import HTTPException

from leaderboard import standing
from leaderboard.accounts import audit, quota
from leaderboard.accounts.authorise import PUBLIC_STATES, Thing, authorise
from leaderboard.bundle.names import FILES
from leaderboard.scoring import jobs
from leaderboard.scoring.document import document
from leaderboard.server.identity import Here, Who
from leaderboard.server.problems import ProblemJson
from leaderboard.store.models import Submission, now

ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ProblemJson, "content": {"application/problem+json": {}}}
    for status in (400, 401, 403, 404, 405, 408, 409, 413, 422, 429)
}
Id = Annotated[str, Path(pattern="^[0-9a-f-]{36}$", description="A submission's id.")]
Json = dict[str, Any]
health = APIRouter(tags=["health"])
router = APIRouter(prefix="/api/v1", tags=["read"], responses=ERRORS)


@health.get("/healthz")
def healthz() -> Json:
    """The process answers."""
    return {"ok": True}


@health.get("/readyz", responses={503: {"model": ProblemJson}})
def readyz(here: Here) -> Json:
    """The database answers too."""
    try:
        with here.store.database.read() as session:
            session.execute(text("SELECT 1"))
    except Exception as error:
        raise HTTPException(503, "the database does not answer", headers={"Retry-After": "5"}) from error
    return {"ok": True, "revision": standing.revision(here.store)}


@router.get("/tracks")
def tracks(here: Here) -> Json:
    """What is ranked together."""
    return {"tracks": list(standing.tracks(here.store))}


@router.get("/leaderboard")
def leaderboard(
    here: Here,
    track: Annotated[str | None, Query(max_length=500, description="A track's name; all by default.")] = None,
    tier: Annotated[str | None, Query(pattern="^(recomputed|reproduced)$")] = None,
) -> Json:
    """Current submissions, each with its mean accuracy per task."""
    wanted = None if track is None or "\0" in track else track
    rows = standing.current(here.store, wanted) if track is None or wanted is not None else ()
    return {"submissions": [_brief(row) for row in rows if tier in (None, row.tier)]}


@router.get("/methods/{name}")
def method(here: Here, name: Annotated[str, Path(pattern="^[a-z0-9][a-z0-9._-]{0,63}$")]) -> Json:
    """All that was published of a method, oldest first."""
    rows = standing.history(here.store, name)
    if not rows:
        raise HTTPException(404, f"no method named {name!r} is published")
    return {"method": name, "submissions": [_brief(row) for row in rows]}


@router.get("/submissions")
def mine(here: Here, who: Who) -> Json:
    """One's own submissions, newest first."""
    authorise(who, "list")
    with here.store.database.read() as session:
        query = select(Submission).where(Submission.account_id == who.account)
        rows = session.scalars(query.order_by(Submission.id.desc()).limit(100))
        found = [{"id": row.id, "method": row.method, "state": row.state} for row in rows]
    return {"submissions": found}


@router.get("/submissions/{identity}")
def submission(here: Here, who: Who, identity: Id) -> Json:
    """One submission, with its place in the queue while it waits."""
    row = _visible(here, who, identity)
    with here.store.database.read() as session:
        ahead = jobs.ahead(session, identity)
    return {**_brief(row), "superseded": row.superseded, "flags": row.flags, "jobs_ahead": ahead}


@router.get("/submissions/{identity}/events")
def events(here: Here, who: Who, identity: Id) -> Json:
    """Every state it was in, when and why."""
    found = _visible(here, who, identity).events
    return {"events": [{"at": e.at.isoformat(), "state": e.state, "reason": e.reason} for e in found]}


@router.get("/submissions/{identity}/scores", response_class=Response)
def scores(here: Here, who: Who, identity: Id) -> Response:
    """All recomputed scores: the very bytes that `metanas score BUNDLE` prints."""
    row = _visible(here, who, identity)
    if not row.accuracies:
        raise HTTPException(404, f"not scored: it is {row.state}")
    return Response(document(row.document, row.accuracies, row.summaries), media_type="application/json")


@router.get("/submissions/{identity}/files/{name}", response_class=Response)
def file(
    here: Here, who: Who, identity: Id, name: Annotated[str, Path(pattern="^[a-zA-Z]+[.][a-z]+$")]
) -> Response:
    """A file of the bundle, as it came. entry.json holds a contact address, so only its owner gets it."""
    row = _visible(here, who, identity)
    if name not in FILES or name not in row.files:
        raise HTTPException(404, f"no file {name!r} in this submission")
    if name == "entry.json":
        authorise(who, "withdraw", _thing(here, identity))
    content = here.store.blobs.get(row.files[name][0])
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type="application/octet-stream", headers=headers)


@router.get("/quota")
def quotas(here: Here, who: Who) -> Json:
    """What remains of one's quotas."""
    authorise(who, "list")
    assert who.account is not None
    limits = here.settings.quotas
    with here.store.database.read() as session:
        return {kind: quota.left(session, who.account, kind, limits, now()) for kind in limits}


@router.get("/audit/head")
def audit_head(here: Here) -> Json:
    """The newest link of the audit chain, and the key that signs receipts."""
    with here.store.database.read() as session:
        link = audit.head(session)
    seq, found = (link.seq, link.hash) if link else (0, audit.START)
    return {"seq": seq, "hash": found, "server_key": here.key.public}


def _thing(here: Here, identity: str) -> Thing | None:
    with here.store.database.read() as session:
        row = session.get(Submission, identity)
        return None if row is None else Thing(row.account_id, row.state in PUBLIC_STATES)


def _visible(here: Here, who: Who, identity: str) -> standing.Standing:
    authorise(who, "read", _thing(here, identity) or Thing(None, public=False))
    found = standing.one(here.store, identity)
    if found is None:
        raise HTTPException(404, "there is nothing with this id that you may see")
    return found


def _brief(row: standing.Standing) -> Json:
    return {
        "id": row.id,
        "method": row.method,
        "track": row.track,
        "state": row.state,
        "tier": row.tier,
        "owner": row.owner,
        "accepted": row.accepted.isoformat(),
        "attempts": row.attempts,
        "accuracy": {task: float(found.mean()) for task, found in row.accuracies.items()},
        "entry": None if row.entry is None else json.loads(json.dumps(row.entry)),
    }
