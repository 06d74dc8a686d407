"""Blobs that no row refers to: what a kill, or a refusal between two checks, left behind.

A blob is written before the row that refers to it, so a young one may belong to a submission that is being
accepted right now; only older ones are removed.
"""

import time
from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

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
    old = [sha for sha in store.blobs if store.blobs.path(sha).stat().st_mtime < before]
    with store.database.read() as session:  # read after the list was made: it knows all that is referred to
        used = set(session.scalars(select(File.sha256)))
        for column in (Challenge.episodes, Challenge.predictions):
            used |= {sha for sha in session.scalars(select(column)) if sha is not None}
    paths = [store.blobs.path(sha) for sha in old if sha not in used]
    size = sum(path.stat().st_size for path in paths)
    if remove:
        for path in paths:
            path.unlink()
    return Orphans(len(paths), size)


def of_these_alone(session: Session, submissions: Collection[str], names: Collection[str] = ()) -> set[str]:
    """SHA-256 of the files of these submissions, or those of some names, that no other submission has."""
    own = File.submission_id.in_(submissions)
    elsewhere = select(File.sha256).where(~own)
    wanted = own & File.name.in_(names) if names else own
    return set(session.scalars(select(File.sha256).where(wanted & File.sha256.not_in(elsewhere))))
