"""Authorisation: a table of actions and scopes, and one function that every object in a request passes.

An object that the caller may not see is 404, as if it did not exist, so ids cannot be probed. An action that
the caller may not do on a visible object is 403, and one without a token is 401.
"""

from dataclasses import dataclass
from typing import Literal

from leaderboard.store.models import Submission
from leaderboard.store.visibility import is_public

Action = Literal["read", "list", "submit", "withdraw", "decide", "rescore", "challenge", "dispute"]
NEEDS: dict[Action, tuple[str, ...]] = {  # one of these scopes is required
    "read": ("read:own", "submit", "review", "admin"),
    "list": ("read:own", "submit", "review", "admin"),
    "submit": ("submit",),
    "challenge": ("submit",),
    "dispute": ("submit", "review", "admin"),
    "withdraw": ("submit", "admin"),
    "decide": ("review", "admin"),
    "rescore": ("admin",),
}
EVERYONES = ("review", "admin")  # these scopes reach what belongs to others


@dataclass(frozen=True)
class Actor:
    """Who sends a request. account: its id, None without a token."""

    account: int | None = None
    name: str = "anonymous"
    scopes: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Thing:
    """An object in a request. owner: its account, None for local runs; public: everyone may see it."""

    owner: int | None
    public: bool
    exists: bool = True


MISSING = Thing(None, public=False, exists=False)


def thing_of(row: Submission | None) -> Thing:
    """A submission as `authorise` sees it; MISSING if there is none."""
    return MISSING if row is None else Thing(row.account_id, is_public(row))


class Denied(Exception):
    """Not allowed. status: the HTTP status, 401, 403 or 404."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def authorise(actor: Actor, action: Action, thing: Thing | None = None) -> None:
    """Return if `actor` may do `action` (on `thing`); raise Denied otherwise."""
    if thing is not None:
        reaches = bool(actor.scopes.intersection(EVERYONES))
        owns = actor.account is not None and actor.account == thing.owner
        if not thing.exists or not (thing.public or owns or reaches):
            raise Denied(404, "there is nothing with this id that you may see")
        if action == "read" and thing.public:
            return
        if actor.account is not None and not (owns or reaches or action == "dispute"):
            raise Denied(403, f"this belongs to someone else; you may not {action} it")
    if actor.account is None:
        raise Denied(401, "send a token: Authorization: Bearer mnas_...")
    if not actor.scopes.intersection(NEEDS[action]):
        raise Denied(403, f"your token's scopes do not include {' or '.join(NEEDS[action])}")
