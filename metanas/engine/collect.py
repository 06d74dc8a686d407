"""Combine the finished seed runs of a run into its result files, and measure costs.

In: per seed, predictions, architecture choices and controls of every task, metrics.jsonl and costs.json. Out:
the run's predictions.parquet, metrics.jsonl, choices.parquet, controls.parquet and candidates.parquet (where
they were asked for), architecture.json with drawings, and submission.json (format: `evaluation/result.py`).
"""

import dataclasses
import json
import resource
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import ValidationError

from metanas.base import json_text, machine, plugins
from metanas.base.atomic import write_atomically
from metanas.base.errors import DamagedFile
from metanas.base.machine import revision
from metanas.data import manifest
from metanas.data.datasets import Datasets
from metanas.data.domain import Domain
from metanas.data.episode import Episodes, EpisodeShape
from metanas.engine import flops
from metanas.engine.checkpoint import Trained
from metanas.engine.config import RunConfig
from metanas.engine.runtime import CPU, PLAIN, joined
from metanas.engine.seed_run import SeedRun, build, predictions_path, task_name
from metanas.engine.validation import EARLY_TASKS, SELECTION_TASKS, selection
from metanas.evaluation import choices, controls, regret, result
from metanas.evaluation.result import Provenance
from metanas.method import METHODS, Method
from metanas.space import decoding
from metanas.space.architecture import Architecture, derive
from metanas.space.drawing import Values, draw
from metanas.space.overview import Chosen, overview
from metanas.space.space import SearchSpace

OVERVIEW = "architectures.svg"
TRAINED_ELSEWHERE = "meta_training.json"  # in the folder of `metanas evaluate`
MEASURED = ("parameters", "peak_bytes", "train_seconds", "evaluate_seconds")  # in every costs.json


def finish(config: RunConfig, folder: Path, data: Datasets) -> None:
    """Write the result files of a run whose seed runs are done. submission.json is written last."""
    seed_runs = [SeedRun(config, folder, data, seed) for seed in config.seeds]
    names = [task_name(*task) for task in data.tasks()]
    tables = [_predictions(seed_run, *task) for seed_run in seed_runs for task in data.tasks()]
    digest = result.write_table(folder / result.PREDICTIONS, pa.concat_tables(tables).combine_chunks())
    rows = list(_metric_rows(seed_runs))
    write_atomically(folder / "metrics.jsonl", "".join(row + "\n" for row in rows).encode())
    _finish_arch(seed_runs, names)
    parts = [_measured(run) for run in seed_runs]
    for kept in (choices, controls, regret):
        kept.join(folder, [seed_run.path for seed_run in seed_runs], names)
    submission = result.Submission(
        method=config.method,
        settings=config.settings,
        transductive=build(config, data.values()).transductive,
        suite=config.suite.label,
        suite_version=config.suite.version,
        budget=config.budget.named(config.budget_name),
        seeds=config.seeds,
        tasks=tuple(task_of(config, *task) for task in data.tasks()),
        costs=_costs(config, parts),
        environment=machine.environment() | joined(part.get("device", PLAIN) for part in parts),
        package_version=version("metanas"),
        provenance=provenance(),
        created=datetime.now(UTC).replace(microsecond=0),
        predictions_sha256=digest,
        meta_training=trained_elsewhere(folder) or meta_training(config, data, data),
    )
    result.write(folder, submission)


def trained_elsewhere(folder: Path) -> result.MetaTraining | None:
    """What another run was meta-trained on, whose states answered here; None for a run of its own."""
    path = folder / TRAINED_ELSEWHERE
    if not path.exists():
        return None
    remedy = f"delete {folder} and evaluate again"
    try:
        return result.MetaTraining.model_validate(json_text.read(path, remedy))
    except ValidationError as error:
        raise DamagedFile(f"{path} is damaged ({error.errors()[0]['msg']}); {remedy}") from error


def meta_training(config: RunConfig, data: Datasets, tested: Datasets) -> result.MetaTraining:
    """What a run of this configuration meta-trains on, to be tested on `tested`."""
    of, there = ([domain.name for domain in all_.trained() if domain.trains] for all_ in (data, tested))
    trains = METHODS[config.method].trains
    return result.MetaTraining(
        suite=config.suite.label,
        suite_version=config.suite.version,
        changes=config.suite.changes(),
        domains=tuple(of if trains else ()),
        left_out=tuple(name for name in there if trains and name not in of),
        shots=config.suite.shots,
    )


def _predictions(run: SeedRun, domain: Domain, shape: EpisodeShape) -> pa.Table:
    """A seed's predictions on a task. ResultError, with what to do, unless they are all there."""
    path = predictions_path(run.path, task_name(domain, shape))
    rows = result.read_table(path, result.SCHEMA)
    expected = run.config.budget.eval_episodes * shape.ways * shape.queries
    if len(rows) != expected:
        raise result.ResultError(
            f"{path} has {len(rows)} rows of {expected}; delete it, and the same command makes it again"
        )
    return rows


def _measured(run: SeedRun) -> dict[str, Any]:
    """The content of costs.json. DamagedFile for a value of another kind."""
    source, remedy = str(run.costs), _again(run)
    found = json_text.read(run.costs, remedy, keys=MEASURED)
    device = found.get("device", {})
    if not isinstance(device, dict) or not all(isinstance(text, str) for text in device.values()):
        raise DamagedFile(f"{source} is damaged (device is {device!r:.40}, not texts by name); {remedy}")
    for key in found.keys() - {"device"}:
        optional = key not in MEASURED and found[key] is None
        if not optional and json_text.number(found, key, source, remedy) < 0:
            raise DamagedFile(f"{source} is damaged ({key} is {found[key]}, less than 0); {remedy}")
    return found


def _costs(config: RunConfig, parts: Sequence[dict[str, Any]]) -> result.Costs:
    """Means of the seconds, maxima of parameters and bytes over the seeds; FLOPs of the first seed."""
    largest = {key: max(c[key] for c in parts) for key in MEASURED[:2]}
    seconds = {key: sum(c[key] for c in parts) / len(parts) for key in MEASURED[2:]}
    counts: dict[str, Any] = {
        key: next((c[key] for c in parts if key in c), None)
        for key in ("train_flops", "select_flops", "adapt_flops", "predict_macs")
    }
    return result.Costs(**largest, **seconds, **counts, trials=config.trials)


def task_of(config: RunConfig, domain: Domain, shape: EpisodeShape) -> result.Task:
    """A task as submission.json lists it: shape, hash of its pinned episodes, fingerprint of its data."""
    episodes, store = config.budget.eval_episodes, domain.store
    return result.Task(
        domain=domain.name,
        **{key: value for key, value in dataclasses.asdict(shape).items() if value},
        episodes=episodes,
        manifest=manifest.episodes_hash(domain, shape, episodes),
        fingerprint=domain.fingerprint,
        sample=store.examples.sample,
        synthetic=domain.synthetic,
    )


def keep_costs(
    seed_run: SeedRun,
    method: Method,
    trained: Trained,
    tasks: Sequence[tuple[Domain, EpisodeShape]],
    batches: Sequence[list[Episodes]] | None,
    *,
    spent: Mapping[str, Any] | None = None,
) -> None:
    """Write costs.json of a seed run, the sign that it is complete.

    Training and evaluation time are summed over interruptions, the latter also over processes. batches: one
    meta-batch per number of shots, None where another run did the training. spent: FLOPs of that run. They
    are counted on the run's first seed only: they depend on shapes alone, and counting is slow.
    """
    costs: dict[str, Any] = {
        "train_seconds": trained.seconds,
        "evaluate_seconds": sum(
            result.seconds_of(predictions_path(seed_run.path, task_name(*task))) for task in tasks
        ),
        "parameters": sum(t.numel() for t in trained.state.learned().values())
        + sum(getattr(net, "frozen_parameters", 0) for net in vars(method).values()),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    about = seed_run.runtime.describe(trained.devices)
    if about != PLAIN:
        costs["device"] = about
    costs |= spent or {}
    if seed_run.seed == seed_run.config.seeds[0]:
        state = CPU.take(method, trained.state)
        if batches is not None:
            costs["train_flops"] = flops.train_flops(method, state, batches, trained.iteration)
        costs |= flops.answer_flops(method, state, tasks)
        if batches and (select := selection(method, seed_run.data.validation_tasks())) is not None:
            counts = flops.select_flops(select, state, (EARLY_TASKS, SELECTION_TASKS))
            costs["select_flops"] = counts[0] * len(method.selects_at()) + counts[1]
    write_atomically(seed_run.costs, json.dumps(costs).encode())


def _metric_rows(seed_runs: list[SeedRun]) -> Iterator[str]:
    for seed_run in seed_runs:
        for row in json_text.read_lines(seed_run.path / "metrics.jsonl", _again(seed_run)):
            yield json.dumps({"seed": seed_run.seed, **row})


def _finish_arch(seed_runs: list[SeedRun], names: list[str]) -> None:
    """Write architecture.json, a drawing per task, and their overview.

    A task has mean probabilities, how often each candidate was chosen, and the most frequent architecture.
    """
    config, folder = seed_runs[0].config, seed_runs[0].folder
    space = SearchSpace(**config.settings["space"]) if "space" in config.settings else None
    tasks: dict[str, Any] = {}
    for name in names:
        parts = [choices.of_task(seed_run.path, name) for seed_run in seed_runs]
        if space is None or not parts[0]:
            continue
        episodes = {k: np.concatenate([part[k] for part in parts]) for k in parts[0]}
        mean = {k: p.mean(0).tolist() for k, p in episodes.items()}
        shares = {k: p.tolist() for k, p in decoding.shares(space, episodes).items()}
        text = str(most_frequent(space, episodes))
        tasks[name] = {
            "text": text,
            "ops": space.ops,
            "activations": space.activations,
            **mean,
            "shares": shares,
        }
        means, chosen = (Values(**{k: v[k] for k in Values._fields}) for v in (mean, shares))
        drawing = draw(f"{config.method} on {name}", space, *means, derived=text, shares=chosen)
        path = folder / f"architecture-{name.replace('/', '-')}.svg"
        write_atomically(path, drawing.encode())
    if space is not None and tasks:
        rows = [Chosen(name, space.ops, t["shares"]["node"], t["text"]) for name, t in tasks.items()]
        title = f"Architectures of {config.method}"
        write_atomically(folder / OVERVIEW, overview(title, rows).encode())
    content = json.dumps({"schema_version": 1, "tasks": tasks}, indent=1)
    write_atomically(folder / "architecture.json", content.encode())


def most_frequent(space: SearchSpace, probabilities: decoding.Probabilities) -> Architecture:
    """The architecture that most episodes decode to, of a task and all seeds."""
    if space.nodes:  # of a cell's inputs only some are kept, which depends on all probabilities
        numbers = range(len(next(iter(probabilities.values()))))
        rows = ({name: p[i].tolist() for name, p in probabilities.items()} for i in numbers)
        return Counter(derive(space, **row) for row in rows).most_common(1)[0][0]
    chosen = decoding.decode(space, probabilities)
    same = (decoding.flat(chosen) == decoding.flat(decoding.most_frequent(chosen))).all(1)
    return derive(space, **{name: p[same.argmax()].tolist() for name, p in probabilities.items()})


def provenance() -> Provenance | None:
    """The git commit of this code and whether it has local changes; None outside a git checkout."""
    checkout = revision(plugins.folder("metanas").parent)
    return None if checkout is None else Provenance(commit=checkout[0], dirty=checkout[1])


def _again(seed_run: SeedRun) -> str:
    """What to do about a damaged file of a seed run."""
    return f"delete {seed_run.path} to compute this seed again"
