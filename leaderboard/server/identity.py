"""Who sends this request: its bearer token, looked up once, and a limit on how fast it may write."""

import math
from datetime import timedelta
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException

from leaderboard.accounts import tokens
from leaderboard.accounts.authorise import Actor, Denied
from leaderboard.server.context import Context
from leaderboard.store.models import Token, now

BEARER = HTTPBearer(auto_error=False, description="A token: mnas_...")
PUBLIC: dict[str, Any] = {"security": [{}]}  # added to a route's description: who has no token may ask, too
NOTE_USE_EVERY = timedelta(minutes=10)  # `used` is for people; it need not cost a write a request


def context_of(request: Request) -> Context:
    found: Context = request.app.state.context
    return found


Here = Annotated[Context, Depends(context_of)]


def actor(
    request: Request,
    here: Here,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)] = None,
) -> Actor:
    """Anonymous without a token; a wrong one is an error, never anonymous."""
    if request.headers.get("authorization") is not None and bearer is None:
        raise Denied(401, "the Authorization header wants: Bearer mnas_...")
    if bearer is None:
        return Actor()
    with here.store.database.read() as session:
        token = tokens.find(session, bearer.credentials, now())
        if token is None:
            raise Denied(401, "this token is mistyped, unknown, expired or revoked")
        found = Actor(token.account_id, token.account.name, frozenset(token.scopes.split()))
        stale = token.used is None or token.used < now() - NOTE_USE_EVERY
    if stale:
        with here.store.database.write() as session:
            session.get_one(Token, token.id).used = now()
    return found


Who = Annotated[Actor, Depends(actor)]


def writer(request: Request, here: Here, who: Who) -> Actor:
    """The same for requests that change something, at a bounded rate."""
    client = request.client.host if request.client else "local"
    wait = here.rate.take(f"account {who.account}" if who.account else f"address {client}")
    if wait:
        raise HTTPException(429, "too many requests a minute", headers={"Retry-After": str(math.ceil(wait))})
    return who


Writer = Annotated[Actor, Depends(writer)]
