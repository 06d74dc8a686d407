"""Rules for submissions to a shared board: a known suite and budget, its pinned data and episodes.

A board knows the built-in and installed suites and those that its administrator added (`store/suites.py`).
An entrant chooses a method and no rivals: a submission answers all tasks of a suite, so its track follows
(`store.track_of`). Each check yields problems (`problem.py`) with a field of submission.json. A board on
one's own machine takes any run; a shared one ranks only answers to the pinned episodes. Called by
`scoring/validate.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from leaderboard.bundle.entry import Entry
from leaderboard.bundle.names import ENTRY
from leaderboard.bundle.problem import Problem
from metanas.data import manifest
from metanas.data.suite import Suite, names, readable
from metanas.evaluation.pretraining import external_weights
from metanas.evaluation.result import SUBMISSION, Submission, Task
from metanas.evaluation.track import trained_otherwise

Manifest = Mapping[str, Any]  # entries by domain (`metanas/data/manifest.py`)
Known = Mapping[str, tuple[Suite, Manifest]]  # by name
DOMAINS_MOST, SEEDS_MOST, ANSWERS_MOST = 64, 20, 20_000_000
ROUNDING = 1.01  # of training operations: the ends of a method's phases fall between iterations


def known(*added: Suite) -> Known:
    """The suites of a board, and their manifests: the built-in and installed ones, and those that were added.

    They are read now: a scorer's process has no files to read them from later.
    """
    return {suite.name: (suite, manifest.of(suite)) for suite in (*added, *readable())}


def problems(submission: Submission, suites: Known, *, elsewhere: bool = False) -> Iterator[Problem]:
    """Every rule that a submission breaks. suites: from `known`.

    elsewhere: a suite that is not among them is left to the board that it is sent to.
    """
    yield from sizes(submission.tasks, submission.seeds)
    if submission.suite not in suites:
        if not elsewhere:
            yield unknown(submission.suite)
        return
    suite, pins = suites[submission.suite]
    if submission.suite_version != suite.version:
        yield _problem(
            "suite_version",
            f"{submission.suite_version!r:.80}, this board has {suite.version!r}",
            "run it again with this version",
        )
    yield from _budget(submission, suite)
    if otherwise := trained_otherwise(submission):
        told = "; ".join(f"{field}: {value}" for field, value in otherwise.items())
        yield _problem(
            "meta_training",
            f"it was not meta-trained as {suite.name} {suite.version} says ({told:.300})",
            "a board ranks what was meta-trained and tested on one suite; metanas compare --across-tracks "
            "shows others",
        )
    if len(set(submission.seeds)) != len(submission.seeds) or len(submission.seeds) < len(suite.seeds):
        wanted = f"at least {len(suite.seeds)} different ones, e.g. --seeds {','.join(map(str, suite.seeds))}"
        yield _problem("seeds", f"got {list(submission.seeds)[:20]}", wanted)
    yield from _complete(submission.tasks, suite)
    yield from pinned(submission.tasks, suite, pins=pins)


def undeclared_weights(submission: Submission, about: Entry) -> Iterator[Problem]:
    """Weights from elsewhere, by the settings of the run, that entry.json does not declare."""
    declared = {weights.sha256 for weights in about.pretrained_weights}
    for network, sha256 in external_weights(submission).items():
        if sha256 not in declared:
            hint = "say in --about FILE: pretrained_weights: [{name: ..., url: ..., sha256: ...}]"
            message = f"the weights {sha256:.80} of {network:.80} are not declared"
            yield Problem(ENTRY, message, field="pretrained_weights", hint=hint)


def contradictions(submission: Submission, about: Entry) -> Iterator[Problem]:
    """What entry.json declares otherwise than the run wrote down."""
    trained, declared = submission.meta_training, set(about.meta_train_domains)
    if trained is not None and declared != set(trained.domains):
        message = f"declares {sorted(declared)!r:.200}, the run was meta-trained on {sorted(trained.domains)}"
        yield Problem(ENTRY, message, field="meta_train_domains", hint="leave it out when you pack")
    trials = submission.costs.trials
    if trials is not None and about.hparam_trials < trials:
        message = f"declares {about.hparam_trials}, the run {trials} (--set trials)"
        yield Problem(ENTRY, message, field="hparam_trials", hint=f"declare {trials} or more")


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
    if spent is None and allowed is not None:
        hint = "run it again; after metanas evaluate of an earlier version, evaluate again"
        yield _problem(
            "costs.train_flops", f"not counted, and the budget {name!r} is one of operations", hint
        )
    if spent is not None and allowed is not None and spent > allowed * ROUNDING:
        yield _problem("costs.train_flops", f"{spent:g}, the budget {name!r} allows {allowed:g}")
    for i, task in enumerate(submission.tasks):
        if task.episodes != wanted["eval_episodes"]:
            yield _problem(
                f"tasks.{i}.episodes", f"{task.episodes}, the budget has {wanted['eval_episodes']} episodes"
            )


def _complete(tasks: Sequence[Task], suite: Suite) -> Iterator[Problem]:
    """A shared board ranks answers to all of a suite: whoever chose its tasks would choose the rivals."""
    given = {(task.domain, task.shape) for task in tasks}
    wanted = [(domain, shape) for domain in suite.tested for shape in suite.shapes(domain)]
    if missing := [f"{domain} {shape}" for domain, shape in wanted if (domain, shape) not in given]:
        message = f"{len(missing)} of the {len(wanted)} of {suite.name} are missing: {', '.join(missing)}"
        yield _problem("tasks", f"{message:.400}", "run it without --domains and --shots")


def pinned(
    tasks: Sequence[Task], suite: Suite, file: str = SUBMISSION, *, pins: Manifest | None = None
) -> Iterator[Problem]:
    """Tasks that the suite does not have, or whose data or episodes are not the pinned ones.

    pins: the suite's manifest; then a number of episodes that it has no hash of is refused as well.
    """
    lists = pins is not None
    entries = manifest.of(suite) if pins is None else pins
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
            yield from _matches(i, task, entries.get(task.domain, {}), file, lists=lists)


def _matches(i: int, task: Task, pinned: dict[str, Any], file: str, *, lists: bool) -> Iterator[Problem]:
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
    whole = task.episodes == entry["episodes"]
    by_shape = entry["test"] if whole else entry.get("first", {}).get(str(task.episodes), {})
    wanted = by_shape.get(str(task.shape))
    if wanted is None and lists:
        hint = "the suite's manifest has no hash of so many; its administrator pins it again"
        yield _problem(f"tasks.{i}.episodes", f"{task.episodes} pinned episodes are not known", hint, file)
    elif wanted is not None and task.manifest != wanted:
        hint = f"they hash to {wanted}"
        yield _problem(f"tasks.{i}.manifest", f"not the pinned episodes: {task.manifest}", hint, file)


def _problem(field: str, message: str, hint: str = "", file: str = SUBMISSION) -> Problem:
    return Problem(file, message, field=field, hint=hint)
