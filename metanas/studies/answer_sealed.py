"""Predict sealed episodes with the checkpoints of a run: episode inputs in, predictions.parquet out.

This is the participant's side of a challenge; the leaderboard draws and scores the episodes
(`data/sealed.py`) and keeps their query labels. They go through the same evaluation as pinned test episodes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import torch
from torch import Tensor

from metanas.base.errors import DataError
from metanas.data.datasets import Datasets
from metanas.data.domain import Domain
from metanas.data.episode import Batch, Episodes, EpisodeShape, Split
from metanas.data.roots import DataRoot
from metanas.data.sealed import SealedTask
from metanas.engine import config as configs
from metanas.engine.checkpoint import checkpoint
from metanas.engine.predict import evaluate
from metanas.engine.runtime import CPU, Runtime
from metanas.engine.seed_run import build
from metanas.evaluation import result

_UNKNOWN_LABEL = -1


class _SealedDomain(Domain):
    """A domain whose test episodes are given as raw examples; it normalises them like its own."""

    def __init__(self, domain: Domain, support: Tensor, query: Tensor) -> None:
        """support: (E, ways * shots, *input), class by class; query: (E, ways * queries, *input)."""
        super().__init__(domain.store, domain.options)
        self._sealed = (support, query)

    def episodes(self, split: Split, shape: EpisodeShape, seed: int, ids: Sequence[int]) -> Episodes:
        """The sealed episodes `ids`; split and seed have no effect, and query labels are -1."""
        support, query = (self.inputs(x[list(ids)]) for x in self._sealed)
        support_labels = torch.arange(shape.ways).repeat_interleave(shape.shots).expand(len(ids), -1)
        query_labels = torch.full(query.shape[:2], _UNKNOWN_LABEL)
        return Episodes(self.spec(shape.ways), Batch(support, support_labels), Batch(query, query_labels))


def predict(
    run: Path,
    episodes: Path,
    tasks: Sequence[SealedTask],
    out: Path,
    root: DataRoot,
    runtime: Runtime = CPU,
) -> None:
    """Write the predictions of every seed of `run` to `out`.

    episodes: a safetensors file of "<task>/support" (E, ways * shots, *input_shape) and "<task>/query"
    (E, ways * queries, *input_shape) for every task. root: the data folder. ConfigError if `run` is not a run
    folder; DataError for a missing checkpoint, or a task that the run or the file does not fit.
    """
    from safetensors.torch import load_file

    config = configs.of_run(run)
    data = Datasets.open(config.suite, root)
    inputs = load_file(episodes)
    domains = {task: _domain(data, inputs, task) for task in tasks}
    method = build(config, data.values())
    tables = []
    with runtime.active():
        for seed in config.seeds:
            state = runtime.take(method, checkpoint(run, seed, method).state)
            for task, domain in domains.items():
                evaluated = evaluate(method, state, domain, task.shape, task.episodes)
                tables.append(result.table(task.name, seed, 0, evaluated.probabilities))
    result.write_table(out, pa.concat_tables(tables).combine_chunks())


def _domain(domains: Mapping[str, Domain], inputs: Mapping[str, Tensor], task: SealedTask) -> _SealedDomain:
    """The domain of a sealed task. DataError unless the run has it and the file its episodes."""
    if task.domain not in domains:
        raise DataError(f"the run has no domain {task.domain!r}; it has: {', '.join(domains)}")
    domain = domains[task.domain]
    if domain.options.tokens == "words":
        raise DataError(f"{task.domain}: sealed episodes are bytes, and this run reads words")
    parts = []
    for part, count in (("support", task.shape.shots), ("query", task.shape.queries)):
        x = inputs.get(f"{task.name}/{part}")
        expected = (task.episodes, task.shape.ways * count, *domain.store.examples.x.shape[1:])
        if x is None or tuple(x.shape) != expected:
            actual = "missing" if x is None else f"of shape {tuple(x.shape)}"
            raise DataError(f"{task.name}/{part} is {actual} in the episodes, expected {expected}")
        parts.append(x)
    return _SealedDomain(domain, *parts)
