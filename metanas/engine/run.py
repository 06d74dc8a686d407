"""A run: meta-train and evaluate one method over seeds, and leave a run folder that is whole or absent.

The unit of work is a `SeedRun`. Everything it leaves is written atomically and reused, so a killed run
resumes. `collect.finish` puts the seeds together; submission.json is written last and says that all is there.

    run/  config.yaml  metrics.jsonl  predictions.parquet  choices.parquet  controls.parquet
          candidates.parquet (if asked for)  architecture.json  architectures.svg  architecture-*.svg
          report.html  submission.json
          seed0/{state.safetensors, *.parquet, costs.json}
"""

from pathlib import Path

from metanas.base import distributed
from metanas.base.allocator import keep_freed_memory
from metanas.base.atomic import write_atomically
from metanas.base.seeding import generator
from metanas.data.datasets import Datasets
from metanas.data.episode import Episodes
from metanas.data.meta_batches import MetaBatchSampler
from metanas.engine import config as configs
from metanas.engine import tracking
from metanas.engine.candidates import score_candidates
from metanas.engine.collect import TRAINED_ELSEWHERE, keep_costs, trained_elsewhere
from metanas.engine.config import ConfigError, RunConfig
from metanas.engine.controls import score_controls
from metanas.engine.early_stopping import EarlyStop, affordable
from metanas.engine.predict import predict_tasks
from metanas.engine.runtime import CPU, Runtime
from metanas.engine.seed_run import ProgressCallback, SeedRun, build
from metanas.engine.tracking import Tracker
from metanas.engine.trainer import meta_train
from metanas.engine.validation import accuracy, selection
from metanas.evaluation import result
from metanas.method import Method, State

DRAWN = 8  # iterations of each number of shots whose operations are counted, where ways are drawn


def prepare(
    config: RunConfig,
    folder: Path,
    data: Datasets,
    *,
    workers: int = 0,
    controls: bool = True,
    regret: bool = False,
    runtime: Runtime = CPU,
    trained_on: result.MetaTraining | None = None,
) -> list[SeedRun]:
    """Make the run folder and return what is to be done; nothing if the run is complete.

    A complete run of some of the seeds grows: what these have stays. One of more seeds loses the others, all
    but the first: what they have stays, too, for when it grows again. trained_on: what another run was
    meta-trained on, whose states answer; None for a run that trains. ConfigError if the folder holds another
    run, or for `tracking` without its package.
    """
    tracking.check(config)
    path = folder / "config.yaml"
    known = configs.read(path) if path.exists() else None
    if known is not None and trained_elsewhere(folder) != trained_on:
        raise ConfigError(
            f"{folder} holds what was meta-trained otherwise (`metanas evaluate` answers with the states of "
            "another run); give another --out"
        )
    if known is None:
        build(config, data.values())  # settings that cannot be are refused before anything is written
    folder.mkdir(parents=True, exist_ok=True)
    if known is not None and (known := configs.as_offered(known, config)) != config:
        if not (_grows(known, config) or _shrinks(known, config)):
            raise ConfigError(
                f"{folder} holds a run with other settings ({configs.difference(known, config)}); give "
                "another --out, or delete it"
            )
        (folder / result.SUBMISSION).unlink(missing_ok=True)  # first: killed here, nothing is lost
    if trained_on is not None:
        write_atomically(folder / TRAINED_ELSEWHERE, trained_on.model_dump_json(indent=1).encode())
    if known != config:
        configs.write(config, path)
    if (folder / result.SUBMISSION).exists():
        return []
    return [SeedRun(config, folder, data, seed, workers, controls, regret, runtime) for seed in config.seeds]


def _grows(known: RunConfig, config: RunConfig) -> bool:
    """Whether `config` is `known` with more seeds."""
    same = known.model_copy(update={"seeds": config.seeds}) == config
    return same and set(known.seeds) < set(config.seeds)


def _shrinks(known: RunConfig, config: RunConfig) -> bool:
    """Whether `config` is `known` with fewer seeds; the first, whose operations were counted, must stay."""
    return known.seeds[0] == config.seeds[0] and _grows(config, known)


def work(seed_run: SeedRun, report: ProgressCallback) -> None:
    """Meta-train and test, resuming from what is there; together with the other processes, if any."""
    keep_freed_memory()
    with seed_run.runtime.active():
        _work(seed_run, report)


def _work(seed_run: SeedRun, report: ProgressCallback) -> None:
    config, data = seed_run.config, seed_run.data
    method = build(config, data.values())
    sampler = meta_batches(config, data, seed_run.seed)
    iterations = num_iterations(config, method, sampler)
    units = seed_run.training_steps
    with Tracker(config, seed_run.seed, seed_run.folder) as tracker:
        trained = meta_train(
            method,
            sampler,
            iterations,
            seed_run.path,
            workers=seed_run.workers,
            runtime=seed_run.runtime,
            stop=early_stop(config, method, data),
            select=selection(method, data.validation_tasks()),
            on_progress=lambda i: report("meta-training", i * units // max(iterations, 1)),
            log=tracker.log,
        )

    def testing(doing: str, done: int) -> None:
        report(doing, units + done)

    predict_tasks(seed_run, method, trained.state, data.tasks(), testing)
    distributed.barrier()
    score_controls(seed_run, method, trained.state, data.tasks(), testing)
    score_candidates(seed_run, method, trained.state, data.tasks(), testing)
    distributed.barrier()
    if distributed.rank() == 0 and not seed_run.costs.exists():
        report("counting operations", seed_run.steps)
        kinds = sample_batches(config, sampler) if iterations else []
        with distributed.single_process():
            keep_costs(seed_run, method, trained, data.tasks(), kinds)


def meta_batches(config: RunConfig, data: Datasets, seed: int) -> MetaBatchSampler:
    """The meta-training batches of this seed."""
    return MetaBatchSampler(data.trained(), config.suite.train_shapes, config.budget.tasks, seed)


def num_iterations(config: RunConfig, method: Method, sampler: MetaBatchSampler) -> int:
    """Iterations of meta-training: the budget's, or as many as its operations pay for, on any device."""
    if not method.trains:
        return 0
    if config.budget.flops is None:
        return config.budget.iterations
    with distributed.single_process():
        state = CPU.start(method, generator(sampler.seed, "start"))
        return affordable(method, state, sample_batches(config, sampler), config.budget.flops)


def sample_batches(config: RunConfig, sampler: MetaBatchSampler) -> list[list[Episodes]]:
    """One meta-batch of each shape that training takes in turn; several where their ways are drawn."""
    each = DRAWN if config.suite.fewest_ways else 1
    return [sampler[i] for i in range(each * len(config.suite.shots))]


def early_stop(config: RunConfig, method: Method, data: Datasets) -> EarlyStop | None:
    """The early stopping that the budget asks for. DataError if a domain has no meta-validation classes."""
    budget = config.budget
    if budget.patience is None:
        return None

    def check(state: State) -> float:
        return accuracy(method, state, data.validation_tasks(), budget.check_episodes)

    return EarlyStop(budget.check_every, budget.patience, check)
