"""Which architecture a search tries next: regularised evolution, Optuna's samplers and successive halving.

Pure functions of the search space, the history and a seed or generator, so that a search can stop and resume
anywhere. A history is a list of trials, oldest first; higher fitness is better. Random search needs no
history: it is `variation.sample`. The methods that use these are in `baselines/` (`random_search.py` first).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch

from metanas.base.errors import InvalidValue
from metanas.search.variation import below, crossover, mutate, pick, sample
from metanas.space.architecture import Architecture, Node, frame
from metanas.space.space import SearchSpace

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial


class Trial(NamedTuple):
    """An architecture and its fitness each time it was evaluated (more than once under halving)."""

    architecture: Architecture
    fitness: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean fitness over the evaluations."""
        return sum(self.fitness) / len(self.fitness)


def best(history: Sequence[Trial]) -> Architecture:
    """The architecture with the best mean fitness among those that were evaluated most often."""
    most = max(len(trial.fitness) for trial in history)
    return max((t for t in history if len(t.fitness) == most), key=lambda t: t.mean).architecture


def evolve(
    space: SearchSpace,
    history: Sequence[Trial],
    generator: torch.Generator,
    *,
    population: int,
    tournament: int,
    crossing: float = 0.0,
) -> Architecture:
    """Regularised evolution (Real et al., 2019, algorithm 1): a mutated winner of a tournament.

    The population is the youngest `population` trials: the oldest is removed, not the worst. Until there are
    so many, architectures are random. crossing: the probability that the winners of two tournaments are
    crossed before the mutation (0 in the paper). InvalidValue if it is not in [0, 1].
    """
    if not 0 <= crossing <= 1:
        raise InvalidValue(f"crossing is a probability, got {crossing}")
    if len(history) < population:
        return sample(space, generator)
    alive = history[-population:]

    def winner() -> Architecture:
        rivals = [pick(alive, generator) for _ in range(tournament)]
        return max(rivals, key=lambda t: t.mean).architecture

    parent = winner()
    if crossing and below(10**6, generator) < crossing * 10**6:
        parent = crossover(space, parent, winner(), generator)
    return mutate(space, parent, generator)


def by_sampler(
    space: SearchSpace, history: Sequence[Trial], seed: int, *, sampler: Literal["tpe", "gp"], startup: int
) -> Architecture:
    """Bayesian optimisation over a chain's choices by Optuna's samplers (Akiba et al., 2019).

    tpe: tree-structured Parzen estimator (Bergstra et al., 2011). gp: Gaussian process with log expected
    improvement. startup: random trials before the model proposes. InvalidValue in a space of cells.
    """
    study = _study(space, seed, sampler, startup)
    for trial in history:
        study.add_trial(_frozen(space, trial))
    proposal = study.ask()
    layers = proposal.suggest_categorical("depth", _depths(space))
    nodes = [
        Node(
            proposal.suggest_categorical(f"op{i}", _ops(space)),
            proposal.suggest_categorical(f"activation{i}", space.activations),
        )
        for i in range(space.layers)
    ]
    return frame(space, nodes[:layers])


def goes_on(history: Sequence[Trial], seed: int, *, least: int, factor: int, top: int) -> bool:
    """Whether successive halving evaluates the youngest trial again (Jamieson and Talwalkar, 2016).

    Asynchronous, as in Optuna's pruner (Li et al., 2020): after least * factor^k evaluations a trial goes on
    if it is among the best 1 / factor of those that got there so far; never beyond `top` evaluations.
    """
    import optuna

    if not history or len(history[-1].fitness) >= top:
        return False
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=least, reduction_factor=factor)
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.RandomSampler(seed=seed), pruner=pruner
    )
    for trial in history:  # reported again in their order, as the pruner keeps its rungs in the trials
        replayed, pruned = study.ask(), False
        for count, fitness in enumerate(trial.fitness, start=1):
            replayed.report(fitness, count)
            pruned = replayed.should_prune()
        if trial is history[-1]:
            return not pruned
        study.tell(replayed, trial.fitness[-1])
    return False


def _study(space: SearchSpace, seed: int, sampler: str, startup: int) -> "Study":
    import optuna

    if space.nodes:
        raise InvalidValue(f"tpe and gp search chains, the space has cells (space.nodes={space.nodes})")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    samplers = {"tpe": optuna.samplers.TPESampler, "gp": optuna.samplers.GPSampler}
    seeded = samplers[sampler](seed=seed, n_startup_trials=startup)
    return optuna.create_study(direction="maximize", sampler=seeded)


def _frozen(space: SearchSpace, trial: Trial) -> "FrozenTrial":
    """A finished Optuna trial. Layers above the depth were not tried: they get the first candidate."""
    from optuna.distributions import BaseDistribution, CategoricalDistribution
    from optuna.trial import create_trial

    values: dict[str, int | str] = {"depth": len(trial.architecture.layers)}
    distributions: dict[str, BaseDistribution] = {"depth": CategoricalDistribution(_depths(space))}
    for i in range(space.layers):
        layer = trial.architecture.layers[i] if i < len(trial.architecture.layers) else None
        node = layer if isinstance(layer, Node) else Node(_ops(space)[0], space.activations[0])
        values |= {f"op{i}": node.op, f"activation{i}": node.activation}
        distributions |= {
            f"op{i}": CategoricalDistribution(_ops(space)),
            f"activation{i}": CategoricalDistribution(space.activations),
        }
    return create_trial(params=values, distributions=distributions, value=trial.mean)


def _ops(space: SearchSpace) -> tuple[str, ...]:
    return tuple(op for op in space.ops if op != "none") or space.ops


def _depths(space: SearchSpace) -> tuple[int, ...]:
    return tuple(exit_ + 1 for exit_ in space.exits)
