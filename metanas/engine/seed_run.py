"""One method and seed of a run, the unit of work: its settings, its data and the paths of its files."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from metanas.data.datasets import Datasets
from metanas.data.domain import Domain
from metanas.data.episode import EpisodeShape, TaskSpec
from metanas.engine.config import ConfigError, RunConfig, settings_of
from metanas.engine.runtime import CPU, Runtime
from metanas.method import METHODS, Method

ProgressCallback = Callable[[str, int], None]  # (what is being done, units done)


@dataclass(frozen=True)
class SeedRun:
    """One method and seed of a run.

    folder: the run's. workers: background processes that draw meta-training batches; they change no number.
    controls: whether test episodes are also answered under other architectures (`engine/controls.py`).
    regret: whether also under every candidate of a choice (`engine/candidates.py`). runtime: where it is
    computed.
    """

    config: RunConfig
    folder: Path
    data: Datasets
    seed: int
    workers: int = 0
    controls: bool = True
    regret: bool = False
    runtime: Runtime = CPU

    @property
    def name(self) -> str:
        """As progress and errors call it: "maml seed 0"."""
        return f"{self.config.method} seed {self.seed}"

    @property
    def path(self) -> Path:
        """The folder of this seed."""
        return self.folder / f"seed{self.seed}"

    @property
    def costs(self) -> Path:
        """The file that is written last: with it the seed run is complete."""
        return self.path / "costs.json"

    def is_done(self) -> bool:
        """Whether all that the run needs of this seed is there."""
        names = [task_name(*task) for task in self.data.tasks()]
        return self.costs.exists() and all(predictions_path(self.path, name).exists() for name in names)

    @property
    def steps(self) -> int:
        """Units of progress: meta-training (`training_steps`) and test episodes."""
        return self.training_steps + self.test_episodes

    @property
    def training_steps(self) -> int:
        """Units of progress of meta-training: its iterations.

        A budget in operations buys a number of them that is not known yet; then as many as test episodes.
        """
        budget = self.config.budget
        if not METHODS[self.config.method].trains:
            return 0
        return budget.iterations if budget.flops is None else self.test_episodes

    @property
    def test_episodes(self) -> int:
        """Test episodes of all tasks."""
        suite = self.config.suite
        return self.config.budget.eval_episodes * len(suite.tested) * len(suite.shots)


def check_trains(config: RunConfig, data: Datasets) -> None:
    """ConfigError for a method that would have nothing to meta-train on."""
    if METHODS[config.method].trains and not any(domain.trains for domain in data.trained()):
        raise ConfigError(
            f"{config.method} has nothing to meta-train on: {', '.join(config.suite.tested)} only has "
            "meta-test classes; add a domain to --domains"
        )


def specs_of(config: RunConfig, domains: Iterable[Domain]) -> list[TaskSpec]:
    """What a run's network must know of the tasks of these domains, in all ways that they may have."""
    return [domain.spec(ways) for domain in domains for ways in config.suite.all_ways(domain.name)]


def build(config: RunConfig, domains: Iterable[Domain]) -> Method:
    """The method of a run, for tasks of these domains in all ways that they may have."""
    kind = METHODS[config.method]
    specs = specs_of(config, domains)
    method: Method = kind(specs, settings_of(kind, config.settings, stored=True))
    return method


def task_name(domain: Domain, shape: EpisodeShape) -> str:
    """digits/5w1s, as in `result.Task`."""
    return f"{domain.name}/{shape.name}"


def predictions_path(folder: Path, task: str) -> Path:
    """Where a seed run keeps its predictions on a task."""
    return folder / f"{task.replace('/', '-')}.parquet"
