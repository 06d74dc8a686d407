"""Cross-domain transfer: meta-train on some domains, adapt to any, say what carried over.

A study is a matrix: a row is a meta-training set, a column a test domain. Its unit of work is (row, seed):
meta-train once, keep the checkpoint, then answer the pinned test episodes of every column in up to four
variants, from the trained state and a fresh one of the same seed:
- both: trained weights and architecture; weights: trained weights, fresh architecture;
- arch: fresh weights, trained architecture; neither: all fresh, so that the others have something to beat.
`neither` is the same for every row, so it is a row of its own, the empty one. Answers are kept as they come
(`cells/<row>/seed<k>/<variant>/*.parquet`) and at the end put together into the two files that
`evaluation/study.py` reads and `evaluation/transfer.py` scores. Stems of modalities that a row never saw are
fresh in every variant.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa

from metanas import config as configs
from metanas import manifest
from metanas.config import ConfigError, RunConfig
from metanas.disk import write_atomically
from metanas.domain import Domain
from metanas.evaluation import cost, result
from metanas.evaluation.study import ANSWERS, FRESH, STUDY, Kept, Study, Variant, row_name, write_answers
from metanas.kinds import DOMAINS
from metanas.method import State
from metanas.run import Cell, asked_tasks, build, part, planned, task_of, test
from metanas.seeding import generator
from metanas.train import Source, meta_train


@dataclass(frozen=True)
class Piece:
    """One row and seed of a study; `train` is empty for the row of fresh states."""

    config: RunConfig  # the network is built for all domains of its suite, so that fresh states are the same
    folder: Path
    root: Path | None
    train: tuple[str, ...]
    tests: tuple[str, ...]
    variants: tuple[Variant, ...]
    seed: int

    @property
    def path(self) -> Path:
        return self.folder / "cells" / row_name(self.train) / f"seed{self.seed}"


def rows(asked: Sequence[str], domains: Sequence[str], tests: Sequence[str]) -> list[tuple[str, ...]]:
    """Meta-training sets: "a,b" as it stands, `loo` all but one domain, `lom` all but one modality.

    The in-domain set of every test domain is always among them: what differences are taken to.
    """
    found: list[tuple[str, ...]] = [(domain,) for domain in tests]
    for text in asked:
        if text == "loo":
            found += [tuple(d for d in domains if d != out) for out in domains]
        elif text == "lom":
            kinds = {d: DOMAINS[d].modality for d in domains}
            found += [tuple(d for d in domains if kinds[d] != out) for out in dict.fromkeys(kinds.values())]
        else:
            found.append(tuple(filter(None, text.split(","))))
    for row in found:
        for name in row:
            if name not in domains:
                raise ConfigError(f"--train: the suite has no domain {name!r}; it has: {', '.join(domains)}")
    return list(dict.fromkeys(row for row in found if row))


def plan(
    config: RunConfig,
    asked: Sequence[str],
    tests: Sequence[str],
    variants: Sequence[Variant],
    folder: Path,
    root: Path | None,
) -> list[Piece]:
    """All pieces of a study. ConfigError if the folder holds another one."""
    tests = tuple(tests) or config.suite.domains
    if unknown := [d for d in tests if d not in config.suite.domains]:
        raise ConfigError(f"--test: {config.suite.name} has no domain {unknown[0]!r}")
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "config.yaml"
    if kept.exists() and configs.read(kept) != config:
        raise ConfigError(f"{folder} holds a study with other settings; give another --out, or delete it")
    configs.write(config, kept)
    trained = tuple(v for v in variants if v != "neither")
    wanted: list[tuple[tuple[str, ...], tuple[Variant, ...]]] = [
        (row, trained) for row in rows(asked, config.suite.domains, tests)
    ]
    if "neither" in variants:
        wanted.append((FRESH, ("neither",)))
    return [
        Piece(config, folder, root, row, tests, parts, seed) for row, parts in wanted for seed in config.seeds
    ]


def work(piece: Piece) -> None:
    """One row and seed, from whatever of it is there already."""
    config = piece.config
    names = config.suite.domains
    domains = {name: Domain.open(name, piece.root, config.suite.of(name)) for name in names}
    for domain in domains.values():
        manifest.check(domain, config.suite)
    method = build(config, [domains[name] for name in sorted(names)])
    trained = domains_that_train(piece, domains)
    source = Source(trained, config.suite.train_shapes, config.budget.tasks, piece.seed)
    iterations = planned(config, method, source) if piece.train else 0
    state = meta_train(method, source, iterations, piece.path).state
    fresh = method.start(generator(piece.seed, "start"))
    tested = [domains[name] for name in piece.tests]
    for variant in piece.variants:
        cell = Cell(config, piece.path, piece.root, piece.seed)
        folder = piece.path / variant
        folder.mkdir(exist_ok=True)
        test(cell, method, mixed(state, fresh, variant), tested, lambda what, n: None, folder=folder)


def domains_that_train(piece: Piece, domains: dict[str, Domain]) -> list[Domain]:
    """The row's domains. ConfigError for one that has no meta-train classes."""
    found = [domains[name] for name in piece.train]
    if unfit := [domain.name for domain in found if not domain.trains]:
        raise ConfigError(f"--train: {unfit[0]} only has meta-test classes")
    return found


def mixed(trained: State, fresh: State, variant: Variant) -> State:
    """The state of a variant: whose weights (all that is not architecture), whose architecture."""
    weights = trained if variant in ("both", "weights") else fresh
    arch = trained if variant in ("both", "arch") else fresh
    return {
        **{name: t for name, t in weights.items() if not name.startswith("arch/")},
        **{name: t for name, t in arch.items() if name.startswith("arch/")},
    }


def _answers(piece: Piece, variant: Variant, task: result.Task) -> pa.Table:
    return result.read_table(part(piece.path / variant, task.name), result.SCHEMA)


def finish(pieces: Sequence[Piece], arguments: Sequence[str] = ()) -> Study:
    """answers.parquet and study.json: all that scoring needs, without data or torch.

    arguments: of `metanas transfer`, so that others can do the same.
    """
    first = pieces[0]
    config = first.config
    domains = [Domain.open(name, first.root, config.suite.of(name)) for name in first.tests]
    tasks = tuple(task_of(config, *one) for one in asked_tasks(config, domains))
    kept = [
        Kept(row_name(piece.train), variant, _answers(piece, variant, task))
        for piece in pieces
        for variant in piece.variants
        for task in tasks
    ]
    study = Study(
        arguments=tuple(arguments),
        method=config.method,
        suite=config.suite.name,
        suite_version=config.suite.version,
        budget=config.budget.named(config.budget_name),
        settings=config.settings,
        seeds=config.seeds,
        rows=tuple(dict.fromkeys(piece.train for piece in pieces if piece.train)),
        tasks=tasks,
        variants=tuple(dict.fromkeys(variant for piece in pieces for variant in piece.variants)),
        environment=cost.environment(),
        package_version=version("metanas"),
        provenance=cost.provenance(Path(__file__)),
        answers_sha256=write_answers(first.folder / ANSWERS, kept),
    )
    text = json.dumps(study.model_dump(mode="json"), indent=1) + "\n"
    write_atomically(first.folder / STUDY, text.encode())
    return study
