"""Run, load and compare from Python: what `import metanas` offers beside the command line.

Tables are `pyarrow.Table`s; `.to_pandas()` makes a data frame of one. `docs/api.md` shows all of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from rich.console import Console
from torch import Tensor

from metanas.base.errors import InvalidValue
from metanas.base.executor import Kind
from metanas.data.datasets import Datasets, LoadedSuite, load_suite
from metanas.data.episode import Batch, Episodes, TaskSpec, moved
from metanas.data.roots import DataRoot
from metanas.data.roots import data_root as data_folder
from metanas.data.suite import Suite
from metanas.engine import config as configs
from metanas.engine import returned
from metanas.engine.checkpoint import checkpoint
from metanas.engine.config import RunConfig
from metanas.engine.runtime import Precision, Runtime
from metanas.engine.seed_run import build
from metanas.evaluation import frames
from metanas.evaluation.compare import Comparison
from metanas.evaluation.compare import compare as compare_views
from metanas.evaluation.load_runs import load_runs, submissions
from metanas.evaluation.result import Result, read
from metanas.evaluation.scores import score
from metanas.evaluation.track import differences
from metanas.method import Adapted, Method, State
from metanas.studies import grid


@dataclass(frozen=True)
class Learner:
    """A meta-trained method that is ready to adapt to tasks. specs: of the domains it was trained for."""

    method: Method
    state: State
    specs: Mapping[str, TaskSpec]

    def adapt(self, support: Batch | Episodes, domain: str | None = None) -> "AdaptedLearner":
        """Adapt to T tasks from their support sets, x (T, ways * shots, *input_shape) and y, on any device.

        domain: whose inputs they are; needed only where several domains of the run have this input shape.
        InvalidValue if no domain of the run fits.
        """
        if isinstance(support, Episodes):
            spec, examples = support.spec, support.support
        else:
            spec, examples = self._spec(support, domain), support
        device = self.state.device
        found = self.method.adapt(self.state, spec, examples.to(device))
        return AdaptedLearner(returned.adapted(self.method, found), device)

    def _spec(self, support: Batch, domain: str | None) -> TaskSpec:
        shape, ways = tuple(support.x.shape[2:]), int(support.y.max()) + 1
        specs = {name: replace(spec, ways=ways) for name, spec in self.specs.items()}
        fitting = [name for name, spec in specs.items() if spec.input_shape == shape]
        if domain is None and len(fitting) == 1:
            return specs[fitting[0]]
        if domain is None or domain not in fitting:
            known = ", ".join(f"{name} {spec.input_shape}" for name, spec in specs.items())
            what = f"{len(fitting)} domains have" if domain is None else f"{domain!r} does not have"
            raise InvalidValue(f"{what} inputs of shape {shape}; give one of the run's domains: {known}")
        return specs[domain]


@dataclass(frozen=True)
class AdaptedLearner:
    """T tasks' predictors. adapted: with the adapted architecture and weights, where the method has any.

    device: where they are.
    """

    adapted: Adapted
    device: torch.device = torch.device("cpu")

    def predict(self, query: Batch | Tensor) -> Tensor:
        """Class probabilities (T, Q, ways) of query inputs (T, Q, *input_shape), on the CPU.

        Labels are not looked at.
        """
        x = query.x if isinstance(query, Batch) else query
        return self.adapted.predict(moved(x, self.device)).detach().cpu()


@dataclass(frozen=True)
class Run:
    """A finished run folder. data_root: where its data sets lie, None for pip's and downloaded data."""

    folder: Path
    data_root: DataRoot = None

    @cached_property
    def config(self) -> RunConfig:
        """What the run was asked for."""
        return configs.of_run(self.folder)

    @cached_property
    def result(self) -> Result:
        """The checked result. ResultError if the run is not finished or a file is damaged."""
        return read(self.folder)

    @cached_property
    def data(self) -> Datasets:
        """The data of the run's suite, opened when first asked for."""
        return Datasets.open(self.config.suite, self.data_root)

    def scores(self) -> pa.Table:
        """One row a task: accuracy with its 95 % interval, and the other scores."""
        return frames.scores(score(self.result.answers))

    def predictions(self) -> pa.Table:
        """One row a query: task, seed, episode, query, predicted class, true label, probabilities."""
        return frames.predictions(self.result.answers, self.result.submission.seeds)

    def learner(self, seed: int, *, device: str = "cpu") -> Learner:
        """The method as it was meta-trained with this seed, on a device. DataError without its checkpoint."""
        method = build(self.config, self.data.values())
        trained = checkpoint(self.folder, seed, method)
        specs = {name: opened.spec(self.config.suite.ways_of(name)) for name, opened in self.data.items()}
        return Learner(method, Runtime(device).take(method, trained.state), specs)


def run(
    method: str,
    suite: str | Path | Suite = "mini-v1",
    *,
    seeds: Sequence[int] = (),
    budget: str = "small",
    domains: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    data_root: str | Path | Sequence[str | Path] | None = None,
    jobs: int = 1,
    workers: int = 0,
    controls: bool = True,
    regret: bool = False,
    device: str = "auto",
    precision: Precision = "float32",
) -> Run:
    """Meta-train a method and answer the pinned test episodes; resumes what is there already.

    settings: as of `--set`: {"weight_rate": 0.1, "space.layers": 2, "budget.iterations": 50}. out: the run
    folder, by default runs/SUITE/BUDGET/METHOD. jobs: 1 works in this process (so that a method defined in a
    notebook is known), more in so many worker processes. controls: also answer under other architectures,
    regret: under every candidate of a choice, see docs/evaluation.md. device: auto | cpu | cuda | cuda:N |
    mps. precision: float32 | tf32 | bf16.
    InvalidValue, DataError, SeedRunFailed.
    """
    runtime = Runtime(device, precision)
    loaded = suite if isinstance(suite, Suite) else load_suite(suite)
    chosen = loaded.plain() if isinstance(loaded, LoadedSuite) else loaded
    config = configs.resolve(
        method, chosen, budget=budget, domains=domains, seeds=seeds, overrides=configs.as_overrides(settings)
    )
    folder = Path(out) if out is not None else Path("runs") / chosen.name / budget / method
    root = data_folder(data_root)
    kind: Kind = "inline" if jobs == 1 else "local"
    quiet = Console(quiet=True)
    grid.run(
        [(config, folder)],
        root=root,
        jobs=jobs,
        kind=kind,
        workers=workers,
        controls=controls,
        regret=regret,
        db=None,
        console=quiet,
        runtime=runtime,
    )
    return Run(folder, root)


def load_run(folder: str | Path, *, data_root: str | Path | Sequence[str | Path] | None = None) -> Run:
    """An existing run folder. InvalidValue if it has no valid config.yaml."""
    loaded = Run(Path(folder), data_folder(data_root))
    configs.of_run(loaded.folder)
    return loaded


@dataclass(frozen=True)
class Compared:
    """Runs beside each other.

    comparison: every figure as a value. across_tracks: in what their tracks differ; empty where they are of
    one track. Otherwise tables have it as a column.
    """

    comparison: Comparison
    across_tracks: tuple[str, ...] = ()

    def methods(self) -> pa.Table:
        """One row a method, best mean first: mean accuracy with its interval and the range of its rank."""
        return self._marked(frames.methods(self.comparison))

    def pairs(self) -> pa.Table:
        """One row a pair of methods: difference, interval and adjusted p-value of the paired test."""
        return self._marked(frames.pairs(self.comparison))

    def _marked(self, table: pa.Table) -> pa.Table:
        if not self.across_tracks:
            return table
        return table.append_column("across_tracks", pa.array(["; ".join(self.across_tracks)] * len(table)))

    def to_pandas(self) -> Any:
        """`methods()` as a data frame."""
        return self.methods().to_pandas()


def compare(
    runs: Sequence[str | Path | Run], *, across_tracks: bool = False, baseline: str | None = None
) -> Compared:
    """Scores, rank ranges and paired tests of runs of one track that answered the same episodes.

    ResultError if one did not, or cannot be read. TracksDiffer if suite, budget or number of seeds differ,
    unless `across_tracks`. InvalidValue without a run, or if `baseline`, the method that all others are
    compared with, is none of them.
    """
    if not runs:
        raise InvalidValue("runs is empty; give run folders or what metanas.run returned")
    folders = [run.folder if isinstance(run, Run) else Path(run) for run in runs]
    loaded = load_runs(folders, across_tracks=across_tracks)
    views = {name: run.scores.view() for name, run in loaded.items()}
    return Compared(compare_views(views, baseline=baseline), tuple(differences(submissions(loaded))))
