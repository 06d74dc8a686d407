"""Results that are committed to git: the folder of each bundle, and a board that is filled from all of them.

`leaderboard/results/<suite>/<method>/<digits>/` holds the files of a bundle; the digits are the first 12 of
the SHA-256 of its predictions. Next: `admin/pull_request.py` checks a pull request that adds one.
"""

from pathlib import Path, PurePosixPath
from typing import NamedTuple

from sqlalchemy import select

from leaderboard.bundle import reading
from leaderboard.bundle.names import Members, bundle_digest
from leaderboard.scoring.validate import validate
from leaderboard.store.models import Submission
from leaderboard.store.store import Scorer, Store, score_files, track_of
from metanas.base.atomic import write_atomically
from metanas.evaluation.result import SUBMISSION, parse

ROOT = PurePosixPath("leaderboard/results")  # in the repository
FOLDER = Path(__file__).parents[1] / "results"
DIGITS = 12


def place(members: Members) -> PurePosixPath:
    """The folder that a valid bundle belongs in, relative to the repository's root."""
    document = parse(members[SUBMISSION])
    return ROOT / document.suite / document.method / document.predictions_sha256[:DIGITS]


def bundles(folder: Path = FOLDER) -> list[Path]:
    """The folders of all committed bundles, sorted by the time of their runs."""
    folders = [path.parent for path in folder.rglob(SUBMISSION)]
    return sorted(folders, key=lambda path: (parse((path / SUBMISSION).read_bytes()).created, path))


def stage(members: Members, repository: Path) -> Path:
    """Write a bundle to its folder below `repository`; returns the folder. BundleError if it is invalid."""
    validate(members)
    folder = repository / place(members)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in members.items():
        write_atomically(folder / name, content)
    return folder


def open_with(store: Store, folder: Path = FOLDER, scorer: Scorer = score_files) -> int:
    """Publish the committed results that are not on the board yet; returns their number.

    Where the board has a result of its own for a method and track, committed ones are skipped. ResultError
    if a committed result cannot be scored. scorer: as of `Store.add`.
    """
    committed = [_Committed.of(path) for path in bundles(folder)]
    digests = [one.digest for one in committed]
    with store.database.read() as session:
        known = set(session.scalars(select(Submission.digest).where(Submission.digest.in_(digests))))
        others = ~Submission.digest.in_(digests) & (Submission.state == "published")
        own = {
            tuple(row) for row in session.execute(select(Submission.track, Submission.method).where(others))
        }
    new = [one for one in committed if one.digest not in known and (one.track, one.method) not in own]
    for one in new:  # validated when it was merged, scored again here
        store.add(one.folder, committed=True, scorer=scorer)
    return len(new)


class _Committed(NamedTuple):
    """A committed bundle, without its content: of all together that is many megabytes."""

    folder: Path
    digest: str
    track: str
    method: str

    @classmethod
    def of(cls, folder: Path) -> "_Committed":
        members = reading.read(folder)
        document = parse(members[SUBMISSION])
        return cls(folder, bundle_digest(members), track_of(document), document.method)
