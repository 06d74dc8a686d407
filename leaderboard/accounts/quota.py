"""Quotas per account, such as 10 submissions a day. Failed attempts count.

A use is counted in the same transaction that it allows, with the account's row locked (on SQLite, writers
exclude each other anyway), so requests at the same time cannot exceed a quota together.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from leaderboard.store.models import Account, Attempt
from metanas.base.errors import InvalidValue

Limits = Mapping[str, tuple[tuple[int, timedelta], ...]]  # kind -> (most uses, within this time)
DAY = timedelta(days=1)
DEFAULT: Limits = {
    "submission": ((10, DAY), (60, 30 * DAY)),
    "challenge": ((3, 30 * DAY),),
    "dispute": ((5, DAY),),
    "answer": ((20, DAY),),  # to challenges; only invalid ones can be many
}


def parse(texts: Sequence[str]) -> Limits:
    """DEFAULT with some kinds replaced: submission=20/1 is at most 20 in a day; a kind may stand twice.

    InvalidValue says what is wrong.
    """
    found: dict[str, tuple[tuple[int, timedelta], ...]] = {}
    for text in texts:
        kind, _, limit = text.partition("=")
        most, _, days = limit.partition("/")
        if kind not in DEFAULT or not (most.isdecimal() and days.isdecimal() and 0 < int(days) <= 3650):
            kinds = ", ".join(DEFAULT)
            raise InvalidValue(
                f"--quota wants KIND=MOST/DAYS, like submission=20/1, with {kinds}, got {text!r:.80}"
            )
        found[kind] = (*found.get(kind, ()), (int(most), int(days) * DAY))
    return {**DEFAULT, **found}


class QuotaExceeded(Exception):
    """A quota is used up. retry_after: seconds until the next use is allowed."""

    def __init__(self, kind: str, most: int, window: timedelta, retry_after: int) -> None:
        days = window / DAY
        super().__init__(f"at most {most} {kind}s in {days:g} day{'s' * (days != 1)}; failed ones count")
        self.retry_after = retry_after


def lock(session: Session, account: int) -> None:
    """Lock the account until the end of the transaction: nothing else counts or submits for it."""
    session.scalar(select(Account.id).where(Account.id == account).with_for_update())


def use(session: Session, account: int, kind: str, limits: Limits, at: datetime) -> None:
    """Count one use of `kind` at time `at`. QuotaExceeded if none is left; then nothing is counted."""
    lock(session, account)
    check(session, account, kind, limits, at)
    session.add(Attempt(account_id=account, kind=kind, at=at))


def check(session: Session, account: int, kind: str, limits: Limits, at: datetime) -> None:
    """QuotaExceeded if no use of `kind` is left at time `at`; counts nothing."""
    for most, window in limits[kind]:
        recent = (Attempt.account_id == account) & (Attempt.kind == kind) & (Attempt.at > at - window)
        if (session.scalar(select(func.count()).where(recent)) or 0) >= most:
            nth = select(Attempt.at).where(recent).order_by(Attempt.at.desc()).offset(most - 1).limit(1)
            oldest = session.scalar(nth)
            wait = window if oldest is None else oldest + window - at
            raise QuotaExceeded(kind, most, window, max(1, math.ceil(wait.total_seconds())))


def left(session: Session, account: int, kind: str, limits: Limits, at: datetime) -> list[dict[str, float]]:
    """What remains of `kind`: per limit, its size, its window in seconds and the uses left."""
    remaining = []
    for most, window in limits[kind]:
        recent = (Attempt.account_id == account) & (Attempt.kind == kind) & (Attempt.at > at - window)
        used = session.scalar(select(func.count()).where(recent)) or 0
        remaining.append({"limit": most, "seconds": window.total_seconds(), "left": max(0, most - used)})
    return remaining
