"""The GET half of the API. Everything comes from `standing.py`, and passes `authorise` by its id."""

import json
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from sqlalchemy import func, select, text
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse

from leaderboard import standing
from leaderboard.accounts import audit, quota
from leaderboard.accounts.authorise import Thing, authorise, thing_of
from leaderboard.bundle.names import FILES
from leaderboard.scoring import jobs
from leaderboard.scoring.document import document
from leaderboard.server.caching import TaggedRoute
from leaderboard.server.identity import PUBLIC, Here, Who
from leaderboard.server.problems import ProblemJson
from leaderboard.store.models import Challenge, Job, Submission, now

ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ProblemJson, "content": {"application/problem+json": {}}}
    for status in (400, 401, 403, 404, 405, 408, 409, 413, 422, 429)
}
Id = Annotated[str, Path(pattern="^[0-9a-f-]{36}$", description="A submission's id.")]
Json = dict[str, Any]
LOOPBACK = ("127.0.0.1", "::1")
health = APIRouter(tags=["health"])
Most = Annotated[int, Query(ge=1, le=1000, description="Rows in one answer.")]
After = Annotated[
    str | None,
    Query(pattern="^[0-9a-f-]{36}$", description="`next` of the answer before: what comes after it."),
]
router = APIRouter(prefix="/api/v1", tags=["read"], responses=ERRORS, route_class=TaggedRoute)


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


@health.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses={403: {"model": ProblemJson, "content": {"application/problem+json": {}}}},
)
def metrics(request: Request, here: Here) -> str:
    """Counts in Prometheus' text format, for programs on this machine alone."""
    if request.client is None or request.client.host not in LOOPBACK or "x-forwarded-for" in request.headers:
        raise HTTPException(403, "only for this machine: ask 127.0.0.1")
    lines = []
    with here.store.database.read() as session:
        for table in (Submission, Job, Challenge):
            name = f"metanas_{table.__tablename__}s"
            lines.append(f"# TYPE {name} gauge")
            counts = session.execute(select(table.state, func.count()).group_by(table.state))
            lines += [
                f'{name}{{state="{state}"}} {count}'
                for state, count in sorted((state, count) for state, count in counts)
            ]
        link = audit.head(session)
    lines += ["# TYPE metanas_audit_links counter", f"metanas_audit_links {link.seq if link else 0}", ""]
    return "\n".join(lines)


@router.get("/tracks")
def tracks(here: Here) -> Json:
    """What is ranked together."""
    return {"tracks": list(standing.tracks(here.store))}


@router.get("/leaderboard")
def leaderboard(
    here: Here,
    track: Annotated[str | None, Query(max_length=500, description="A track's name; all by default.")] = None,
    tier: Annotated[str | None, Query(pattern="^(recomputed|challenged|reproduced)$")] = None,
    limit: Most = 1000,
    after: After = None,
) -> Json:
    """Current submissions, each with its mean accuracy per task, oldest first; `next` is None at the end."""
    wanted = None if track is None or "\0" in track else track
    rows = standing.current(here.store, wanted) if track is None or wanted is not None else ()
    found = sorted((row for row in rows if tier in (None, row.tier)), key=lambda row: row.id)
    left = [row for row in found if after is None or row.id > after]
    return {"submissions": [_brief(row) for row in left[:limit]], "next": _next(left, limit)}


@router.get("/methods/{name}")
def method(here: Here, name: Annotated[str, Path(pattern="^[a-z0-9][a-z0-9._-]{0,63}$")]) -> Json:
    """All that was published of a method, oldest first."""
    rows = standing.history(here.store, name)
    if not rows:
        raise HTTPException(404, f"no method named {name!r} is published")
    return {"method": name, "submissions": [_brief(row) for row in rows]}


@router.get("/submissions")
def mine(here: Here, who: Who, limit: Most = 100, after: After = None) -> Json:
    """One's own submissions, newest first; `next` is None at the end."""
    authorise(who, "list")
    with here.store.database.read() as session:
        query = select(Submission).where(Submission.account_id == who.account)
        if after is not None:
            query = query.where(Submission.id < after)
        rows = session.scalars(query.order_by(Submission.id.desc()).limit(limit + 1)).all()
        found = [{"id": row.id, "method": row.method, "state": row.state} for row in rows[:limit]]
    return {"submissions": found, "next": _next(rows, limit)}


@router.get("/submissions/{identity}", openapi_extra=PUBLIC)
def submission(here: Here, who: Who, identity: Id) -> Json:
    """One submission, with its place in the queue while it waits."""
    row = _visible(here, who, identity)
    with here.store.database.read() as session:
        ahead = jobs.ahead(session, identity)
    return {**_brief(row), "superseded": row.superseded, "flags": row.flags, "jobs_ahead": ahead}


@router.get("/submissions/{identity}/events", openapi_extra=PUBLIC)
def events(here: Here, who: Who, identity: Id) -> Json:
    """Every state it was in, when and why."""
    found = _visible(here, who, identity).events
    return {"events": [{"at": e.at.isoformat(), "state": e.state, "reason": e.reason} for e in found]}


@router.get("/submissions/{identity}/scores", openapi_extra=PUBLIC, response_class=Response)
def scores(here: Here, who: Who, identity: Id) -> Response:
    """All recomputed scores: the very bytes that `metanas score BUNDLE` prints."""
    row = _visible(here, who, identity)
    if not row.accuracies:
        raise HTTPException(404, f"not scored: it is {row.state}")
    return Response(document(row.document, row.accuracies, row.summaries), media_type="application/json")


@router.get("/submissions/{identity}/files/{name}", openapi_extra=PUBLIC, response_class=Response)
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


def _next(rows: Sequence[standing.Standing] | Sequence[Submission], limit: int) -> str | None:
    """Where the next answer begins; None if these rows are all."""
    return rows[limit - 1].id if len(rows) > limit else None


def _thing(here: Here, identity: str) -> Thing:
    with here.store.database.read() as session:
        return thing_of(session.get(Submission, identity))


def _visible(here: Here, who: Who, identity: str) -> standing.Standing:
    authorise(who, "read", _thing(here, identity))
    found = standing.one(here.store, identity)
    assert found is not None  # or it would have been denied; rows are never deleted
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
        "fresh_accuracy": {task: float(found.mean()) for task, found in row.fresh.items()},
        "challenge": None if row.challenge is None else row.challenge.id,
        "entry": None if row.entry is None else json.loads(json.dumps(row.entry)),
    }
