"""Plausibility checks: too good scores, identical seeds, declared test data, odd names and costs, copies.

A sign of trouble flags the submission for a reviewer; nothing is rejected. The checks compare the numbers of
right answers per seed and episode, (S, E), which the database stores. `worker.py` calls them.
"""

import json
from collections.abc import Iterator
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from leaderboard.bundle.lookalikes import mixed_scripts
from leaderboard.bundle.scores import Scored
from leaderboard.scoring.copies import copies
from leaderboard.store.models import Score, Submission
from leaderboard.store.visibility import PUBLISHED
from metanas.evaluation.statistics import View, estimate

ENOUGH = 100  # fewest episodes by which seeds are compared
CEILING = 0.98  # mean accuracy that no method comes near to
LEAP = 3  # times fewer errors than the field
FASTEST = 1e16  # floating-point operations a second that no single machine of today reaches
MANY = 1000  # fewest answers for which no errors at all are suspicious


def doubts(session: Session, row: Submission, scored: Scored) -> list[tuple[str, str]]:
    """The flags to set, as (kind, sentence). row: the submission; empty if nothing is suspicious."""
    found = (
        _perfect(scored),
        _same_seeds(scored),
        _declared(row),
        _mixed_names(row),
        _costs(row),
        _too_cheap(scored),
    )
    compared = (_too_good(session, row, scored), copies(session, row, scored))
    return list(chain.from_iterable((*found, *compared)))


def _perfect(scored: Scored) -> Iterator[tuple[str, str]]:
    for task in scored.tasks:
        if task.right.size * task.queries >= MANY and (task.right == task.queries).all():
            yield "perfect", f"every answer of {task.task} is right"


def _same_seeds(scored: Scored) -> Iterator[tuple[str, str]]:
    """Different seeds whose counts agree in every episode of every task."""
    tasks = [task.right for task in scored.tasks]
    if len(tasks[0]) > 1 and all((right == right[0]).all() for right in tasks):
        if sum(right[0].size for right in tasks) >= ENOUGH and any(np.ptp(right) for right in tasks):
            yield "same-seeds", "all seeds have the same number of right answers in every episode"


def _declared(row: Submission) -> Iterator[tuple[str, str]]:
    """External data or weights that contain meta-test classes, as declared in entry.json."""
    entry = json.loads(row.entry or "{}")
    tested = {task.domain for task in row.parsed.tasks}
    for outside in (*entry.get("external_data", ()), *entry.get("pretrained_weights", ())):
        if overlap := sorted(tested & set(outside.get("overlaps_with", ()))):
            yield "test-data", f"{outside['name']} holds test classes of {', '.join(overlap)}, as declared"


def _mixed_names(row: Submission) -> Iterator[tuple[str, str]]:
    """Authors with a word of letters from several scripts, which may look like another name."""
    for author in json.loads(row.entry or "{}").get("authors", ()):
        if mixed := mixed_scripts(author["name"]):
            yield "lookalike", f"the author's name {author['name']!r} mixes {' and '.join(mixed)} letters"


def _costs(row: Submission) -> Iterator[tuple[str, str]]:
    """Declared costs that cannot be: nobody measures them again, so a person looks at what stands out."""
    costs = row.parsed.costs
    if costs.evaluate_seconds <= 0 or costs.peak_bytes <= 0:
        yield "costs", f"testing took {costs.evaluate_seconds:g} s and {costs.peak_bytes} bytes, as declared"
    if costs.parameters == 0 and (costs.predict_macs or 0) > 0:
        yield "costs", f"no parameters and {costs.predict_macs} MACs a query, as declared"
    if (costs.train_flops or 0) > FASTEST * costs.train_seconds:
        yield (
            "costs",
            f"{costs.train_flops:.2g} FLOPs of meta-training in {costs.train_seconds:g} s, as declared",
        )
    environment = row.parsed.environment
    if not environment.get("cpu", "").strip():
        yield "costs", "the machine that costs were measured on is not named"


def _too_cheap(scored: Scored) -> Iterator[tuple[str, str]]:
    """Declared costs that are less than what the submitted architectures need."""
    found, costs = scored.recount, scored.submission.costs
    if found is None:
        return
    if costs.parameters < found.least_parameters:
        words = f"{costs.parameters} parameters, as declared"
        yield "costs", f"{words}; the architectures of architecture.json need {found.least_parameters}"
    if costs.predict_macs is not None and costs.predict_macs < found.least_macs:
        words = f"{costs.predict_macs} MACs a query, as declared"
        yield "costs", f"{words}; the architectures of architecture.json need {found.least_macs}"


def _too_good(session: Session, row: Submission, scored: Scored) -> Iterator[tuple[str, str]]:
    """Results far beyond the field: the labels of public data can be looked up, which no check can see.

    A mean of CEILING is one. Per task: fewer than a LEAP-th of the errors of the best other method of the
    track, and beyond its interval; and pinned accuracies that far beyond what any method reached on fresh
    episodes of the task.
    """
    mean = float(np.mean([task.accuracies().mean() for task in scored.tasks]))
    if mean >= CEILING and sum(task.right.size * task.queries for task in scored.tasks) >= MANY:
        yield "implausible", f"{100 * mean:.1f} % on average over all tasks"
    field = _field(session, row)
    for task in scored.tasks:
        mine = estimate({task.task: task.accuracies()}).interval()
        for kind, words in (("pinned", "the best other method"), ("fresh", "the best on fresh episodes")):
            best = max(
                (views[task.task] for views in field[kind] if task.task in views), default=None, key=_mean
            )
            if best is None:
                continue
            theirs = estimate({task.task: best}).interval()
            if LEAP * (1 - mine.mean) < 1 - theirs.mean and mine.low > theirs.high:
                yield (
                    "implausible",
                    f"{mine.percent()} % on {task.task}; {words} has {theirs.percent()} %",
                )


def _field(session: Session, row: Submission) -> dict[str, list[View]]:
    """Accuracies of the other methods' published submissions on the track, by kind of episodes."""
    others = PUBLISHED & (Submission.track == row.track) & (Submission.method != row.method)
    found: dict[str, list[View]] = {"pinned": [], "fresh": []}
    query = select(Score).join(Submission, Score.submission_id == Submission.id).where(others)
    for score in session.scalars(query):
        found[score.kind].append({score.task: score.accuracies()})
    return found


def _mean(accuracies: NDArray[np.float64]) -> float:
    return float(accuracies.mean())
