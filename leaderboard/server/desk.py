"""The reviewers' pages under /desk: sign in with a token, see what waits, decide.

The only pages that are not public and the only ones with a cookie: a random number, HttpOnly and
SameSite=Strict, that stands for a token in this process's memory; the token is looked up anew for every
request. A form that changes something carries a number of its session as well, and its origin must be this
host, so no other site can send one. No script is used; the content policy is that of all pages.
"""

import hmac
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, get_args
from urllib.parse import parse_qs, urlsplit

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response

from leaderboard.accounts import tokens
from leaderboard.accounts.authorise import Actor, Denied, authorise, thing_of
from leaderboard.scoring import decisions
from leaderboard.scoring.decisions import Undecidable, Verdict
from leaderboard.server.context import Context
from leaderboard.server.identity import take, unsuspended
from leaderboard.server.writes import Decision
from leaderboard.store.models import Submission, now
from leaderboard.web import render
from leaderboard.web.render import View

router = APIRouter(include_in_schema=False)
COOKIE, HOURS, MOST = "metanas_desk", 8, 1000  # lifetime of a session; sessions in memory
ADDRESS = "desk/index.html"  # relative links of the page start here


@dataclass(frozen=True)
class Session:
    """Who is signed in: the SHA-256 of the token, the number that forms carry, and until when."""

    token: str
    form: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    until: float = field(default_factory=lambda: time.monotonic() + 3600 * HOURS)


class Sessions:
    """The sessions of this process, by the SHA-256 of their cookie. Thread-safe."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Session] = OrderedDict()
        self._lock = Lock()

    def open(self, token: str) -> str:
        """The cookie of a new session for a token."""
        cookie = secrets.token_urlsafe(32)
        with self._lock:
            self._kept[tokens.digest(cookie)] = Session(tokens.digest(token))
            while len(self._kept) > MOST:
                self._kept.popitem(last=False)
        return cookie

    def find(self, cookie: str) -> Session | None:
        """The session of a cookie; None if there is none, or no more."""
        with self._lock:
            found = self._kept.get(tokens.digest(cookie))
        return found if found is not None and found.until > time.monotonic() else None

    def close(self, cookie: str) -> None:
        """End a session."""
        with self._lock:
            self._kept.pop(tokens.digest(cookie), None)


@router.get("/desk/")
@router.get("/desk/index.html")
async def desk(request: Request) -> Response:
    """What waits for a decision, or the form to sign in."""
    session, actor = await run_in_threadpool(_signed_in, request)
    return await _page(request, session, actor)


@router.post("/desk/sign-in")
async def sign_in(request: Request) -> Response:
    """Start a session with a token that may decide."""
    context: Context = request.app.state.context
    take(context, f"sign-in {request.client.host if request.client else 'local'}")
    form = await _form(request)
    try:
        await run_in_threadpool(_actor, context, tokens.digest(form.get("token", "").strip()))
    except Denied as error:
        return await _page(request, None, None, str(error), 403)
    answer = RedirectResponse("index.html", 303)
    cookie = _sessions(request).open(form["token"].strip())
    secure = request.headers.get("x-forwarded-proto", request.url.scheme) == "https"
    answer.set_cookie(COOKIE, cookie, 3600 * HOURS, httponly=True, samesite="strict", secure=secure)
    return answer


@router.post("/desk/sign-out")
async def sign_out(request: Request) -> Response:
    """End the session."""
    session, _ = await run_in_threadpool(_signed_in, request)
    await _form(request, session)
    _sessions(request).close(request.cookies.get(COOKIE, ""))
    answer = RedirectResponse("index.html", 303)
    answer.delete_cookie(COOKIE)
    return answer


@router.post("/desk/decide")
async def decide(request: Request) -> Response:
    """Decide on a submission, or score it again."""
    session, actor = await run_in_threadpool(_signed_in, request)
    if session is None or actor is None:
        raise Denied(401, "sign in first")
    form = await _form(request, session)
    try:
        await run_in_threadpool(_decide, request.app.state.context, actor, form)
    except ValidationError as error:
        return await _page(request, session, actor, f"reason: {error.errors()[0]['msg']}", 422)
    except (Undecidable, Denied) as error:
        return await _page(request, session, actor, str(error), 409)
    request.app.state.context.worker.wake()
    return RedirectResponse("index.html", 303)


def _decide(context: Context, actor: Actor, form: dict[str, str]) -> None:
    verdict = form.get("verdict", "")
    with context.store.database.write() as database:
        row = database.get(Submission, form.get("submission", ""), with_for_update=True)
        authorise(actor, "rescore" if verdict == "rescore" else "decide", thing_of(row))
        assert row is not None  # or it would have been denied
        if verdict == "rescore":
            decisions.rescore(database, row, actor=actor.name)
            return
        if row.account_id == actor.account:
            raise Denied(403, "reviewers do not decide on their own submissions")
        checked = Decision.model_validate({"verdict": verdict, "reason": form.get("reason", "")})
        decisions.decide(database, row, checked.verdict, checked.reason, actor=actor.name)


async def _form(request: Request, session: Session | None = None) -> dict[str, str]:
    """The fields of a form that this site sent. Denied (403) for one from elsewhere or another session."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise Denied(403, "this form was sent by another site")
    text = (await request.body()).decode("utf-8", "replace")
    fields = {name: values[-1] for name, values in parse_qs(text, keep_blank_values=True).items()}
    if session is not None and not hmac.compare_digest(
        fields.get("form", "").encode(), session.form.encode()
    ):
        raise Denied(403, "this form is of another session; load the page again")
    return fields


def _sessions(request: Request) -> Sessions:
    found: Sessions = request.app.state.sessions
    return found


def _signed_in(request: Request) -> tuple[Session | None, Actor | None]:
    """The session of the request's cookie and its account; None without one that may decide."""
    session = _sessions(request).find(request.cookies.get(COOKIE, ""))
    if session is None:
        return None, None
    try:
        return session, _actor(request.app.state.context, session.token)
    except Denied:
        return None, None


def _actor(context: Context, digest: str) -> Actor:
    """The account of a token with this SHA-256. Denied if it is none that may decide."""
    with context.store.database.read() as database:
        token = tokens.by_digest(database, digest, now())
        if token is None:
            raise Denied(401, "this token is mistyped, unknown, expired or revoked")
        unsuspended(token)
        actor = Actor(token.account_id, token.account.name, frozenset(token.scopes.split()))
    authorise(actor, "decide")
    return actor


async def _page(
    request: Request, session: Session | None, actor: Actor | None, message: str = "", status: int = 200
) -> Response:
    values: dict[str, Any] = {"session": session, "actor": actor, "message": message, "rows": ()}
    if actor is not None:
        values |= {
            "rows": await run_in_threadpool(_waiting, request.app.state.context),
            "verdicts": get_args(Verdict),
        }
    site = await run_in_threadpool(request.app.state.live.site)
    text = render.html(View("desk.html", values), ADDRESS, site.common)
    return HTMLResponse(text, status, {"cache-control": "no-store", "x-robots-tag": "noindex"})


def _waiting(context: Context) -> list[decisions.Waiting]:
    with context.store.database.read() as database:
        return decisions.waiting(database)
