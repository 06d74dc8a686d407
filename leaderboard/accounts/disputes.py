"""Disputes of published results: how many one account may have open, and when a result is marked.

Every dispute reaches the reviewers and stands in the submission's history. The mark on the board needs
weight, so that one token cannot mark the whole board: a reviewer's dispute has it, or those of ENOUGH
accounts that have a published result of their own.
"""

from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException

from leaderboard.accounts.authorise import EVERYONES, Actor
from leaderboard.store.models import Flag, Submission
from leaderboard.store.visibility import PUBLISHED

RAISED, MARKED = "dispute", "disputed"  # kinds of flags: without and with the mark
ENOUGH = 2  # accounts with a published result
MOST_OPEN = 2  # undecided disputes of one account


def check(session: Session, actor: Actor, submission: str) -> None:
    """HTTPException 409 for a second dispute of the same submission, or with MOST_OPEN undecided ones.

    Reviewers and administrators may have any number.
    """
    mine_open = Flag.kind.in_((RAISED, MARKED)) & (Flag.account_id == actor.account) & Flag.cleared.is_(None)
    query = select(Flag.submission_id).join(Submission).where(mine_open & PUBLISHED)
    mine = session.scalars(query).all()
    if submission in mine:
        raise HTTPException(409, "you disputed it already; a reviewer will decide")
    if len(mine) >= MOST_OPEN and not actor.scopes.intersection(EVERYONES):
        raise HTTPException(
            409, f"you have {len(mine)} disputes that no reviewer has decided on; wait for one"
        )


def add(session: Session, actor: Actor, submission: str, reason: str) -> bool:
    """Store a dispute; whether the submission is now marked as disputed."""
    session.add(
        Flag(
            submission_id=submission,
            account_id=actor.account,
            kind=MARKED if actor.scopes.intersection(EVERYONES) else RAISED,
            detail=f"{actor.name}: {reason}",
        )
    )
    session.flush()
    unsettled = (Flag.submission_id == submission) & Flag.cleared.is_(None) & Flag.kind.in_((RAISED, MARKED))
    flags = session.scalars(select(Flag).where(unsettled)).all()
    accounts = {flag.account_id for flag in flags if flag.account_id is not None}
    with_results = select(func.count(Submission.account_id.distinct())).where(
        PUBLISHED & Submission.account_id.in_(accounts)
    )
    marked = any(flag.kind == MARKED for flag in flags) or (session.scalar(with_results) or 0) >= ENOUGH
    for flag in flags if marked else ():
        flag.kind = MARKED
    return marked
