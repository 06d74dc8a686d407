"""Rules for submissions to a shared board: a known suite and budget, its pinned data and episodes.

A board knows the built-in and installed suites and those that its administrator added (`store/suites.py`);
whoever asks for a check says how a suite is found (`FindSuite`). Each check yields problems (`problem.py`)
with a field of submission.json. A board on one's own machine takes any run; a shared one ranks only answers
to the pinned episodes. Called by `scoring/validate.py`.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from leaderboard.bundle.problem import Problem
from metanas.data import manifest
from metanas.data.suite import Suite, load_suite, names
from metanas.evaluation.result import SUBMISSION, Submission, Task

DOMAINS_MOST, SEEDS_MOST, ANSWERS_MOST = 64, 20, 20_000_000
FindSuite = Callable[[str], Suite | None]
ROUNDING = 1.01  # of training operations: the ends of a method's phases fall between iterations


def installed(name: str) -> Suite | None:
    """The built-in or installed suite of that name, None if there is none."""
    return load_suite(name) if name in names() else None


def given(suite: Suite) -> FindSuite:
    """A finder of one suite, beside the built-in and installed ones."""
    return lambda name: suite if name == suite.name else installed(name)


def problems(
    submission: Submission, find: FindSuite = installed, *, elsewhere: bool = False
) -> Iterator[Problem]:
    """Every rule that a submission breaks.

    elsewhere: a suite that is not found here is left to the board that it is sent to.
    """
    yield from sizes(submission.tasks, submission.seeds)
    suite = find(submission.suite)
    if suite is None:
        if not elsewhere:
            yield unknown(submission.suite)
        return
    if submission.suite_version != suite.version:
        yield _problem(
            "suite_version",
            f"{submission.suite_version!r:.80}, this board has {suite.version!r}",
            "run it again with this version",
        )
    yield from _budget(submission, suite)
    if len(set(submission.seeds)) != len(submission.seeds) or len(submission.seeds) < len(suite.seeds):
        wanted = f"at least {len(suite.seeds)} different ones, e.g. --seeds {','.join(map(str, suite.seeds))}"
        yield _problem("seeds", f"got {list(submission.seeds)[:20]}", wanted)
    yield from pinned(submission.tasks, suite)


def unknown(suite: str, file: str = SUBMISSION) -> Problem:
    """The problem of a suite that a board does not have, with what its administrator can do."""
    if suite.endswith(" (changed)"):
        hint = "a suite with other settings is not ranked; run the suite itself, or make one of your own"
    else:
        hint = (
            f"there are: {', '.join(names())}; the administrator of the board can add it: "
            "metanas leaderboard suite add FILE.yaml"
        )
    return _problem("suite", f"no suite named {suite!r:.80}", hint, file)


def sizes(tasks: Sequence[Task], seeds: Sequence[int], file: str = SUBMISSION) -> Iterator[Problem]:
    """Limits on the number of tasks, seeds and answers, and tasks that are listed twice.

    file: where the problems are reported.
    """
    listed = [task.name for task in tasks]
    if len(listed) > DOMAINS_MOST or len(seeds) > SEEDS_MOST:
        yield _problem("tasks", f"{len(listed)} tasks and {len(seeds)} seeds are too many", file=file)
    if len(set(listed)) != len(listed):
        twice = next(name for name in listed if listed.count(name) > 1)
        yield _problem("tasks", f"{twice!r:.80} stands there twice", file=file)
    answers = len(seeds) * sum(t.episodes * t.ways * t.queries for t in tasks)
    if answers > ANSWERS_MOST:
        yield _problem("tasks", f"{answers} answers, at most {ANSWERS_MOST} are accepted", file=file)


def _budget(submission: Submission, suite: Suite) -> Iterator[Problem]:
    name = submission.budget.get("name")
    if not isinstance(name, str) or name not in suite.budgets:
        yield _problem("budget.name", f"got {name!r:.80}", f"there are: {', '.join(suite.budgets)}")
        return
    wanted = suite.budgets[name].named(name)
    if dict(submission.budget) != wanted:
        yield _problem(
            "budget", f"{dict(submission.budget)!r:.200} is not the budget {name!r}", f"it is {wanted}"
        )
    spent, allowed = submission.costs.train_flops, suite.budgets[name].flops
    if spent is not None and allowed is not None and spent > allowed * ROUNDING:
        yield _problem("costs.train_flops", f"{spent:g}, the budget {name!r} allows {allowed:g}")
    for i, task in enumerate(submission.tasks):
        if task.episodes != wanted["eval_episodes"]:
            yield _problem(
                f"tasks.{i}.episodes", f"{task.episodes}, the budget has {wanted['eval_episodes']} episodes"
            )


def pinned(tasks: Sequence[Task], suite: Suite, file: str = SUBMISSION) -> Iterator[Problem]:
    """Tasks that the suite does not have, or whose data or episodes are not the pinned ones."""
    pins = manifest.of(suite)
    for i, task in enumerate(tasks):
        if task.domain not in suite.domains:
            hint = f"it has {', '.join(suite.domains)}"
            yield _problem(f"tasks.{i}.domain", f"{task.domain!r:.80} is not in {suite.name}", hint, file)
        elif task.shape not in suite.shapes(task.domain):
            hint = f"there are {', '.join(map(str, suite.shapes(task.domain)))}"
            yield _problem(
                f"tasks.{i}", f"{suite.name} has no episodes {task.shape} of {task.domain}", hint, file
            )
        else:
            yield from _matches(i, task, pins.get(task.domain, {}), file)


def _matches(i: int, task: Task, pinned: dict[str, Any], file: str) -> Iterator[Problem]:
    """Compare a task's hashes of data and episodes with what its domain is pinned on."""
    entry = pinned.get("sample" if task.sample else "full")
    if entry is None:
        yield _problem(f"tasks.{i}.sample", f"{task.domain} is not pinned as {task.sample=}", file=file)
        return
    if task.fingerprint != entry["fingerprint"]:
        hint = f"it was pinned on {entry['fingerprint']}; see requirements.txt"
        yield _problem(
            f"tasks.{i}.fingerprint", f"other data than the suite's: {task.fingerprint}", hint, file
        )
    wanted = entry["test"].get(str(task.shape))
    if task.episodes == entry["episodes"] and wanted is not None and task.manifest != wanted:
        hint = f"they hash to {wanted}"
        yield _problem(f"tasks.{i}.manifest", f"not the pinned episodes: {task.manifest}", hint, file)


def _problem(field: str, message: str, hint: str = "", file: str = SUBMISSION) -> Problem:
    return Problem(file, message, field=field, hint=hint)
