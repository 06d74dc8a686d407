"""Answer sealed episodes with the checkpoints of a run: inputs in, predictions.parquet out.

The entrant's side of a challenge (`sealed.py` is the board's). A method meets these episodes through the very
evaluation of pinned ones; there are no labels here that it could see.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import torch
from torch import Tensor

from metanas import config as configs
from metanas.domain import Domain
from metanas.episode import Batch, Episodes, EpisodeShape, Split
from metanas.evaluation import result
from metanas.evaluation.evaluate import evaluate
from metanas.run import build, open_domains
from metanas.sealed import SealedTask
from metanas.store import DataError
from metanas.train import checkpoint

LABELS_UNKNOWN = -1


class FreshDomain(Domain):
    """A domain whose test episodes came from elsewhere, as raw examples; it normalises them as its own."""

    def __init__(self, domain: Domain, support: Tensor, query: Tensor) -> None:
        """support: (E, ways * shots, *input), class by class; query: (E, ways * queries, *input)."""
        super().__init__(domain.store, domain.options)
        self._fresh = (support, query)

    def episodes(self, split: Split, shape: EpisodeShape, seed: int, ids: Sequence[int]) -> Episodes:
        """Those episodes; the labels of their queries are not known here."""
        support, query = (self.inputs(x[list(ids)]) for x in self._fresh)
        known = torch.arange(shape.ways).repeat_interleave(shape.shots).expand(len(ids), -1)
        unknown = torch.full(query.shape[:2], LABELS_UNKNOWN)
        return Episodes(self.spec(shape.ways), Batch(support, known), Batch(query, unknown))


def predict(run: Path, episodes: Path, tasks: Sequence[SealedTask], out: Path, root: Path | None) -> None:
    """Write the answers of every seed of `run`. ConfigError or DataError say what does not fit."""
    from safetensors.torch import load_file

    config = configs.of_run(run)
    domains = {domain.name: domain for domain in open_domains(config, root)}
    inputs = load_file(episodes)
    asked = {task: _domain(domains, inputs, task) for task in tasks}
    method = build(config, list(domains.values()))
    tables = []
    for seed in config.seeds:
        state = checkpoint(run, seed).state
        for task, domain in asked.items():
            found = evaluate(method, state, domain, task.shape, task.episodes)
            tables.append(result.table(task.name, seed, 0, found.probabilities))
    result.write_table(out, pa.concat_tables(tables).combine_chunks())


def _domain(domains: Mapping[str, Domain], inputs: Mapping[str, Tensor], task: SealedTask) -> FreshDomain:
    """DataError unless the file holds this task, and the run its domain as it was drawn."""
    if task.domain not in domains:
        raise DataError(f"the run has no domain {task.domain!r}; it has: {', '.join(domains)}")
    domain = domains[task.domain]
    if domain.options.tokens == "words":
        raise DataError(f"{task.domain}: sealed episodes are bytes, and this run reads words")
    parts = []
    for part, count in (("support", task.shape.shots), ("query", task.shape.queries)):
        x = inputs.get(f"{task.name}/{part}")
        wanted = (task.episodes, task.shape.ways * count, *domain.store.examples.x.shape[1:])
        if x is None or tuple(x.shape) != wanted:
            there = "missing" if x is None else f"of shape {tuple(x.shape)}"
            raise DataError(f"{task.name}/{part} is {there} in the episodes, expected {wanted}")
        parts.append(x)
    return FreshDomain(domain, *parts)
