"""The discrete network that a finished run derives for one task.

The method adapts to the task's support set, `space.architecture.derive` selects the strongest operations, the
method adapts again under this architecture, and the derived network inherits the weights. Used by
`metanas arch export`.
"""

from pathlib import Path

import torch
from torch import Tensor

from metanas.data.datasets import Datasets
from metanas.data.episode import EVALUATION_SEED
from metanas.data.roots import DataRoot
from metanas.engine import config as configs
from metanas.engine.checkpoint import load
from metanas.engine.seed_run import build
from metanas.engine.trainer import TrainError
from metanas.method import METHODS, Adapted
from metanas.models.derived import DerivedNet, derived_net
from metanas.params import Params
from metanas.search.discretize import discretize
from metanas.space.architecture import derive, parse

GAP = 1e-3  # of class probabilities: reduced networks add up in another order


def derived(run: Path, domain: str, *, seed: int, episode: int, root: DataRoot) -> tuple[DerivedNet, Tensor]:
    """The network for a pinned test episode of the domain, and the episode's query inputs.

    The episode has the last number of shots that the suite lists; its query inputs are
    (ways * queries, *input_shape). root: the data folder. TrainError if the run lacks the seed, domain,
    episode or architecture, or if the network does not answer the queries as the method does.
    """
    if not (run / "config.yaml").exists():
        raise TrainError(f"{run / 'config.yaml'} is not there: {run} is not a run folder")
    config = configs.read(run / "config.yaml")
    if (trained := load(run / f"seed{seed}" / "state.safetensors")) is None:
        raise TrainError(
            f"{run} has no state of seed {seed}; its seeds are {', '.join(map(str, config.seeds))}"
        )
    if domain not in config.suite.domains:
        raise TrainError(f"{run} has no domain {domain!r}; it has: {', '.join(config.suite.domains)}")
    if not 0 <= episode < config.suite.episodes:
        raise TrainError(f"{config.suite.name} pins episodes 0..{config.suite.episodes - 1}, got {episode}")
    data = Datasets.open(config.suite, root)
    settings = configs.settings_of(METHODS[config.method], config.settings, stored=True)
    if not hasattr(settings, "space"):
        raise TrainError(f"{config.method} has no architecture")
    if settings.space.partial > 1:
        raise TrainError(
            f"space.partial={settings.space.partial}: networks whose operations see a part of the channels "
            "are not exported, those of a derived network see all"
        )
    method = build(config, data.values())
    shape = config.suite.shapes(domain)[-1]
    tasks = data[domain].episodes("test", shape, EVALUATION_SEED, [episode])
    adapted = method.adapt(trained.state, tasks.spec, tasks.support)
    if adapted.arch:
        probabilities = {name: t[0].softmax(-1).tolist() for name, t in adapted.arch.items()}
        architecture = derive(settings.space, **probabilities)
        hard = discretize(settings.space, adapted.arch, tasks.spec)
        adapted = method.adapt_with(trained.state, tasks.spec, tasks.support, hard) or adapted
    elif settings.space.architecture:
        architecture = parse(settings.space.architecture, settings.space)
    else:
        raise TrainError(f"{config.method} adapted no architecture in {run}")
    if adapted.weights is None:
        raise TrainError(
            f"{config.method} adapts to no weights with which a network alone would answer (Adapted.weights)"
        )
    weights = {name: t[0].detach() for name, t in adapted.weights.items()}
    net = derived_net(architecture, tasks.spec, inherit=Params(weights, {}))
    if (gap := _gap(net, adapted, tasks.query.x)) > GAP:
        cells = ": a cell of it keeps two inputs of a node, and the method answers with all"
        raise TrainError(
            f"the network of {config.method} would not answer as {config.method} does"
            f"{cells if settings.space.nodes else ''}; class probabilities differ by up to {gap:.2g}, "
            f"allowed are {GAP:g}"
        )
    return net, tasks.query.x[0]


@torch.no_grad()
def _gap(net: DerivedNet, adapted: Adapted, x: Tensor) -> float:
    """By how much class probabilities differ on queries x (1, Q, ...), inf for what is not finite."""
    gap = float((net(x[0]).softmax(-1) - adapted.predict(x)[0]).abs().max())
    return gap if gap == gap else float("inf")
