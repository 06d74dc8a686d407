"""Dependencies of the routes: the context, the account of the bearer token, and a rate limit on writes.

Use as annotations of a route's parameters: `CurrentContext`, `CurrentActor`, and `Writer` for requests that
change something.
"""

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
PUBLIC: dict[str, Any] = {"security": [{}]}  # for the API's description: the route also works without a token
NOTE_USE_EVERY = timedelta(minutes=10)  # `used` is only informative: not worth a write per request


async def current_context(request: Request) -> Context:
    """The application's context; needs no thread."""
    context: Context = request.app.state.context
    return context


CurrentContext = Annotated[Context, Depends(current_context)]


def current_actor(
    request: Request,
    context: CurrentContext,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)] = None,
) -> Actor:
    """The account of the request's token, anonymous without one. Denied (401) for an invalid token."""
    if request.headers.get("authorization") is not None and bearer is None:
        raise Denied(401, "the Authorization header wants: Bearer mnas_...")
    if bearer is None:
        return Actor()
    with context.store.database.read() as session:
        token = tokens.find(session, bearer.credentials, now())
        if token is None:
            raise Denied(401, "this token is mistyped, unknown, expired or revoked")
        unsuspended(token)
        actor = Actor(token.account_id, token.account.name, frozenset(token.scopes.split()))
        stale = token.used is None or token.used < now() - NOTE_USE_EVERY
    if stale:
        with context.store.database.write() as session:
            session.get_one(Token, token.id).used = now()
    return actor


def unsuspended(token: Token) -> None:
    """Denied (403) if the token's account is suspended."""
    if token.account.suspended is not None:
        raise Denied(403, "this account is suspended; ask the administrator of the board")


CurrentActor = Annotated[Actor, Depends(current_actor)]


def writer(context: CurrentContext, actor: CurrentActor) -> Actor:
    """The account of a request that changes something. HTTPException 429 above its rate limit.

    Each of its tokens, and an address without one, has the same limit before (`quick.py`).
    """
    if actor.account is not None:
        take(context, f"account {actor.account}")
    return actor


def take(context: Context, key: str) -> None:
    """Count a write of `key`. HTTPException 429 above the rate limit."""
    if wait := context.rate.take(key):
        raise HTTPException(429, "too many requests a minute", headers={"Retry-After": str(math.ceil(wait))})


Writer = Annotated[Actor, Depends(writer)]
