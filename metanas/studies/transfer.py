"""Cross-domain transfer studies: meta-train on some domains, evaluate on others.

A study is a matrix: a row is a set of meta-training domains, a column a test domain. The unit of work is
(row, seed): meta-train once, save the checkpoint, then predict the pinned test episodes of every column in up
to five variants, of which two take numbers of the random initialisation of the same seed:
- both: trained weights, trained architecture; weights: trained weights, initial architecture;
- decoded: trained weights, the architecture adapted in `both` with its strongest candidates alone; swap: the
  same with the most frequent one of the next test domain (`engine/controls.py`), for methods that have them;
- neither: initial weights and architecture, the reference.
`neither` does not depend on the row, so it has a row of its own, the empty one. Stems of modalities that a
row was not trained on are randomly initialised in every variant. Predictions are written per task
(`cells/<row>/seed<k>/<variant>/*.parquet`) and finally combined into the two files that
`evaluation/study.py` reads and `evaluation/transfer.py` scores.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa

from metanas.base import machine
from metanas.base.atomic import write_atomically
from metanas.base.executor import Kind
from metanas.base.seeding import generator
from metanas.data.adapter import DOMAINS
from metanas.data.datasets import Datasets
from metanas.data.domain import Domain
from metanas.data.episode import EpisodeShape
from metanas.data.meta_batches import MetaBatchSampler
from metanas.data.roots import DataRoot
from metanas.engine import collect
from metanas.engine import config as configs
from metanas.engine.collect import task_of
from metanas.engine.config import ConfigError, RunConfig
from metanas.engine.controls import Asked
from metanas.engine.predict import predict_tasks
from metanas.engine.run import num_iterations
from metanas.engine.runtime import CPU, Runtime
from metanas.engine.seed_run import ProgressCallback, SeedRun, build, predictions_path, task_name
from metanas.engine.trainer import meta_train
from metanas.engine.validation import selection
from metanas.evaluation import result
from metanas.evaluation.study import ANSWERS, FRESH, STUDY, Kept, Study, Variant, row_name, write_answers
from metanas.evaluation.transfer import SWAP
from metanas.method import State
from metanas.params import group_of
from metanas.studies.outputs import check_outputs


@dataclass(frozen=True)
class Piece:
    """One row and seed of a study, the unit of work.

    folder: the study's. data: all domains of the suite; the network is built for all of them, so that the
    random initialisation is the same in every row.
    """

    config: RunConfig
    folder: Path
    data: Datasets
    train: tuple[str, ...]  # meta-training domains; empty in the row of variant `neither`
    tests: tuple[str, ...]  # test domains
    variants: tuple[Variant, ...]
    seed: int
    runtime: Runtime = CPU

    @property
    def path(self) -> Path:
        """The folder of this row and seed."""
        return self.folder / "cells" / row_name(self.train) / f"seed{self.seed}"


def rows(
    train_sets: Sequence[str],
    domains: Sequence[str],
    tests: Sequence[str],
    test_only: Collection[str] = (),
) -> list[tuple[str, ...]]:
    """The rows of a study: sets of meta-training domains, each once.

    train_sets: "a,b", "loo" (leave one out: for each domain, all others) or "lom" (leave one modality out).
    The set of each test domain alone comes first: the others are compared with it. test_only: domains without
    meta-train classes, which have no such row and are left out of "loo" and "lom". ConfigError for a domain
    that the suite does not have, or that is named and cannot be trained on.
    """
    sets: list[tuple[str, ...]] = [(domain,) for domain in tests if domain not in test_only]
    trained = [domain for domain in domains if domain not in test_only]
    for text in train_sets:
        if text == "loo":
            sets += [tuple(d for d in trained if d != left_out) for left_out in domains]
        elif text == "lom":
            modality = {d: DOMAINS[d].modality for d in domains}
            for left_out in dict.fromkeys(modality.values()):
                sets.append(tuple(d for d in trained if modality[d] != left_out))
        else:
            sets.append(tuple(filter(None, text.split(","))))
    for row in sets:
        for name in row:
            if name not in domains:
                raise ConfigError(f"--train: the suite has no domain {name!r}; it has: {', '.join(domains)}")
            if name in test_only:
                raise ConfigError(
                    f"--train: {name} only has meta-test classes; to train on there are: {', '.join(trained)}"
                )
    return list(dict.fromkeys(row for row in sets if row))


def plan(
    config: RunConfig,
    train_sets: Sequence[str],
    tests: Sequence[str],
    variants: Sequence[Variant],
    folder: Path,
    root: DataRoot,
    runtime: Runtime = CPU,
    kind: Kind = "local",
) -> list[Piece]:
    """All pieces of a study; writes its config.yaml.

    train_sets: see `rows`. tests: test domains, empty for all of the suite. root: the data folder, opened
    once for all pieces. runtime, kind: see `Runtime.shared`. ConfigError for an unknown domain, or if
    `folder` holds a study with other settings.
    """
    tests = tuple(tests) or config.suite.domains
    if unknown := [d for d in tests if d not in config.suite.domains]:
        raise ConfigError(f"--test: {config.suite.name} has no domain {unknown[0]!r}")
    data = Datasets.open(config.suite, root)
    test_only = {name for name, domain in data.items() if not domain.trains}
    train_rows = rows(train_sets, config.suite.domains, tests, test_only)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "config.yaml"
    if config.suite.validation:
        raise ConfigError("suite.validation is of runs; a study chooses its training domains by --train")
    if path.exists() and (known := configs.as_offered(configs.read(path), config)) != config:
        raise ConfigError(
            f"{folder} holds a study with other settings ({configs.difference(known, config)}); give another "
            "--out, or delete it"
        )
    configs.write(config, path)
    trained = tuple(v for v in variants if v != "neither")
    rows_and_variants: list[tuple[tuple[str, ...], tuple[Variant, ...]]] = [
        (row, trained) for row in train_rows
    ]
    if "neither" in variants:
        rows_and_variants.append((FRESH, ("neither",)))
    check_outputs([(config, folder)] * len(rows_and_variants), None, None)
    pieces = [
        Piece(config, folder, data, row, tests, row_variants, seed)
        for row, row_variants in rows_and_variants
        for seed in config.seeds
    ]
    places = runtime.shared(len(pieces), kind)
    return [replace(piece, runtime=place) for piece, place in zip(pieces, places, strict=True)]


def work(piece: Piece, report: ProgressCallback) -> None:
    """Meta-train one row and seed and predict with each variant, resuming from what is there."""
    with piece.runtime.active():
        _work(piece, report)


def _work(piece: Piece, report: ProgressCallback) -> None:
    config, data = piece.config, piece.data
    method = build(config, [data[name] for name in sorted(data)])
    domains = [data[name] for name in piece.train]
    sampler = MetaBatchSampler(domains, config.suite.train_shapes, config.budget.tasks, piece.seed)
    iterations = num_iterations(config, method, sampler) if piece.train else 0
    select = selection(method, _training_tasks(piece, domains)) if piece.train else None
    state = meta_train(method, sampler, iterations, piece.path, runtime=piece.runtime, select=select).state
    initial = piece.runtime.start(method, generator(piece.seed, "start"))
    seed_run = SeedRun(config, piece.path, data, piece.seed)
    states = {"both": state, "weights": mixed(state, initial), "neither": initial}
    for variant in piece.variants:
        folder = piece.path / variant
        folder.mkdir(exist_ok=True)
        if variant in states:
            predict_tasks(seed_run, method, states[variant], _test_tasks(piece), report, folder=folder)
    if any(variant in SWAP for variant in piece.variants):
        _swap(piece, Asked(seed_run, method, state, _test_tasks(piece), piece.path / "both"))


def _swap(piece: Piece, asked: Asked) -> None:
    """Write the answers of `decoded` and `swap`, to every task that has none yet and where there are any."""
    for index, (domain, shape) in enumerate(asked.tasks):
        name = task_name(domain, shape)
        paths = {variant: predictions_path(piece.path / variant, name) for variant in SWAP}
        if all(path.exists() for path in paths.values()):
            continue
        answers = asked.answers(index, SWAP)
        if answers.keys() == set(SWAP):
            for variant, path in paths.items():
                certain = np.eye(shape.ways)[answers[variant]]
                result.write_table(path, result.table(name, piece.seed, 0, certain))


def _test_tasks(piece: Piece) -> list[tuple[Domain, EpisodeShape]]:
    """The columns of a study: its test domains with every episode shape of the suite."""
    return [(piece.data[name], shape) for name in piece.tests for shape in piece.config.suite.shapes(name)]


def _training_tasks(piece: Piece, domains: Sequence[Domain]) -> list[tuple[Domain, EpisodeShape]]:
    return [(domain, shape) for domain in domains for shape in piece.config.suite.shapes(domain.name)]


def mixed(trained: State, initial: State) -> State:
    """Trained weights (every group but `arch`) with the initial architecture."""
    return State(
        {
            **{name: t for name, t in trained.items() if group_of(name) != "arch"},
            **{name: t for name, t in initial.items() if group_of(name) == "arch"},
        }
    )


def _answers(piece: Piece, variant: Variant, task: result.Task) -> pa.Table:
    return result.read_table(predictions_path(piece.path / variant, task.name), result.SCHEMA)


def _is_answered(pieces: Sequence[Piece], tasks: Sequence[result.Task], variant: Variant) -> bool:
    """Whether a variant has its answers; a method without an architecture of its own has no swap."""
    return variant not in SWAP or all(
        predictions_path(piece.path / variant, task.name).exists()
        for piece in pieces
        if variant in piece.variants
        for task in tasks
    )


def finish(pieces: Sequence[Piece], arguments: Sequence[str] = ()) -> Study:
    """Write answers.parquet and study.json, from which a study is scored without data or torch.

    arguments: of `metanas transfer`, recorded so that others can repeat the study.
    """
    first = pieces[0]
    config = first.config
    tasks = tuple(task_of(config, *task) for task in _test_tasks(first))
    wanted = dict.fromkeys(variant for piece in pieces for variant in piece.variants)
    variants = tuple(variant for variant in wanted if _is_answered(pieces, tasks, variant))
    answers = [
        Kept(row_name(piece.train), variant, _answers(piece, variant, task))
        for piece in pieces
        for variant in piece.variants
        if variant in variants
        for task in tasks
    ]
    study = Study(
        arguments=tuple(arguments),
        method=config.method,
        suite=config.suite.label,
        suite_version=config.suite.version,
        budget=config.budget.named(config.budget_name),
        settings=config.settings,
        seeds=config.seeds,
        rows=tuple(dict.fromkeys(piece.train for piece in pieces if piece.train)),
        tasks=tasks,
        test_only=tuple(name for name in first.tests if not first.data[name].trains),
        variants=variants,
        environment=machine.environment() | first.runtime.describe(),
        package_version=version("metanas"),
        provenance=collect.provenance(),
        answers_sha256=write_answers(first.folder / ANSWERS, answers),
    )
    text = json.dumps(study.model_dump(mode="json"), indent=1) + "\n"
    write_atomically(first.folder / STUDY, text.encode())
    return study
