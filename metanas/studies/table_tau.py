"""How well does a weight-sharing supernet rank? Kendall's tau between inherited and stand-alone accuracies.

A trained supernet (`protonet` with `space.sampling=uniform` or with mixtures, `loo-nas`, any method that
answers under a given architecture) answers meta-validation episodes with each listed architecture on
inherited weights; the table says how that architecture ranks when it is trained alone. Test episodes are
never drawn.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import kendalltau

from metanas.base import philox
from metanas.base.errors import InvalidValue
from metanas.data.datasets import Datasets
from metanas.data.episode import VALIDATION_SEED
from metanas.data.roots import DataRoot
from metanas.engine import config as configs
from metanas.engine.checkpoint import checkpoint
from metanas.engine.config import settings_of
from metanas.engine.embedded import right_in_all
from metanas.engine.seed_run import build
from metanas.method import METHODS, Method, State
from metanas.params import Tensors
from metanas.search.discretize import logits_of
from metanas.space.architecture import FRAME, Architecture
from metanas.space.enumeration import member
from metanas.space.space import SearchSpace
from metanas.tables.table import Floats, Table

DRAWS = 1000  # resamples of the bootstrap


@dataclass(frozen=True)
class Tau:
    """Kendall's tau-b on a domain with its 95 % interval over architectures, and how many there were.

    ceiling: tau between the seeds of the table, the mean over pairs: what another training would reach.
    """

    domain: str
    tau: float
    low: float
    high: float
    architectures: int
    ceiling: float


def kendall(
    table: Table, accuracies: Mapping[str, Floats], architectures: Sequence[Architecture] | None = None
) -> list[Tau]:
    """Tau of some accuracies by domain (A,) with the stand-alone meta-validation accuracies.

    architectures: of the accuracies; all of the table's without. The interval is the percentile bootstrap
    over architectures. InvalidValue for another number of accuracies or fewer than three.
    """
    places = [table.index(a) for a in architectures or table.architectures]
    if len(places) < 3 or any(len(values) != len(places) for values in accuracies.values()):
        got = ", ".join(f"{len(values)} of {domain}" for domain, values in accuracies.items())
        raise InvalidValue(f"tau wants at least 3 accuracies, one of each architecture, got {got}")
    found: list[Tau] = []
    for domain, values in accuracies.items():
        alone = table.by_seed(domain, "val")[:, places]
        pairs = [(a, b) for a in range(len(alone)) for b in range(a)]
        draws = _resampled(len(places), domain)
        taus = [_tau(values[rows], alone.mean(0)[rows]) for rows in draws]
        low, high = np.nanpercentile(taus, [2.5, 97.5])
        ceiling = float(np.mean([_tau(alone[a], alone[b]) for a, b in pairs])) if pairs else float("nan")
        tau = _tau(values, alone.mean(0))
        found.append(Tau(domain, tau, float(low), float(high), len(places), ceiling))
    return found


def inherited(
    table: Table, run: Path, *, seed: int, episodes: int, root: DataRoot
) -> tuple[list[Architecture], dict[str, Floats]]:
    """Meta-validation accuracy of listed architectures on a run's trained supernet, by domain (A,).

    The mean over the suite's numbers of shots. Only architectures of the run's space that stand in the table
    are asked. The method adapts as at test, but for its architecture, which is given (`Method.adapt_with`).
    InvalidValue if the run has no supernet, another frame, or no domain of the table.
    """
    config = configs.of_run(run)
    settings = settings_of(METHODS[config.method], config.settings, stored=True)
    space = getattr(settings, "space", None)
    if not isinstance(space, SearchSpace) or space.architecture:
        raise InvalidValue(f"{run} has no supernet: its method is {config.method} on a fixed network")
    if differing := [name for name in FRAME if getattr(space, name) != getattr(table.space, name)]:
        name, here = differing[0], getattr(space, differing[0])
        raise InvalidValue(f"space.{name} is {here} in {run} and {getattr(table.space, name)} in the table")
    listed = [a for a in table.architectures if member(space, a) is not None]
    domains = [name for name in config.suite.domains if name in table.domains]
    if not domains or not listed:
        raise InvalidValue(f"{run} has no domain or no architecture of the table")
    data = Datasets.open(config.suite.model_copy(update={"domains": tuple(domains)}), root)
    method = build(config, Datasets.open(config.suite, root).values())
    state = checkpoint(run, seed, method).state
    hard = [logits_of(space, architecture) for architecture in listed]
    if not _answers_with(method, state, hard[0], data):
        raise InvalidValue(f"{run} has no supernet: {config.method} answers under no given architecture")
    return listed, {
        name: np.array([_accuracy(method, state, arch, data, name, episodes) for arch in hard])
        for name in domains
    }


def _answers_with(method: Method, state: State, arch: Tensors, data: Datasets) -> bool:
    """Whether the method can be given an architecture, as it says for one task."""
    name = data.suite.domains[0]
    tasks = data[name].episodes("val", data.suite.shapes(name)[0], VALIDATION_SEED, [0])
    one = {group: t[None] for group, t in arch.items()}
    return method.adapt_with(state, tasks.spec, tasks.support, one) is not None


def _accuracy(method: Method, state: State, arch: Tensors, data: Datasets, name: str, episodes: int) -> float:
    """The mean over the numbers of shots under one architecture's hard logits."""
    shapes = data.suite.shapes(name)
    right = right_in_all(method, state, data[name], "val", shapes, VALIDATION_SEED, episodes, arch=arch)
    queries = [episodes * shape.ways * shape.queries for shape in shapes]
    return float(np.mean([r.sum() / total for r, total in zip(right, queries, strict=True)]))


def _tau(one: Floats, other: Floats) -> float:
    return float(kendalltau(one, other).statistic)


def _resampled(count: int, domain: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Rows drawn with replacement: (DRAWS, count)."""
    return philox.below(count, philox.words(philox.key("table tau", domain), np.arange(DRAWS), count))
