"""Blobs that no row refers to: what a kill, or a refusal between two checks, left behind.

A blob is written before the row that refers to it, so a young one may belong to a submission that is being
accepted right now; only older ones are removed.
"""

import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from leaderboard.store.database import alone
from leaderboard.store.models import Challenge, File
from leaderboard.store.store import Store

LEAST_AGE = 3600.0  # seconds


class Orphans(NamedTuple):
    """Blobs without a reference: their number and their bytes."""

    blobs: int
    size: int


def clean(store: Store, *, remove: bool, age: float = LEAST_AGE) -> Orphans:
    """Find the blobs without a reference that are older than `age` seconds, and remove them if told to."""
    before = time.time() - age
    old = [sha for sha in store.blobs if _older(store.blobs.path(sha), before)]
    with store.database.read() as session:  # read after the list was made: it knows all that is referred to
        used = set(session.scalars(select(File.sha256)))
        for column in (Challenge.episodes, Challenge.predictions):
            used |= {sha for sha in session.scalars(select(column)) if sha is not None}
    paths = [path for path in (store.blobs.path(sha) for sha in old if sha not in used) if path.exists()]
    size = sum(path.stat().st_size for path in paths)
    if remove:
        for path in paths:
            if _older(path, before):  # else it came again meanwhile
                path.unlink()
    return Orphans(len(paths), size)


def _older(path: Path, moment: float) -> bool:
    return path.exists() and path.stat().st_mtime < moment


def of_these_alone(
    session: Session,
    submissions: Collection[str],
    names: Collection[str] = (),
    challenges: Collection[str] = (),
) -> set[str]:
    """SHA-256 of what nothing else refers to: files of these submissions, episodes of these challenges.

    names: those files of the submissions; all by default.
    """
    own = File.submission_id.in_(submissions)
    wanted = own & File.name.in_(names) if names else own
    theirs = Challenge.id.in_(challenges)
    found = set(session.scalars(select(File.sha256).where(wanted)))
    found |= set(session.scalars(select(Challenge.episodes).where(theirs & Challenge.episodes.is_not(None))))
    for query in (
        select(File.sha256).where(~wanted),
        select(Challenge.episodes).where(~theirs),
        select(Challenge.predictions),
    ):
        found -= set(session.scalars(query))
    return found


def delete(store: Store, found: Collection[str], still: Callable[[Session], Collection[str]]) -> None:
    """Delete these blobs, but for those that something else refers to by now.

    still: `found` as it is now. Who adds a submission stores its blobs again within the transaction
    (`server/acceptance.py`), so one that comes at the same moment finds them or brings them.
    """
    with store.database.write() as session:
        alone(session)
        for sha in set(found).intersection(still(session)):
            store.blobs.path(sha).unlink(missing_ok=True)
