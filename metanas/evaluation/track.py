"""The track of a run, which compared runs share: suite, budget, division, number of seeds. No torch."""

from collections.abc import Mapping, Sequence

from metanas.base.errors import MetanasError
from metanas.evaluation.pretraining import BADGE, external_weights
from metanas.evaluation.result import Submission, Task

# of a task, with what it means that two runs differ in it; the plainest reason first
EPISODES: Mapping[str, str] = {
    "episodes": "so many test episodes",
    "queries": "queries a class in an episode",
    "sample": "a sample of the data instead of all of it",
    "fingerprint": "the SHA-256 of the data, which are not the same",
    "manifest": "the SHA-256 of the test episodes, which are not the same",
}

_LISTED = 3  # names of runs that a message lists


class TracksDiffer(MetanasError, ValueError):
    """Runs of several tracks were to be ranked together."""

    exit_code = 2


def differences(runs: Mapping[str, Submission]) -> list[str]:
    """Where the tracks of named runs differ: "budget.iterations: 60 (maml), 12 (protonet)"; empty if nowhere.

    Of budgets with different names only these are said. Devices, costs and a method's own settings do not
    belong to a track.
    """
    tracks = {name: _track(submission) for name, submission in runs.items()}
    several, found = len(_budgets(runs)) > 1, []
    for field in dict.fromkeys(field for track in tracks.values() for field in track):
        if several and field.startswith("budget."):
            continue
        holders: dict[str, list[str]] = {}
        absent = "as in the suite" if field.startswith("changed ") else "not set"
        for name, track in tracks.items():
            holders.setdefault(track.get(field, absent), []).append(name)
        if len(holders) > 1:
            found.append(f"{field}: " + ", ".join(f"{v} ({_listed(names)})" for v, names in holders.items()))
    return found


def require_one(runs: Mapping[str, Submission]) -> None:
    """TracksDiffer, with all that differs, unless all runs belong to one track."""
    if found := differences(runs):
        budgets = _budgets(runs)
        one = f" (--budget {' or '.join(budgets)})" if len(budgets) > 1 else ""
        raise TracksDiffer(
            "these runs belong to several tracks, so their scores do not say which method is better. They "
            f"differ in {'; '.join(found)}. Compare runs of one budget{one} and as many seeds, or give "
            "--across-tracks (across_tracks=True), which marks every table"
        )


def named(submission: Submission) -> str:
    """Suite, its version and the budget's name: mini-v1 1.1, small."""
    return f"{submission.suite} {submission.suite_version}, {submission.budget['name']}"


def other_episodes(expected: Task, actual: Task) -> str | None:
    """Why two tasks of the same name have other test episodes, in words; None if they have the same ones."""
    for field, meaning in EPISODES.items():
        wanted, got = (str(getattr(task, field)) for task in (expected, actual))
        if wanted != got:
            return f"{field} is {got[:12]}, expected {wanted[:12]} ({meaning})"
    return None


def _budgets(runs: Mapping[str, Submission]) -> list[str]:
    return list(dict.fromkeys(str(submission.budget.get("name", "")) for submission in runs.values()))


def _listed(names: Sequence[str]) -> str:
    """The first names, and how many follow."""
    rest = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {rest} more" if rest > 0 else "")


def trained_otherwise(submission: Submission) -> dict[str, str]:
    """Where a run was not meta-trained as its suite says, by what differs; empty for results of before."""
    if (trained := submission.meta_training) is None:
        return {}
    suite, own = f"{trained.suite} {trained.suite_version}", f"{submission.suite} {submission.suite_version}"
    found = {"meta-training on": suite} if suite != own else {}
    found |= {f"changed {field}": value for field, value in trained.changes.items()}
    others = set(trained.domains) - {task.domain for task in submission.tasks}
    if others or trained.left_out:
        found["meta-training domains"] = ", ".join(trained.domains)
    if trained.domains and set(trained.shots) != {task.shots for task in submission.tasks}:
        found["meta-training shots"] = ", ".join(map(str, trained.shots))
    return found


def _track(submission: Submission) -> dict[str, str]:
    budget = {("budget" if k == "name" else f"budget.{k}"): str(v) for k, v in submission.budget.items()}
    suite = {"suite": submission.suite, "suite version": submission.suite_version}
    division = {BADGE: "yes" if external_weights(submission) else "no"}
    trained = {"meta-training on": "its suite", "meta-training domains": "all of it"}
    trained["meta-training shots"] = "as in its tests"
    trained |= trained_otherwise(submission)
    return {**suite, **budget, **division, **trained, "number of seeds": str(len(submission.seeds))}
