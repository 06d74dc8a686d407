"""Several run folders loaded together, for a comparison or a report. No torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from metanas.base import json_text
from metanas.base.errors import InvalidValue
from metanas.evaluation import controls, regret, result, track
from metanas.evaluation.gains import Answers
from metanas.evaluation.result import Result, ResultError, Submission
from metanas.evaluation.scores import Scores, score
from metanas.evaluation.statistics import Floats, View


@dataclass(frozen=True)
class Run:
    """A checked run folder with its recomputed scores.

    controls, candidates: see `controls.read` and `regret.read`.
    """

    name: str  # the method; the folder where two runs have the same method
    folder: Path
    submission: Submission
    scores: Scores
    controls: Mapping[str, View]
    candidates: Mapping[str, Floats]

    @property
    def asked(self) -> Answers:
        """Its accuracies, and those of its weights under other architectures."""
        return Answers(self.scores.view(), self.controls, self.candidates)

    @property
    def trials(self) -> int | None:
        """Settings tried before these, as a bundle's entry.json declares or else the run; None if neither."""
        entry = self.folder / "entry.json"
        declared = (
            json_text.read(entry, "pack the run again").get("hparam_trials") if entry.is_file() else None
        )
        return declared if type(declared) is int else self.submission.costs.trials


def load_runs(
    folders: Sequence[Path], *, across_tracks: bool = False, budget: str | None = None
) -> dict[str, Run]:
    """Runs by name. ResultError if one cannot be read or was not tested on the same episodes as the first.

    budget: only runs of the budget of this name; InvalidValue if none is. TracksDiffer if they are of several
    tracks, unless `across_tracks`.
    """
    results = _of_budget([(folder, result.read(folder)) for folder in dict.fromkeys(folders)], budget)
    methods = [checked.submission.method for _, checked in results]
    runs: dict[str, Run] = {}
    for folder, checked in results:
        method = checked.submission.method
        name = method if methods.count(method) == 1 else str(folder)
        asked = (
            kept.read(folder, checked.submission.tasks, checked.submission.seeds)
            for kept in (controls, regret)
        )
        runs[name] = Run(name, folder, checked.submission, score(checked.answers), *asked)
    first, *others = runs.values()
    for other in others:
        _check(first, other)
    if not across_tracks:
        track.require_one(submissions(runs))
    return runs


def _of_budget(results: list[tuple[Path, Result]], budget: str | None) -> list[tuple[Path, Result]]:
    names = [str(checked.submission.budget.get("name", "")) for _, checked in results]
    if budget is not None and budget not in names:
        raise InvalidValue(f"no run has the budget {budget!r}; there are: {', '.join(sorted(set(names)))}")
    return [pair for pair, name in zip(results, names, strict=True) if budget in (None, name)]


def submissions(runs: Mapping[str, Run]) -> dict[str, Submission]:
    """What was done, by the runs' names."""
    return {name: run.submission for name, run in runs.items()}


def _check(first: Run, other: Run) -> None:
    """ResultError, in words, unless both were tested on the same pinned episodes of the same data."""
    tasks = {task.name: task for task in first.submission.tasks}
    theirs = {task.name: task for task in other.submission.tasks}
    if tasks.keys() != theirs.keys():
        odd = sorted(tasks.keys() ^ theirs.keys())[0]
        raise ResultError(f"{other.folder}: tasks: {odd} was answered by one of {_both(first, other)} only")
    for name, task in tasks.items():
        if reason := track.other_episodes(task, theirs[name]):
            raise ResultError(
                f"{other.folder}: {name}: not the test episodes of {first.name}: {reason}. Differences are "
                f"paired by episode, so all runs need the same; these are {_both(first, other)}"
            )


def _both(first: Run, other: Run) -> str:
    """Names and tracks of two runs."""
    return " and ".join(f"{run.name} ({track.named(run.submission)})" for run in (first, other))
