"""The discrete network that a finished run derives for one task.

The method adapts to the task's support set, `space.architecture.derive` selects the strongest operations, and
the derived network inherits their weights. Used by `metanas arch export`.
"""

from pathlib import Path

from torch import Tensor

from metanas.data.datasets import Datasets
from metanas.data.episode import EVALUATION_SEED
from metanas.data.roots import DataRoot
from metanas.engine import config as configs
from metanas.engine.checkpoint import load
from metanas.engine.seed_run import build
from metanas.engine.trainer import TrainError
from metanas.method import METHODS
from metanas.models.derived import DerivedNet, derived_net
from metanas.params import Params
from metanas.space.architecture import derive, parse


def derived(run: Path, domain: str, *, seed: int, episode: int, root: DataRoot) -> tuple[DerivedNet, Tensor]:
    """The network for a pinned test episode of the domain, and the episode's query inputs.

    The episode has the last number of shots that the suite lists; its query inputs are
    (ways * queries, *input_shape). root: the data folder. Where a method adapts no weights (ProtoNet), the
    network has the meta-trained ones. TrainError if the run lacks the seed, domain, episode or architecture.
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
    method = build(config, data.values())
    shape = config.suite.shapes(domain)[-1]
    tasks = data[domain].episodes("test", shape, EVALUATION_SEED, [episode])
    adapted = method.adapt(trained.state, tasks.spec, tasks.support)
    weights = (
        trained.state.params.weights
        if adapted.weights is None
        else {name: t[0].detach() for name, t in adapted.weights.items()}
    )
    if adapted.arch:
        probabilities = {name: t[0].softmax(-1).tolist() for name, t in adapted.arch.items()}
        architecture = derive(settings.space, **probabilities)
    elif settings.space.architecture:
        architecture = parse(settings.space.architecture, settings.space)
    else:
        raise TrainError(f"{config.method} adapted no architecture in {run}")
    return derived_net(architecture, tasks.spec, inherit=Params(weights, {})), tasks.query.x[0]
