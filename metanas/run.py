"""A run: meta-train and evaluate one method over seeds, leave a run folder that is whole or absent.

The unit of work is a cell, one (method, seed); cells go to worker processes with one share of the cores
each, since these networks are too small to fill two cores. Everything a cell leaves is written
atomically and found again, so a killed run resumes. `submission.json` is written last: it says "whole".

    run/  config.yaml  metrics.jsonl  predictions.parquet  choices.parquet  architecture.json
          architecture-*.svg  report.html  submission.json  seed0/{state.safetensors, *.parquet, costs.json}
"""

import dataclasses
import json
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch

from metanas import config as configs
from metanas import manifest, parallel
from metanas.allocator import keep_freed_memory
from metanas.config import ConfigError, RunConfig
from metanas.disk import write_atomically
from metanas.domain import Domain
from metanas.episode import Episodes, EpisodeShape
from metanas.evaluation import choices, cost, result
from metanas.evaluation.evaluate import evaluate
from metanas.kinds import METHODS
from metanas.method import Method, State
from metanas.seeding import generator
from metanas.stopping import EarlyStop, affordable
from metanas.supernet.architecture import derive
from metanas.supernet.drawing import draw
from metanas.supernet.space import SearchSpace
from metanas.tracking import Tracker
from metanas.train import Source, Trained, meta_train
from metanas.validate import VAL_SEED, accuracy


@dataclass(frozen=True)
class Cell:
    """One method and seed of a run."""

    config: RunConfig
    folder: Path
    root: Path | None
    seed: int

    @property
    def name(self) -> str:
        return f"{self.config.method} seed {self.seed}"

    @property
    def path(self) -> Path:
        return self.folder / f"seed{self.seed}"

    @property
    def steps(self) -> int:
        """Units of progress: iterations and test episodes."""
        method, suite, budget = METHODS[self.config.method], self.config.suite, self.config.budget
        train = budget.iterations if method.trains else 0
        return train + budget.eval_episodes * len(suite.domains) * len(suite.shots)


Tell = Callable[[str, int], None]  # (what is being done, units done)


def prepare(config: RunConfig, folder: Path, root: Path | None) -> list[Cell]:
    """Make the run folder and say what is to be done; nothing if it is done already.

    A run of some of the seeds grows: what these have stays. ConfigError if the folder holds another run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "config.yaml"
    known = configs.read(kept) if kept.exists() else None
    if known is not None and known != config:
        if not _grows(known, config):
            raise ConfigError(f"{folder} holds a run with other settings; give another --out, or delete it")
        (folder / result.SUBMISSION).unlink(missing_ok=True)  # first: killed here, nothing is lost
    if known != config:
        configs.write(config, kept)
    if (folder / result.SUBMISSION).exists():
        return []
    return [Cell(config, folder, root, seed) for seed in config.seeds]


def _grows(known: RunConfig, config: RunConfig) -> bool:
    """Whether `config` is `known` with more seeds."""
    same = known.model_copy(update={"seeds": config.seeds}) == config
    return same and set(known.seeds) < set(config.seeds)


def open_domains(config: RunConfig, root: Path | None) -> list[Domain]:
    """The suite's domains, checked against what the suite was pinned on."""
    domains = [Domain.open(name, root, config.suite.of(name)) for name in config.suite.domains]
    for domain in domains:
        manifest.check(domain, config.suite)
        for shape in config.suite.shapes(domain.name):
            domain.tables["test"].check(shape)
        if domain.trains:
            for shape in config.suite.train_shapes(domain.name):
                domain.tables["train"].check(shape)
    if METHODS[config.method].trains and not any(domain.trains for domain in domains):
        raise ConfigError(
            f"{config.method} has nothing to meta-train on: {', '.join(config.suite.domains)} only has "
            "meta-test classes; add a domain to --domains"
        )
    return domains


def work(cell: Cell, tell: Tell) -> None:
    """Meta-train and evaluate one cell, resuming from what is there; with the other processes, if any."""
    keep_freed_memory()
    config, domains = cell.config, open_domains(cell.config, cell.root)
    method = build(config, domains)
    source = Source(domains, config.suite.train_shapes, config.budget.tasks, cell.seed)
    iterations = planned(config, method, source)
    units = config.budget.iterations if method.trains else 0  # of progress, as `Cell.steps` has it
    with Tracker(config, cell.seed, cell.folder) as tracker:
        trained = meta_train(
            method,
            source,
            iterations,
            cell.path,
            stop=early_stop(config, method, domains),
            tell=lambda i: tell("meta-training", i * units // max(iterations, 1)),
            log=tracker.log,
        )
    seconds = test(cell, method, trained.state, domains, lambda what, n: tell(what, units + n))
    parallel.wait()
    if parallel.rank() == 0 and not (cell.path / "costs.json").exists():
        batches = kinds(config, source) if iterations else []
        with parallel.alone():
            keep_costs(cell, method, trained, domains, seconds, batches)


def planned(config: RunConfig, method: Method, source: Source) -> int:
    """Iterations of meta-training: the budget's, or as many as its operations pay for."""
    if not method.trains:
        return 0
    if config.budget.flops is None:
        return config.budget.iterations
    with parallel.alone():
        start = method.start(generator(source.seed, "start"))
        return affordable(method, start, kinds(config, source), config.budget.flops)


def kinds(config: RunConfig, source: Source) -> list[list[Episodes]]:
    """One batch of each kind that training takes in turn."""
    return [source.batch(i) for i in range(len(config.suite.shots))]


def early_stop(config: RunConfig, method: Method, domains: Sequence[Domain]) -> EarlyStop | None:
    """What the budget says of stopping early. DataError if a domain has no meta-validation classes."""
    budget = config.budget
    if budget.patience is None:
        return None

    def check(state: State) -> float:
        return accuracy(method, state, domains, config.suite.shapes, budget.check_episodes, VAL_SEED)

    return EarlyStop(budget.check_every, budget.patience, check)


def build(config: RunConfig, domains: Sequence[Domain]) -> Method:
    """The method of a run, for tasks of these domains."""
    kind = METHODS[config.method]
    specs = [domain.spec(config.suite.ways_of(domain.name)) for domain in domains]
    return kind(specs, configs.settings_of(kind, config.settings))


def test(
    cell: Cell,
    method: Method,
    state: State,
    domains: Sequence[Domain],
    tell: Tell,
    *,
    folder: Path | None = None,
) -> float:
    """Answers to the pinned episodes of every task that has none yet; returns the seconds it took."""
    folder = folder or cell.path
    config, started, done = cell.config, time.monotonic(), 0
    for index, (domain, shape) in enumerate(asked_tasks(config, domains)):
        before, name, episodes = done, task_name(domain, shape), config.budget.eval_episodes
        mine = index % parallel.world() == parallel.rank()
        if mine and not part(folder, name).exists():
            found = evaluate(
                method,
                state,
                domain,
                shape,
                episodes,
                tell=lambda e, name=name, before=before: tell(f"testing {name}", before + e),  # type: ignore[misc]
            )
            choices.keep(folder, name, cell.seed, found.arch)
            result.write_table(part(folder, name), result.table(name, cell.seed, 0, found.probabilities))
        done += episodes
        tell(f"testing {name}", done)
    return time.monotonic() - started


def asked_tasks(config: RunConfig, domains: Sequence[Domain]) -> list[tuple[Domain, EpisodeShape]]:
    """What a run is asked: every domain in every shape of its suite."""
    return [(domain, shape) for domain in domains for shape in config.suite.shapes(domain.name)]


def task_name(domain: Domain, shape: EpisodeShape) -> str:
    """digits/5w1s, as in result.Task."""
    return f"{domain.name}/{shape.ways}w{shape.shots}s"


def finish(config: RunConfig, folder: Path, root: Path | None) -> None:
    """Put the cells' results together into the run's; the last file written is submission.json."""
    domains = open_domains(config, root)
    cells = [Cell(config, folder, root, seed) for seed in config.seeds]
    names = [task_name(*one) for one in asked_tasks(config, domains)]
    tables = [result.read_table(part(cell.path, name), result.SCHEMA) for cell in cells for name in names]
    digest = result.write_table(folder / result.PREDICTIONS, pa.concat_tables(tables).combine_chunks())
    rows = list(_metric_rows(cells))
    write_atomically(folder / "metrics.jsonl", "".join(row + "\n" for row in rows).encode())
    _finish_arch(cells, names)
    choices.join(folder, [cell.path for cell in cells], names)
    submission = result.Submission(
        method=config.method,
        settings=config.settings,
        transductive=build(config, domains).transductive,
        suite=config.suite.name,
        suite_version=config.suite.version,
        budget=config.budget.named(config.budget_name),
        seeds=config.seeds,
        tasks=tuple(task_of(config, *one) for one in asked_tasks(config, domains)),
        costs=_costs(config, [json.loads((cell.path / "costs.json").read_text()) for cell in cells]),
        environment=cost.environment(),
        package_version=version("metanas"),
        provenance=cost.provenance(Path(__file__)),
        created=datetime.now(UTC).replace(microsecond=0),
        predictions_sha256=digest,
    )
    result.write(folder, submission)


def _costs(config: RunConfig, cells: Sequence[dict[str, Any]]) -> result.Costs:
    """Means over the seeds; the largest number of parameters and bytes; operations of the first seed."""
    largest = {key: max(c[key] for c in cells) for key in ("parameters", "peak_bytes")}
    seconds = {key: sum(c[key] for c in cells) / len(cells) for key in ("train_seconds", "evaluate_seconds")}
    counted: dict[str, Any] = {
        key: next((c[key] for c in cells if key in c), None)
        for key in ("train_flops", "adapt_flops", "predict_macs")
    }
    return result.Costs(**largest, **seconds, **counted, trials=config.trials)


def task_of(config: RunConfig, domain: Domain, shape: EpisodeShape) -> result.Task:
    """What is pinned of a task, for a submission."""
    episodes, store = config.budget.eval_episodes, domain.store
    return result.Task(
        domain=domain.name,
        **dataclasses.asdict(shape),
        episodes=episodes,
        manifest=manifest.episodes_hash(domain, shape, episodes),
        fingerprint=domain.fingerprint,
        sample=store.examples.sample,
        synthetic=domain.synthetic,
    )


def part(folder: Path, task: str) -> Path:
    """Where a cell keeps its answers to a task."""
    return folder / f"{task.replace('/', '-')}.parquet"


def keep_costs(
    cell: Cell,
    method: Method,
    trained: Trained,
    domains: Sequence[Domain],
    seconds: float,
    batches: Sequence[list[Episodes]] | None,
) -> None:
    """costs.json of a cell. Training is timed over all resumed pieces, testing over the last one.

    batches: one of each kind that it trained on, None where it was not this cell that trained. Operations
    are counted on the run's first seed only: they hang on shapes, and counting is slower than the work.
    """
    moved = [t for name, t in trained.state.items() if not name.startswith("memory/")]
    costs = {
        "train_seconds": trained.seconds,
        "evaluate_seconds": seconds,
        "parameters": sum(t.numel() for t in moved),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    if cell.seed == cell.config.seeds[0]:
        if batches is not None:
            costs["train_flops"] = cost.train_flops(method, trained.state, batches, trained.iteration)
        costs |= cost.answer_flops(method, trained.state, asked_tasks(cell.config, domains))
    write_atomically(cell.path / "costs.json", json.dumps(costs).encode())


def _metric_rows(cells: list[Cell]) -> Iterator[str]:
    for cell in cells:
        for row in (cell.path / "metrics.jsonl").read_text().splitlines():
            yield json.dumps({"seed": cell.seed, **json.loads(row)})


def _finish_arch(cells: list[Cell], names: list[str]) -> None:
    """architecture.json and a drawing per task, from the mean over seeds."""
    config, folder = cells[0].config, cells[0].folder
    space = SearchSpace(**config.settings["space"]) if "space" in config.settings else None
    tasks: dict[str, Any] = {}
    for name in names:
        means = [choices.mean(cell.path, name) for cell in cells]
        if space is None or not means[0]:
            continue
        mean = {k: torch.tensor([m[k] for m in means]).mean(0).tolist() for k in means[0]}
        text = str(derive(space, **mean))
        tasks[name] = {"text": text, "ops": space.ops, "activations": space.activations, **mean}
        shares = {key: mean[key] for key in ("node", "activation", "depth")}
        picture = draw(f"{config.method} on {name}", space, **shares, text=text)
        path = folder / f"architecture-{name.replace('/', '-')}.svg"
        write_atomically(path, picture.encode())
    content = json.dumps({"schema_version": 1, "tasks": tasks}, indent=1)
    write_atomically(folder / "architecture.json", content.encode())
