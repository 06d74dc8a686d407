"""Evaluate the checkpoints of a run on another suite, other domains, or other numbers of adaptation steps.

The network is built for the domains of both suites. Parameters that the run did not train (the stem of
another modality, a head with another number of ways) keep their random initialisation.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from rich.console import Console

from metanas.base import json_text
from metanas.base.seeding import generator
from metanas.data import manifest
from metanas.data.datasets import Datasets
from metanas.data.domain import Domain
from metanas.data.episode import EVALUATION_SEED
from metanas.data.roots import DataRoot
from metanas.data.sampler import query_labels
from metanas.engine import config as configs
from metanas.engine.candidates import score_candidates
from metanas.engine.checkpoint import check_fits, checkpoint
from metanas.engine.collect import finish, keep_costs, meta_training
from metanas.engine.config import ConfigError, RunConfig
from metanas.engine.controls import score_controls
from metanas.engine.predict import evaluate, predict_tasks
from metanas.engine.run import prepare
from metanas.engine.runtime import CPU, Runtime
from metanas.engine.seed_run import ProgressCallback, SeedRun, build, task_name
from metanas.evaluation import result
from metanas.evaluation.curves import CURVES, SCHEMA, STEPS
from metanas.evaluation.result import ResultError
from metanas.method import State
from metanas.models.network import is_head
from metanas.params import group_of
from metanas.studies import progress
from metanas.studies.outputs import check_outputs

_CURVE_EPISODES = 50  # per task


def reevaluate(
    run: Path,
    suite: str,
    domains: Sequence[str],
    budget: str,
    out: Path | None,
    root: DataRoot,
    *,
    curves: bool,
    controls: bool = True,
    regret: bool = False,
    runtime: Runtime = CPU,
    console: Console | None = None,
) -> Path:
    """Predict the test episodes of a suite with the checkpoints of `run`; returns the new run folder.

    suite: empty for the run's own. domains: empty for all of the suite, or without `suite` for those of the
    run. budget: gives the number of test episodes, empty for the run's own; the budget of training stays what
    it was. out: the new run folder, None for RUN/on-SUITE. root: the data folder. curves: also write
    curves.parquet. controls, regret: as of `SeedRun`. console: where progress is shown, None for nowhere.
    ConfigError; DataError; ResultError if a result in either folder is on other episodes than the suite pins.
    """
    trained = configs.of_run(run)
    domains = domains or (() if suite else trained.suite.domains)
    requested = configs.resolve(
        trained.method,
        suite or trained.suite.original,
        budget=budget or trained.budget_name,
        domains=domains,
    )
    episodes = {"eval_episodes": requested.budget.eval_episodes}
    kept = ("method", "settings", "seeds", "trials", "budget_name")
    config = requested.model_copy(
        update={name: getattr(trained, name) for name in kept}
        | {"budget": trained.budget.model_copy(update=episodes)}
    )
    if curves and "test_steps" not in config.settings:
        raise ConfigError(f"{config.method} has no setting test_steps, so it has no curve over steps")
    folder = out or run / f"on-{config.suite.name}"
    data = Datasets.open(config.suite, root)
    for result_folder in (run, folder):
        _check_pins(result_folder, config, data)
    check_outputs([(config, folder)], None, None)
    trained_data = Datasets.open(trained.suite, root)  # the checkpoints need the stems of all its domains
    seed_runs = prepare(
        config,
        folder,
        data,
        controls=controls,
        regret=regret,
        runtime=runtime,
        trained_on=meta_training(trained, trained_data, data),
    )
    if not seed_runs and not curves:
        return folder
    console = console or Console(quiet=True)
    domains_of_both = [*(domain for name, domain in trained_data.items() if name not in data), *data.values()]
    names, steps = [s.name for s in seed_runs], [s.test_episodes for s in seed_runs]
    with runtime.active():
        with progress.shown(names, steps, console) as on_progress:
            for index, seed_run in enumerate(seed_runs):
                untrained = _predict(seed_run, run, domains_of_both, partial(on_progress, index))
        if seed_runs:
            finish(config, folder, data)
            if untrained:
                console.print(f"{run} did not train these weights, they stay random: {', '.join(untrained)}")
        if curves:
            _curves(config, folder, data, run, domains_of_both, runtime, console)
    return folder


def _check_pins(folder: Path, config: RunConfig, data: Datasets) -> None:
    """ResultError if the result in `folder` is of this suite, but on other episodes than it pins here."""
    if not (folder / result.SUBMISSION).exists():
        return
    submission = result.read_submission(folder / result.SUBMISSION)
    if (submission.suite, submission.suite_version) != (config.suite.name, config.suite.version):
        return  # another suite has other episodes
    for task in submission.tasks:
        if task.domain in data:
            pinned = manifest.episodes_hash(data[task.domain], task.shape, task.episodes)
            if task.manifest != pinned:
                raise ResultError(
                    f"{folder / result.SUBMISSION}: tasks: {task.name}: manifest is {task.manifest}, "
                    f"{config.suite.name} {config.suite.version} pins {pinned}"
                )


def _predict(seed_run: SeedRun, run: Path, domains: Sequence[Domain], report: ProgressCallback) -> list[str]:
    """Write predictions and costs from the checkpoint of `run`; returns the weights that it lacks, not heads.

    domains: those the network is built for.
    """
    method = build(seed_run.config, domains)
    trained = checkpoint(run, seed_run.seed)
    start = State(method.start(generator(seed_run.seed, "start")))
    check_fits(trained.state, start, run / f"seed{seed_run.seed}" / "state.safetensors", whole=False)
    state = start | trained.state
    state = seed_run.runtime.take(method, state)
    seed_run.path.mkdir(exist_ok=True)
    tasks = seed_run.data.tasks()
    predict_tasks(seed_run, method, state, tasks, report)
    (seed_run.path / "metrics.jsonl").touch()
    score_controls(seed_run, method, state, tasks, report)
    score_candidates(seed_run, method, state, tasks, report)
    spent = _spent(run / seed_run.path.name / "costs.json")
    keep_costs(seed_run, method, replace(trained, state=state), tasks, None, spent=spent)
    report(progress.DONE, seed_run.test_episodes)
    lacking = (
        name.partition("/")[2] for name in start.keys() - trained.state.keys() if group_of(name) == "weights"
    )
    return sorted({".".join(name.split(".")[:2]) for name in lacking if not is_head(name)})


def _spent(costs: Path) -> dict[str, Any]:
    """The operations of a seed's meta-training, as far as they were counted; nothing without the file."""
    found = json_text.read(costs, "run it again") if costs.is_file() else {}
    return {key: found[key] for key in ("train_flops", "select_flops") if key in found}


def _curves(
    config: RunConfig,
    folder: Path,
    data: Datasets,
    run: Path,
    domains: Sequence[Domain],
    runtime: Runtime,
    console: Console,
) -> None:
    """Write curves.parquet: accuracy per episode after each number of adaptation steps (`test_steps`)."""
    episodes = min(_CURVE_EPISODES, config.budget.eval_episodes)
    tables = []
    points = list(product(config.seeds, STEPS))
    for seed, steps in progress.tracked(points, "curves", len(points), console):
        settings = {**config.settings, "test_steps": steps}
        method = build(config.model_copy(update={"settings": settings}), domains)
        start = State(method.start(generator(seed, "start")))
        state = runtime.take(method, start | checkpoint(run, seed).state)
        for domain, shape in data.tasks():
            probabilities = evaluate(method, state, domain, shape, episodes).probabilities
            predicted = probabilities.astype(np.float16).argmax(-1)  # as predictions.parquet rounds
            labels = query_labels(domain.name, "test", EVALUATION_SEED, shape, np.arange(episodes))
            columns = {
                "task": [task_name(domain, shape)] * episodes,
                "seed": np.full(episodes, seed, np.int16),
                "episode": np.arange(episodes, dtype=np.int32),
                "steps": np.full(episodes, steps, np.int16),
                "accuracy": (predicted == labels).mean(1),
            }
            tables.append(pa.table(columns, schema=SCHEMA))
    result.write_table(folder / CURVES, pa.concat_tables(tables))
