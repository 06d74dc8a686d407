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
from leaderboard.store.store import Store
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
    """Publish what is committed and not on the board yet; returns how many. ResultError for a broken one."""
    new = 0
    for path in bundles(folder):
        members = reading.read(path)
        with store.database.read() as session:
            known = session.scalar(select(Submission.id).where(Submission.digest == bundle_digest(members)))
        if known is None:
            validate(members)
            store.add(path)
            new += 1
    return new
