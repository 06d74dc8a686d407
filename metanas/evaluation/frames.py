"""Scores, predictions and comparisons as Arrow tables, for notebooks and other programs. No torch."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from metanas.evaluation.compare import Comparison
from metanas.evaluation.result import Answers
from metanas.evaluation.scores import Scores
from metanas.evaluation.statistics import domain_of


def scores(scored: Scores) -> pa.Table:
    """One row a task: accuracy with its 95 % interval, and other scores; log_loss is in nats."""
    rows = []
    for name, task in scored.tasks.items():
        interval = scored.task_interval(name)
        rows.append(
            {
                "task": name,
                "domain": task.task.domain,
                "ways": task.task.ways,
                "shots": task.task.shots,
                "accuracy": interval.mean,
                "low": interval.low,
                "high": interval.high,
                "chance_normalised": float(task.chance_normalised.mean()),
                "macro_f1": float(task.macro_f1.mean()),
                "log_loss": float(task.log_loss.mean()),
                "ece": float(task.ece.mean()),
            }
        )
    return pa.Table.from_pylist(rows)


def predictions(answers: Mapping[str, Answers], seeds: Sequence[int]) -> pa.Table:
    """One row a query: what was asked, the predicted class, the true label and the class probabilities."""
    parts = []
    for name, task in answers.items():
        count, episodes, queries = task.predicted.shape
        seed, episode, query = np.meshgrid(
            np.asarray(seeds), np.arange(episodes), np.arange(queries), indexing="ij"
        )
        labels = np.broadcast_to(task.labels, task.predicted.shape)
        flat = task.probabilities.reshape(-1, task.probabilities.shape[-1])
        parts.append(
            pa.table(
                {
                    "task": pa.array([name] * flat.shape[0]),
                    "domain": pa.array([domain_of(name)] * flat.shape[0]),
                    "seed": seed.ravel(),
                    "episode": episode.ravel(),
                    "query": query.ravel(),
                    "prediction": task.predicted.ravel(),
                    "label": labels.ravel(),
                    "correct": (task.predicted == labels).ravel(),
                    "probabilities": pa.array(list(flat), pa.list_(pa.float32())),
                }
            )
        )
    return pa.concat_tables(parts)


def methods(comparison: Comparison) -> pa.Table:
    """One row a method, best mean first: mean accuracy, ranks it may have, and the best other method.

    All intervals are 95 % ones; those of `to_best` (minus the best other) hold all at once.
    """
    return pa.Table.from_pylist(
        [
            {
                "method": ranked.name,
                "accuracy": ranked.mean.mean,
                "low": ranked.mean.low,
                "high": ranked.mean.high,
                "first_rank": ranked.first,
                "last_rank": ranked.last,
                "to_best": ranked.to_best.mean,
                "to_best_low": ranked.to_best.low,
                "to_best_high": ranked.to_best.high,
                "may_be_best": ranked.best,
                "family": ranked.family,
                "mean_rank": comparison.mean_ranks[ranked.name],
            }
            for ranked in comparison.methods
        ]
    )


def pairs(comparison: Comparison) -> pa.Table:
    """One row a pair: difference a - b with its 95 % interval, p-value (Holm over all pairs) and verdict."""
    schema = pa.schema(
        [(name, pa.string()) for name in ("a", "b")]
        + [(name, pa.float64()) for name in ("difference", "low", "high", "p")]
        + [("verdict", pa.string())]
    )
    rows = [
        {
            "a": pair.a,
            "b": pair.b,
            "difference": pair.difference.mean,
            "low": pair.difference.low,
            "high": pair.difference.high,
            "p": pair.p,
            "verdict": pair.verdict,
        }
        for pair in comparison.pairs
    ]
    return pa.Table.from_pylist(rows, schema)
