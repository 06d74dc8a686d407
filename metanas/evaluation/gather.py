"""Run folders read together, for a comparison or a report. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from metanas.evaluation import result
from metanas.evaluation.result import ResultError, Submission
from metanas.evaluation.scores import Scores, score


@dataclass(frozen=True)
class Run:
    """A checked run folder with its recomputed scores."""

    name: str  # the method, or the folder where two runs have the same
    folder: Path
    submission: Submission
    scores: Scores


def gather(folders: Sequence[Path]) -> dict[str, Run]:
    """Runs by name. ResultError if one cannot be read or did not answer the same episodes as the first."""
    found = [(folder, result.read(folder)) for folder in dict.fromkeys(folders)]
    methods = [made.submission.method for _, made in found]
    runs: dict[str, Run] = {}
    for folder, made in found:
        method = made.submission.method
        name = method if methods.count(method) == 1 else str(folder)
        runs[name] = Run(name, folder, made.submission, score(made.answers))
    first, *others = runs.values()
    for other in others:
        _check(first, other)
    return runs


def _check(first: Run, other: Run) -> None:
    """ResultError, with the field, unless both answered the same pinned episodes of the same data."""
    tasks = {task.name: task for task in first.submission.tasks}
    theirs = {task.name: task for task in other.submission.tasks}
    if tasks.keys() != theirs.keys():
        odd = sorted(tasks.keys() ^ theirs.keys())[0]
        raise ResultError(
            f"{other.folder}: tasks: {odd} was answered by one of {first.name}, {other.name} only"
        )
    for name, task in tasks.items():
        for field in ("manifest", "fingerprint", "sample", "episodes", "queries"):
            mine, its = getattr(task, field), getattr(theirs[name], field)
            if mine != its:
                raise ResultError(f"{other.folder}: {name}: {field} is {its}, that of {first.name} is {mine}")
