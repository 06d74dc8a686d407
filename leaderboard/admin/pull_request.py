"""The check of a pull request that adds a result or a transfer study: its changed files in, a report out.

The CI job runs the base branch's code on the pull request's files, which are read as data and never executed.
Validator and scorer are the server's; the report lists the problems, or the scores and the resulting ranking.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import NamedTuple

from leaderboard.bundle import reading
from leaderboard.bundle.entry import parse as parse_entry
from leaderboard.bundle.names import ENTRY, FILES, Members
from leaderboard.bundle.problem import BundleError, Problem
from leaderboard.repository import results, studies
from leaderboard.scoring.document import of_scored
from leaderboard.scoring.validate import validate
from leaderboard.store.store import Store, track_of
from leaderboard.web.static_site import boards
from leaderboard.web.views import exports
from metanas.base.errors import InvalidValue
from metanas.evaluation import tables
from metanas.evaluation.result import SUBMISSION, parse


class Kind(NamedTuple):
    """What a pull request may add: one folder root/parts[0]/parts[1]/... that holds only these files.

    parts: as shown in messages; only their number is checked.
    """

    name: str
    root: PurePosixPath
    parts: tuple[str, ...]
    files: tuple[str, ...]


RESULT = Kind("result", results.ROOT, ("<suite>", "<method>", "<digits>"), tuple(FILES))
STUDY = Kind("study", studies.ROOT, ("<suite>", "<method>"), tuple(studies.MOST))


@dataclass(frozen=True)
class Change:
    """A line of `git diff --name-status`: a status (A added, M modified, D deleted, ...) and a path."""

    status: str
    path: str


@dataclass(frozen=True)
class Report:
    """The outcome of the check.

    scores: JSON, what `metanas score` prints or what a study's page links to; None if there are problems.
    """

    problems: tuple[Problem, ...]
    scores: bytes | None
    text: str  # Markdown, for a comment


def changes(text: str) -> list[Change]:
    """Parse the output of `git diff --name-status --no-renames -z`. InvalidValue if it is something else."""
    *parts, end = text.split("\0")
    if end or len(parts) % 2 or any(len(status) != 1 for status in parts[::2]):
        raise InvalidValue("expected the output of: git diff --name-status --no-renames -z BASE...HEAD")
    return [Change(status, path) for status, path in zip(parts[::2], parts[1::2], strict=True)]


def check(repository: Path, changed: Sequence[Change], base: Path = results.FOLDER) -> Report:
    """Check the changes of a pull request.

    repository: the folder with its files; base: the folder of results on the base branch.
    """
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
    shown = studies.check(folder, place)
    text = "\n\n".join(tables.markdown(table) for table in tables.transfer(shown.matrix))
    return Report((), studies.document(shown), f"## Valid\n\n{text}\n")


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
    """The folder must be named after its content, and a known method needs one of its first authors."""
    expected, actual = results.places(members), PurePosixPath(path).parent
    problems = []
    if actual not in expected:
        problems.append(
            Problem("", f"lies in {actual}", hint=f"belongs in {expected[0]}; use metanas leaderboard stage")
        )
    method, authors = parse(members[SUBMISSION]).method, _authors(members)
    for other in results.bundles(base):
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
    """The report of a valid result: the ranking of its track after the merge, as Markdown."""
    with TemporaryDirectory() as scratch:
        store = Store(Path(scratch) / "board.db")
        results.open_with(store, base)
        store.add(folder)
        track = track_of(parse(members[SUBMISSION]))
        (board,) = (b for b in boards(store) if b.track == track)
        store.close()
    return f"## Valid\n\n{board.track}\n\n{exports.markdown(board, board.lines)}"
