"""Results that are committed to git: the folder of each bundle, and a board that is filled from all of them.

`leaderboard/results/<suite>/<method>/<digits>/` holds the files of a bundle; the digits are the first 12 of
the SHA-256 of its predictions, followed by the budget where another track's result has the same predictions
(methods that do not meta-train). Next: `admin/pull_request.py` checks a pull request that adds one.
"""

from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from sqlalchemy import select

from leaderboard.bundle import reading
from leaderboard.bundle.names import Members, bundle_digest
from leaderboard.scoring.transport import ScorerDied
from leaderboard.scoring.validate import validate
from leaderboard.store.models import Submission
from leaderboard.store.store import Scorer, Store, score_files, track_of
from metanas.base.atomic import write_atomically
from metanas.evaluation.result import SUBMISSION, ResultError, parse

ROOT = PurePosixPath("leaderboard/results")  # in the repository
FOLDER = Path(__file__).parents[1] / "results"
DIGITS = 12
BROKEN = (ResultError, ScorerDied, OSError, ValueError, KeyError, TypeError, RecursionError)  # of one result
SHOWN = 5  # broken ones that a message names


def places(members: Members) -> tuple[PurePosixPath, PurePosixPath]:
    """The folder that a valid bundle belongs in, relative to the repository's root, and the one if that is
    taken by another track's result."""
    document = parse(members[SUBMISSION])
    folder, digits = ROOT / document.suite / document.method, document.predictions_sha256[:DIGITS]
    return folder / digits, folder / f"{digits}-{document.budget['name']}"


def bundles(folder: Path = FOLDER) -> list[Path]:
    """The folders of all committed bundles, sorted by the time of their runs. ResultError: a broken one."""
    folders = [path.parent for path in folder.rglob(SUBMISSION)]
    return sorted(folders, key=lambda path: (parse((path / SUBMISSION).read_bytes()).created, path))


def stage(members: Members, repository: Path) -> Path:
    """Write a bundle to its folder below `repository`; returns the folder. BundleError if it is invalid."""
    validate(members)
    first, second = (repository / place for place in places(members))
    folder = second if _holds_another(first, members) else first
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in members.items():
        write_atomically(folder / name, content)
    return folder


def _holds_another(folder: Path, members: Members) -> bool:
    """Whether a folder holds a result of another budget."""
    held = folder / SUBMISSION
    return held.exists() and parse(held.read_bytes()).budget != parse(members[SUBMISSION]).budget


def open_with(store: Store, folder: Path = FOLDER, scorer: Scorer = score_files) -> int:
    """Publish the committed results that are not on the board yet; returns their number.

    Where the board has a result of its own for a method and track, committed ones are skipped. One that
    cannot be read or scored does not keep the others away: ResultError at the end names each, in one line.
    scorer: as of `Store.add`.
    """
    committed, broken = _read(folder)
    digests = [one.digest for one in committed]
    with store.database.read() as session:
        known = set(session.scalars(select(Submission.digest).where(Submission.digest.in_(digests))))
        others = ~Submission.digest.in_(digests) & (Submission.state == "published")
        own = {
            tuple(row) for row in session.execute(select(Submission.track, Submission.method).where(others))
        }
    published = 0
    for one in committed:  # validated when it was merged, scored again here
        if one.digest in known or (one.track, one.method) in own:
            continue
        try:
            store.add(one.folder, committed=True, scorer=scorer)
            published += 1
        except BROKEN as error:
            broken.append(_said(one.folder, error))
    if broken:
        shown = broken[:SHOWN] + ([f"and {len(broken) - SHOWN} more"] if len(broken) > SHOWN else [])
        raise ResultError(f"{len(broken)} committed results are not published: {'; '.join(shown)}")
    return published


def _read(folder: Path) -> tuple[list["_Committed"], list[str]]:
    """The committed results, sorted by the time of their runs, and what is wrong with those that are none."""
    found, broken = [], []
    for path in sorted({path.parent for path in folder.rglob(SUBMISSION)}):
        try:
            found.append(_Committed.of(path))
        except BROKEN as error:
            broken.append(_said(path, error))
    return sorted(found, key=lambda one: (one.created, one.folder)), broken


def _said(folder: Path, error: Exception) -> str:
    words = str(error) if isinstance(error, ResultError | ScorerDied | OSError) else repr(error)
    return f"{folder}: {' '.join(words.split()):.300}"


class _Committed(NamedTuple):
    """A committed bundle, without its content: of all together that is many megabytes."""

    folder: Path
    digest: str
    track: str
    method: str
    created: datetime

    @classmethod
    def of(cls, folder: Path) -> "_Committed":
        members = reading.read(folder)
        document = parse(members[SUBMISSION])
        return cls(folder, bundle_digest(members), track_of(document), document.method, document.created)
