"""The network that a finished run derives for one task: adapt, take the strongest, inherit the weights."""

from pathlib import Path

from torch import Tensor

from metanas import config as configs
from metanas.domain import Domain
from metanas.kinds import METHODS
from metanas.meta.outer import params_of
from metanas.params import Params
from metanas.run import build, open_domains
from metanas.supernet.architecture import derive, parse
from metanas.supernet.fixed import FixedNet
from metanas.train import TrainError, load


def derived(run: Path, domain: str, *, seed: int, episode: int, root: Path | None) -> tuple[FixedNet, Tensor]:
    """The network for a pinned test episode of the domain at the suite's most shots, and its query inputs.

    TrainError if the run has no such seed, domain, episode or architecture. A method that adapts no weights
    (ProtoNet) gives the meta-trained ones.
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
    domains: dict[str, Domain] = {d.name: d for d in open_domains(config, root)}
    settings = configs.settings_of(METHODS[config.method], config.settings)
    if not hasattr(settings, "space"):
        raise TrainError(f"{config.method} has no architecture")
    method = build(config, list(domains.values()))
    shape = config.suite.shapes(domain)[-1]
    tasks = domains[domain].episodes("test", shape, 0, [episode])
    adapted = method.adapt(trained.state, tasks.spec, tasks.support)
    weights = (
        params_of(trained.state).weights
        if adapted.weights is None
        else {name: t[0].detach() for name, t in adapted.weights.items()}
    )
    if adapted.arch:
        choices = {name: t[0].softmax(-1).tolist() for name, t in adapted.arch.items()}
        architecture = derive(settings.space, **choices)
    elif settings.space.architecture:
        architecture = parse(settings.space.architecture, settings.space)
    else:
        raise TrainError(f"{config.method} adapted no architecture in {run}")
    return architecture.build(tasks.spec, inherit=Params(weights, {})), tasks.query.x[0]
