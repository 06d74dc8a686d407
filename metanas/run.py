"""A run: meta-train and evaluate one method over seeds, leave a run folder that is whole or absent.

The unit of work is a cell, one (method, seed); cells go to worker processes with one share of the cores
each, since these networks are too small to fill two cores. Everything a cell leaves is written
atomically and found again, so a killed run resumes. `submission.json` is written last: it says "whole".

    run/  config.yaml  metrics.jsonl  predictions.parquet  architecture.json  architecture-*.svg
          report.html  submission.json  seed0/{state.safetensors, *.parquet, arch.json}
"""

import dataclasses
import json
import os
import platform
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from metanas import config as configs
from metanas import manifest
from metanas.config import ConfigError, RunConfig
from metanas.domain import Domain
from metanas.episode import EpisodeShape
from metanas.evaluation import result
from metanas.evaluation.evaluate import evaluate
from metanas.kinds import METHODS
from metanas.method import Method
from metanas.params import Tensors
from metanas.supernet.architecture import derive
from metanas.supernet.drawing import draw
from metanas.supernet.space import SearchSpace
from metanas.tracking import Tracker
from metanas.train import Source, Trained, meta_train


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

    ConfigError if the folder holds another run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "config.yaml"
    if kept.exists() and configs.read(kept) != config:
        raise ConfigError(f"{folder} holds a run with other settings; give another --out, or delete it")
    if not kept.exists():
        configs.write(config, kept)
    if (folder / result.SUBMISSION).exists():
        return []
    return [Cell(config, folder, root, seed) for seed in config.seeds]


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


def entrant(config: RunConfig, domains: Sequence[Domain]) -> Method:
    """The method with its settings, for tasks of these domains."""
    kind = METHODS[config.method]
    specs = [domain.spec(config.suite.ways_of(domain.name)) for domain in domains]
    return kind(specs, configs.settings_of(kind, config.settings))


def work(cell: Cell, tell: Tell) -> None:
    """Meta-train and evaluate one cell, resuming from what is there."""
    config, domains = cell.config, open_domains(cell.config, cell.root)
    kind, method = METHODS[config.method], entrant(config, domains)
    source = Source(domains, config.suite.train_shapes, config.budget.tasks, cell.seed)
    iterations = config.budget.iterations if kind.trains else 0
    with Tracker(config, cell.seed, cell.folder) as tracker:
        trained = meta_train(
            method, source, iterations, cell.path, tell=lambda i: tell("meta-training", i), log=tracker.log
        )
    started, done = time.monotonic(), iterations
    for domain in domains:
        for shape in config.suite.shapes(domain.name):
            before = done
            name = task_name(domain, shape)
            if not _part(cell, name).exists():
                found = evaluate(
                    method,
                    trained.state,
                    domain,
                    shape,
                    config.budget.eval_episodes,
                    tell=lambda e, name=name, before=before: tell(f"testing {name}", before + e),  # type: ignore[misc]
                )
                _keep_arch(cell, name, found.arch)
                result.write_table(_part(cell, name), result.table(name, cell.seed, 0, found.probabilities))
            done += config.budget.eval_episodes
            tell(f"testing {name}", done)
    _keep_costs(cell, trained, time.monotonic() - started)


def task_name(domain: Domain, shape: EpisodeShape) -> str:
    """digits/5w1s, as in result.Task."""
    return f"{domain.name}/{shape.ways}w{shape.shots}s"


def finish(config: RunConfig, folder: Path, root: Path | None) -> None:
    """Put the cells' results together into the run's; the last file written is submission.json."""
    domains = open_domains(config, root)
    cells = [Cell(config, folder, root, seed) for seed in config.seeds]
    names = [task_name(d, s) for d in domains for s in config.suite.shapes(d.name)]
    tables = [pq.read_table(_part(cell, name)) for cell in cells for name in names]
    digest = result.write_table(folder / result.PREDICTIONS, pa.concat_tables(tables).combine_chunks())
    rows = list(_metric_rows(cells))
    result.write_atomically(folder / "metrics.jsonl", "".join(row + "\n" for row in rows).encode())
    _finish_arch(cells, names)
    costs = [json.loads((cell.path / "costs.json").read_text()) for cell in cells]
    submission = result.Submission(
        method=config.method,
        settings=config.settings,
        transductive=entrant(config, domains).transductive,
        suite=config.suite.name,
        suite_version=config.suite.version,
        budget={"name": config.budget_name, **config.budget.model_dump()},
        seeds=config.seeds,
        tasks=tuple(_task(config, d, s) for d in domains for s in config.suite.shapes(d.name)),
        costs=result.Costs(
            train_seconds=sum(c["train_seconds"] for c in costs) / len(costs),
            evaluate_seconds=sum(c["evaluate_seconds"] for c in costs) / len(costs),
            parameters=max(c["parameters"] for c in costs),
            peak_bytes=max(c["peak_bytes"] for c in costs),
        ),
        environment=environment(),
        package_version=version("metanas"),
        created=datetime.now(UTC).replace(microsecond=0),
        predictions_sha256=digest,
    )
    result.write(folder, submission)


def environment() -> dict[str, str]:
    """Versions and hardware that a time or a last digit may depend on."""
    import psutil

    packages = {name: version(name) for name in ("torch", "numpy", "metanas")}
    memory = f"{psutil.virtual_memory().total / 2**30:.0f} GiB"
    return {
        **packages,
        "python": platform.python_version(),
        "os": platform.platform(terse=True),
        "cpu": f"{cpu_name()}, {os.cpu_count()} cores, {memory}",
        "threads": str(torch.get_num_threads()),
        "device": "cpu",
    }


def cpu_name() -> str:
    """The processor's model, as the kernel names it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _task(config: RunConfig, domain: Domain, shape: EpisodeShape) -> result.Task:
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


def _part(cell: Cell, task: str) -> Path:
    return cell.path / f"{task.replace('/', '-')}.parquet"


def _keep_arch(cell: Cell, task: str, arch: Tensors | None) -> None:
    """Mean probabilities of the adapted choices over the episodes."""
    mean = {name: t.double().softmax(-1).mean(0).tolist() for name, t in (arch or {}).items()}
    path = cell.path / f"{task.replace('/', '-')}.arch.json"
    result.write_atomically(path, json.dumps(mean).encode())


def _keep_costs(cell: Cell, trained: Trained, seconds: float) -> None:
    """Training is timed over all resumed pieces; evaluation only when it was not resumed."""
    path = cell.path / "costs.json"
    if path.exists():
        return
    moved = [t for name, t in trained.state.items() if not name.startswith("memory/")]
    costs = {
        "train_seconds": trained.seconds,
        "evaluate_seconds": seconds,
        "parameters": sum(t.numel() for t in moved),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    result.write_atomically(path, json.dumps(costs).encode())


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
        files = [cell.path / f"{name.replace('/', '-')}.arch.json" for cell in cells]
        means = [json.loads(file.read_text()) for file in files]
        if space is None or not means[0]:
            continue
        mean = {k: torch.tensor([m[k] for m in means]).mean(0).tolist() for k in means[0]}
        text = str(derive(space, **mean))
        tasks[name] = {"text": text, "ops": space.ops, "activations": space.activations, **mean}
        picture = draw(f"{config.method} on {name}", space, **mean, text=text)
        path = folder / f"architecture-{name.replace('/', '-')}.svg"
        result.write_atomically(path, picture.encode())
    content = json.dumps({"schema_version": 1, "tasks": tasks}, indent=1)
    result.write_atomically(folder / "architecture.json", content.encode())
