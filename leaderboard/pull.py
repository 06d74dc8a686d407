"""May this pull request, a result or a transfer study, be merged? Data in, a report out; it is never run.

A job checks out the base branch, whose code this is, and lays the pull request's files beside it. The same
validator and scorer as on the server say what is wrong, or what the scores are and where they would stand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import NamedTuple

from leaderboard import committed, transfers
from leaderboard.bundle import reading
from leaderboard.bundle.entry import parse as parse_entry
from leaderboard.bundle.names import ENTRY, FILES, Members
from leaderboard.bundle.problem import BundleError, Problem
from leaderboard.bundle.validate import validate
from leaderboard.pages import boards
from leaderboard.scoring.document import of_scored
from leaderboard.store.store import Store, track_of
from leaderboard.web.views import exports
from metanas.evaluation import tables
from metanas.evaluation.result import SUBMISSION, parse


class Kind(NamedTuple):
    """What a pull request may add: below `root` one folder of these parts, with some of these files."""

    name: str
    root: PurePosixPath
    parts: tuple[str, ...]
    files: tuple[str, ...]


RESULT = Kind("result", committed.ROOT, ("<suite>", "<method>", "<digits>"), tuple(FILES))
STUDY = Kind("study", transfers.ROOT, ("<suite>", "<method>"), tuple(transfers.MOST))


@dataclass(frozen=True)
class Change:
    """A line of `git diff --name-status`: A added, M modified, D deleted, ... and the path."""

    status: str
    path: str


@dataclass(frozen=True)
class Report:
    """What the check found. scores: the bytes that `metanas score` prints, of a study those that its page
    links to; None if it is not valid."""

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
    kind = STUDY if changed and _below(changed[0], STUDY) else RESULT
    try:
        if problems := _only_one_new_folder(changed, kind):
            raise BundleError(problems)
        place = PurePosixPath(changed[0].path).parent
        folder = repository / place
        if any(part.is_symlink() for part in (folder, *folder.parents) if repository in part.parents):
            raise BundleError([Problem("", f"{folder.name}: a link, not a folder")])
        return _study(folder, place) if kind is STUDY else _result(folder, changed[0].path, base)
    except BundleError as error:
        return _refused(error.problems)


def _result(folder: Path, path: str, base: Path) -> Report:
    members = reading.read_folder(folder)
    scored = validate(members)
    if problems := _place_and_owner(members, path, base):
        raise BundleError(problems)
    return Report((), of_scored(scored), _accepted(folder, members, base))


def _study(folder: Path, place: PurePosixPath) -> Report:
    shown = transfers.check(folder, place)
    text = "\n\n".join(tables.markdown(table) for table in tables.transfer(shown.matrix))
    return Report((), transfers.document(shown), f"## Valid\n\n{text}\n")


def _below(change: Change, kind: Kind) -> bool:
    return PurePosixPath(change.path).parts[: len(kind.root.parts)] == kind.root.parts


def _only_one_new_folder(changed: Sequence[Change], kind: Kind) -> list[Problem]:
    problems = []
    for change in changed:
        path = PurePosixPath(change.path)
        if not _below(change, kind):
            message = f"a {kind.name} changes nothing outside {kind.root}/"
            problems.append(Problem(change.path, message))
        elif change.status != "A":
            problems.append(Problem(change.path, "what is committed is never changed or deleted"))
        elif len(path.parts) != len(kind.root.parts) + len(kind.parts) + 1 or path.name not in kind.files:
            hint = f"{'/'.join(kind.parts)}/ with {', '.join(kind.files)}"
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
