"""Is this pull request a result that may be merged? Data in, a report out; nothing of it is ever run.

A job checks out the base branch, whose code this is, and lays the pull request's files beside it. The same
validator and scorer as on the server say what is wrong, or what the scores are and where they would stand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from leaderboard import committed
from leaderboard.bundle import reading
from leaderboard.bundle.entry import parse as parse_entry
from leaderboard.bundle.names import ENTRY, FILES, Members
from leaderboard.bundle.problem import BundleError, Problem
from leaderboard.bundle.validate import validate
from leaderboard.pages import boards
from leaderboard.scoring.document import of_scored
from leaderboard.store.store import Store, track_of
from leaderboard.web.views import exports
from metanas.evaluation.result import SUBMISSION, parse

RESULT_PARTS = len(committed.ROOT.parts) + 4  # suite, method, digits, file


@dataclass(frozen=True)
class Change:
    """A line of `git diff --name-status`: A added, M modified, D deleted, ... and the path."""

    status: str
    path: str


@dataclass(frozen=True)
class Report:
    """What the check found. scores: the bytes that `metanas score` prints; None if it is not valid."""

    problems: tuple[Problem, ...]
    scores: bytes | None
    text: str  # Markdown, for a comment


def changes(text: str) -> list[Change]:
    """From `git diff --name-status --no-renames -z`. ValueError if it is something else."""
    *parts, end = text.split("\0")
    if end or len(parts) % 2 or any(len(status) != 1 for status in parts[::2]):
        raise ValueError("expected the output of: git diff --name-status --no-renames -z BASE...HEAD")
    return [Change(status, path) for status, path in zip(parts[::2], parts[1::2], strict=True)]


def check(repository: Path, changed: Sequence[Change], base: Path = committed.FOLDER) -> Report:
    """Check what a pull request changes. repository: its files; base: the results committed before."""
    problems = _only_one_new_folder(changed)
    if problems:
        return _refused(problems)
    folder = repository / PurePosixPath(changed[0].path).parent
    try:
        if any(part.is_symlink() for part in (folder, *folder.parents) if repository in part.parents):
            raise BundleError([Problem("", f"{folder.name}: a link, not a folder")])
        members = reading.read_folder(folder)
        scored = validate(members)
        problems = _place_and_owner(members, changed[0].path, base)
    except BundleError as error:
        return _refused(error.problems)
    if problems:
        return _refused(problems)
    return Report((), of_scored(scored), _accepted(folder, members, base))


def _only_one_new_folder(changed: Sequence[Change]) -> list[Problem]:
    problems = []
    for change in changed:
        path = PurePosixPath(change.path)
        if path.parts[:2] != committed.ROOT.parts:
            problems.append(Problem(change.path, "a result changes nothing outside leaderboard/results/"))
        elif change.status != "A":
            problems.append(Problem(change.path, "committed results are never changed or deleted"))
        elif len(path.parts) != RESULT_PARTS or path.name not in FILES:
            hint = f"<suite>/<method>/<digits>/ with {', '.join(FILES)}"
            problems.append(Problem(change.path, "does not belong there", hint=hint))
    folders = {str(PurePosixPath(change.path).parent) for change in changed}
    if not problems and len(folders) != 1:
        problems.append(Problem("", f"one new folder a pull request, got {len(folders)}"))
    return problems


def _place_and_owner(members: Members, path: str, base: Path) -> list[Problem]:
    """The folder's name belongs to the content, and a method to those who submitted it first."""
    right, found = committed.place(members), PurePosixPath(path).parent
    problems = []
    if right != found:
        problems.append(
            Problem("", f"lies in {found}", hint=f"belongs in {right}; use metanas leaderboard stage")
        )
    method, authors = parse(members[SUBMISSION]).method, _authors(members)
    for other in committed.bundles(base):
        earlier = reading.read_folder(other)
        if parse(earlier[SUBMISSION]).method == method and not authors & _authors(earlier):
            hint = "choose another name, or have one of its authors submit"
            problems.append(
                Problem(SUBMISSION, f"{method!r} was submitted by others", field="method", hint=hint)
            )
            break
    return problems


def _authors(members: Members) -> set[str]:
    return {author.name for author in parse_entry(members[ENTRY]).authors}


def _refused(problems: Sequence[Problem]) -> Report:
    lines = "".join(f"- `{str(problem).replace('`', '')}`\n" for problem in problems)
    return Report(tuple(problems), None, f"## Not valid\n\n{lines}")


def _accepted(folder: Path, members: Members, base: Path) -> str:
    """The table as it would be after the merge."""
    with TemporaryDirectory() as scratch:
        store = Store(Path(scratch) / "board.db")
        committed.open_with(store, base)
        store.add(folder)
        track = track_of(parse(members[SUBMISSION]))
        (board,) = (b for b in boards(store) if b.track == track)
        store.close()
    return f"## Valid\n\n{board.track}\n\n{exports.markdown(board, board.lines)}"
