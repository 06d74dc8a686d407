"""Who may do what: one table and one function, asked for every object that a request names.

What someone may not see does not exist for them (404), so that ids cannot be probed; what they may see but
not do is refused (403); what needs a token and has none is 401.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from leaderboard.store.models import Submission

Action = Literal["read", "list", "submit", "withdraw", "decide", "rescore", "challenge", "dispute"]
PUBLIC_STATES = ("published", "withdrawn")
NEEDS: dict[Action, tuple[str, ...]] = {  # any of these scopes
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
    """Who asks. account None: nobody in particular."""

    account: int | None = None
    name: str = "anonymous"
    scopes: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Thing:
    """What is asked for: whose it is, and whether everyone may see it. exists: if any."""

    owner: int | None
    public: bool
    exists: bool = True


MISSING = Thing(None, public=False, exists=False)


def thing_of(row: "Submission | None") -> Thing:
    """A submission as something that is asked for."""
    return MISSING if row is None else Thing(row.account_id, row.state in PUBLIC_STATES)


class Denied(Exception):
    """Not allowed: HTTP status and a sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def authorise(actor: Actor, action: Action, thing: Thing | None = None) -> None:
    """Returns if `actor` may do `action` (on `thing`); raises Denied otherwise."""
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
