"""Results kept in git: where a bundle belongs, and how a board opens with all of them.

`leaderboard/results/<suite>/<method>/<digits>/` is a bundle, unpacked; the digits are the first 12 of the
SHA-256 of its predictions. Next: `pull.py` checks a pull request that adds one.
"""

from pathlib import Path, PurePosixPath

from sqlalchemy import select

from leaderboard.bundle import reading
from leaderboard.bundle.names import Members, bundle_digest
from leaderboard.bundle.validate import validate
from leaderboard.store.models import Submission
from leaderboard.store.store import Store, track_of
from metanas.evaluation.result import SUBMISSION, parse

ROOT = PurePosixPath("leaderboard/results")  # in the repository
FOLDER = Path(__file__).parent / "results"
DIGITS = 12


def place(members: Members) -> PurePosixPath:
    """The folder of a valid bundle, from the repository's root."""
    document = parse(members[SUBMISSION])
    return ROOT / document.suite / document.method / document.predictions_sha256[:DIGITS]


def bundles(folder: Path = FOLDER) -> list[Path]:
    """The folders of all committed bundles, in the order in which their runs were made."""
    found = [path.parent for path in folder.rglob(SUBMISSION)]
    return sorted(found, key=lambda path: (parse((path / SUBMISSION).read_bytes()).created, path))


def stage(members: Members, repository: Path) -> Path:
    """Unpack a bundle to where a pull request adds it; returns its folder. BundleError if it is not valid."""
    validate(members)
    folder = repository / place(members)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in members.items():
        (folder / name).write_bytes(content)
    return folder


def open_with(store: Store, folder: Path = FOLDER) -> int:
    """Publish what is committed and not on the board yet; returns how many. ResultError for a broken one.

    A board's own results of a method and track are never replaced by committed ones.
    """
    found = [(path, reading.read(path)) for path in bundles(folder)]
    digests = [bundle_digest(members) for _, members in found]
    with store.database.read() as session:
        known = set(session.scalars(select(Submission.digest).where(Submission.digest.in_(digests))))
        others = ~Submission.digest.in_(digests) & (Submission.state == "published")
        own = {
            tuple(row) for row in session.execute(select(Submission.track, Submission.method).where(others))
        }
    new = 0
    for (path, members), digest in zip(found, digests, strict=True):
        document = parse(members[SUBMISSION])
        if digest not in known and (track_of(document), document.method) not in own:
            store.add(path)  # validated when it was merged, scored again here
            new += 1
    return new
