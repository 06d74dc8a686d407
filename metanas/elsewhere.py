"""A trained run on other episodes than its own: another suite, other domains, fewer or more steps.

The network is built for the domains of both; what the run never saw (the stem of a new modality, a head of
another number of ways) has the numbers that its training would have begun with.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from metanas import config as configs
from metanas import manifest
from metanas.config import ConfigError, RunConfig
from metanas.domain import Domain
from metanas.episode import query_labels
from metanas.evaluation import result
from metanas.evaluation.curves import CURVES, SCHEMA, STEPS
from metanas.evaluation.evaluate import evaluate as answers
from metanas.evaluation.result import ResultError
from metanas.run import Cell, asked_tasks, build, finish, keep_costs, open_domains, prepare, task_name, test
from metanas.seeding import generator
from metanas.train import Trained, checkpoint

CURVE_EPISODES = 50


def evaluate(
    run: Path,
    suite: str,
    domains: Sequence[str],
    budget: str,
    out: Path | None,
    root: Path | None,
    *,
    curves: bool,
) -> Path:
    """Answer a suite with the checkpoints of `run`; returns the new run folder.

    ConfigError, DataError; ResultError for a result whose episodes are not the suite's.
    """
    before = configs.of_run(run)
    other = configs.resolve(before.method, suite or before.suite.name, budget=budget, domains=domains)
    config = other.model_copy(
        update={"settings": before.settings, "seeds": before.seeds, "trials": before.trials}
    )
    folder = out or run / f"on-{config.suite.name}"
    for made in (run, folder):
        _check_pins(made, config, root)
    cells = prepare(config, folder, root)
    if cells:
        here = open_domains(config, root)
        names = {domain.name for domain in here}
        there = [d for d in open_domains(before, root) if d.name not in names]
        for cell in cells:
            _cell(cell, run, [*there, *here], here)
        finish(config, folder, root)
    if curves:
        _curves(config, folder, root, run, before)
    return folder


def _check_pins(folder: Path, config: RunConfig, root: Path | None) -> None:
    """ResultError if a result in `folder` answered other episodes than this suite pins on the data here."""
    if not (folder / result.SUBMISSION).exists():
        return
    made = result.read_submission(folder / result.SUBMISSION)
    if (made.suite, made.suite_version) != (config.suite.name, config.suite.version):
        return  # other episodes are what was asked for
    for task in made.tasks:
        if task.domain in config.suite.domains:
            domain = Domain.open(task.domain, root, config.suite.of(task.domain))
            pinned = manifest.episodes_hash(domain, task.shape, task.episodes)
            if task.manifest != pinned:
                raise ResultError(
                    f"{folder / result.SUBMISSION}: tasks: {task.name}: manifest is {task.manifest}, "
                    f"{config.suite.name} {config.suite.version} pins {pinned}"
                )


def _cell(cell: Cell, run: Path, known: Sequence[Domain], tested: Sequence[Domain]) -> None:
    method = build(cell.config, known)
    trained = checkpoint(run, cell.seed)
    state = {**method.start(generator(cell.seed, "start")), **trained.state}
    cell.path.mkdir(exist_ok=True)
    seconds = test(cell, method, state, tested, lambda what, n: None)
    (cell.path / "metrics.jsonl").touch()
    keep_costs(cell, method, Trained(state, trained.iteration, trained.seconds), tested, seconds, None)


def _curves(config: RunConfig, folder: Path, root: Path | None, run: Path, before: RunConfig) -> None:
    """curves.parquet: accuracy per episode after each number of steps, for methods with `test_steps`.

    before: the run's own configuration; its checkpoints need the stems of all its domains.
    """
    if "test_steps" not in config.settings:
        raise ConfigError(f"{config.method} has no setting test_steps, so it has no curve over steps")
    domains = open_domains(config, root)
    known = [d for d in open_domains(before, root) if d.name not in config.suite.domains] + domains
    episodes = min(CURVE_EPISODES, config.budget.eval_episodes)
    tables = []
    for seed in config.seeds:
        state = checkpoint(run, seed).state
        for steps in STEPS:
            changed = {**config.settings, "test_steps": steps}
            method = build(config.model_copy(update={"settings": changed}), known)
            whole = {**method.start(generator(seed, "start")), **state}
            for domain, shape in asked_tasks(config, domains):
                found = answers(method, whole, domain, shape, episodes).probabilities
                stored = found.astype(np.float16).argmax(-1)
                labels = query_labels(domain.name, "test", 0, shape, np.arange(episodes))
                columns = {
                    "task": [task_name(domain, shape)] * episodes,
                    "seed": np.full(episodes, seed, np.int16),
                    "episode": np.arange(episodes, dtype=np.int32),
                    "steps": np.full(episodes, steps, np.int16),
                    "accuracy": (stored == labels).mean(1),
                }
                tables.append(pa.table(columns, schema=SCHEMA))
    result.write_table(folder / CURVES, pa.concat_tables(tables))
