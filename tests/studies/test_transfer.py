"""A small transfer study: rows, variants, resuming, scores."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from typer.testing import CliRunner

from leaderboard.repository import studies
from metanas.cli.app import app
from metanas.data import manifest
from metanas.data.domain import Domain
from metanas.data.episode import EVALUATION_SEED, EpisodeShape
from metanas.data.sampler import query_labels
from metanas.engine import config
from metanas.engine.config import ConfigError, RunConfig
from metanas.evaluation import result, study, tables
from metanas.evaluation import transfer as scored
from metanas.evaluation.charts import heatmap
from metanas.evaluation.result import ResultError, parse_table
from metanas.method import State
from metanas.studies import transfer

SMALL = ("space.layers=1", "space.channels=4", "suite.shots=[1]", "suite.queries=3")
DOMAINS = ("digits", "langid")


def small() -> RunConfig:
    numbers = ("budget.iterations=1", "budget.tasks=1", "budget.eval_episodes=3")
    return config.resolve("maml", "mini-v1", domains=DOMAINS, seeds=(0, 1), overrides=(*SMALL, *numbers))


def test_rows_are_sets_leave_one_out_and_always_the_in_domain_ones() -> None:
    names = ("digits", "langid", "spoken-words")
    assert transfer.rows(["digits,langid"], names, ("langid",)) == [("langid",), ("digits", "langid")]
    loo = transfer.rows(["loo"], names, names)
    assert loo[3:] == [("langid", "spoken-words"), ("digits", "spoken-words"), ("digits", "langid")]
    assert transfer.rows(["lom"], names, names) == loo  # here every domain is a modality of its own
    with pytest.raises(ConfigError, match="--train: the suite has no domain 'digit'; it has: digits"):
        transfer.rows(["digit"], names, names)


def test_weights_alone_are_trained_ones_with_the_initial_architecture() -> None:
    one, zero = torch.ones(1), torch.zeros(1)
    trained, fresh = {"arch/node": one, "weights/w": one}, {"arch/node": zero, "weights/w": zero}
    assert transfer.mixed(State(trained), State(fresh)) == {"arch/node": zero, "weights/w": one}


def test_a_study_is_scored_from_its_answers_and_done_work_stays(tmp_path: Path) -> None:
    pieces = transfer.plan(small(), ["digits,langid"], DOMAINS, study.VARIANTS, tmp_path, None)
    assert [piece.train for piece in pieces[::2]] == [("digits",), ("langid",), ("digits", "langid"), ()]
    for piece in pieces:
        transfer.work(piece, lambda doing, done: None)
    transfer.finish(pieces, ["--method", "maml"])
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")}
    # (pieces x variants) x tasks, of which `decoded` and `swap` have answers and the others choices too
    assert len(before) == ((6 * 2 + 2) * 2 + 6 * 2) * 2 + 1
    matrix = scored.read(tmp_path)
    assert matrix.study.arguments == ("--method", "maml")
    assert len(matrix.cells) == 6
    assert [part.variant for part in matrix.parts] == ["both", "weights", "swap"] * 6
    (table,) = [t for t in tables.transfer(matrix) if t.title.startswith("What transfers")]
    assert table.columns == ("trained on", "tested on", "both", "weights only", "swap test")
    assert [cell.difference is None for cell in matrix.cells] == [True, False, False, True, False, False]
    for piece in pieces:
        transfer.work(piece, lambda doing, done: None)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")} == before
    assert scored.read(tmp_path) == matrix
    shutil.rmtree(tmp_path / "cells")
    assert scored.read(tmp_path) == matrix, "the two files are all that scoring needs"


def test_the_swap_compares_the_same_weights_under_two_architectures(tmp_path: Path) -> None:
    """Answers in which the own architecture is right everywhere and the swapped one nowhere."""
    config = small().model_copy(update={"seeds": (0,)})
    pieces = transfer.plan(config, [], DOMAINS, ("both", "decoded", "swap"), tmp_path, None)
    for piece in pieces:
        transfer.work(piece, lambda doing, done: None)
        for domain in DOMAINS:
            labels = query_labels(domain, "test", EVALUATION_SEED, EpisodeShape(5, 1, 3), np.arange(3))
            for variant, given in (("decoded", labels), ("swap", (labels + 1) % 5)):
                rows = result.table(f"{domain}/5w1s", 0, 0, np.eye(5)[given])
                result.write_table(piece.path / variant / f"{domain}-5w1s.parquet", rows)
    transfer.finish(pieces)
    parts = scored.read(tmp_path).parts
    assert {(part.variant, part.gain.mean, part.accuracy.mean) for part in parts} == {("swap", 1.0, 1.0)}


def test_a_method_without_an_architecture_has_no_swap(tmp_path: Path) -> None:
    config = small().model_copy(update={"seeds": (0,), "method": "chance"})
    config = config.model_copy(update={"settings": {"space": config.settings["space"]}})
    pieces = transfer.plan(config, [], DOMAINS, study.VARIANTS, tmp_path, None)
    for piece in pieces:
        transfer.work(piece, lambda doing, done: None)
    assert transfer.finish(pieces).variants == ("both", "weights", "neither")
    assert {part.variant for part in scored.read(tmp_path).parts} == {"both", "weights"}


def test_damaged_answers_are_named(tmp_path: Path) -> None:
    config = small().model_copy(update={"seeds": (0,)})
    pieces = transfer.plan(config, [], ("digits",), ("both",), tmp_path, None)
    transfer.work(pieces[0], lambda doing, done: None)
    transfer.finish(pieces)
    path, document = tmp_path / study.ANSWERS, json.loads((tmp_path / study.STUDY).read_text())
    whole = path.read_bytes()
    path.write_bytes(whole[:50])
    with pytest.raises(ResultError, match=r"answers.parquet: not a readable Parquet file"):
        scored.read(tmp_path)
    pq.write_table(parse_table(study.ANSWERS, whole, study.SCHEMA).slice(1), path)
    with pytest.raises(ResultError, match=r"answers.parquet: SHA-256 is [0-9a-f]{64}, study.json says"):
        scored.read(tmp_path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    (tmp_path / study.STUDY).write_text(json.dumps(document | {"answers_sha256": digest}))
    with pytest.raises(
        ResultError, match=r"digits, both, digits/5w1s, seed 0: expected each of the episodes"
    ):
        scored.read(tmp_path)


def test_a_folder_of_another_study_is_refused(tmp_path: Path) -> None:
    transfer.plan(small(), [], DOMAINS, ("both",), tmp_path, None)
    other = small().model_copy(update={"seeds": (5,)})
    with pytest.raises(ConfigError, match="holds a study with other settings"):
        transfer.plan(other, [], DOMAINS, ("both",), tmp_path, None)


COMMITTED = sorted((Path(__file__).parents[2] / "leaderboard" / "studies").rglob(study.STUDY))


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: "/".join(path.parts[-3:-1]))
def test_committed_studies_load_for_ever_and_are_on_the_pinned_data(path: Path) -> None:
    matrix = scored.read(path.parent)
    done = matrix.study
    assert (done.suite, done.method) == path.parts[-3:-1]
    assert len(matrix.cells) == len(done.rows) * len(done.domains)
    table = tables.transfer(matrix)[2]
    if done.schema_version == 1:
        assert table.columns[2:] == ("both", "weights only", "arch on untrained weights")
    pinned = manifest.read(done.suite)
    for task in done.tasks:
        assert task.fingerprint == pinned[task.domain]["sample" if task.sample else "full"]["fingerprint"]


def test_there_are_committed_studies_of_both_suites() -> None:
    assert {path.parts[-3] for path in COMMITTED} == {"mini-v1", "core-v1"}


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: "/".join(path.parts[-3:-1]))
def test_the_recorded_command_asks_for_what_was_done(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line reads the arguments; what it would work on is compared with the study.

    What the command leaves to the suite's and method's defaults may have changed since the study's commit.
    """
    done = study.parse(path.parent)
    if not done.arguments:
        pytest.skip("the study is older than the record of its command")
    asked: list[tuple[RunConfig, tuple[str, ...], list[tuple[str, ...]], tuple[str, ...]]] = []

    def plan(
        wanted: RunConfig, train: list[str], tests: tuple[str, ...], variants: tuple[str, ...], *_: object
    ) -> list[transfer.Piece]:
        tests = tests or wanted.suite.domains
        asked.append((wanted, tests, transfer.rows(train, wanted.suite.domains, tests), variants))
        raise KeyboardInterrupt

    monkeypatch.setattr(transfer, "plan", plan)
    CliRunner().invoke(app, ["transfer", *done.arguments])
    ((wanted, tests, rows, variants),) = asked
    assert (wanted.method, wanted.suite.name, wanted.seeds) == (done.method, done.suite, done.seeds)
    assert (tests, tuple(rows)) == (done.domains, done.rows)
    assert set(variants) - set(study.VARIANTS) == set()
    if done.schema_version == 2:
        assert set(done.variants) <= set(variants)
    given = config.parse_overrides([text for text in done.arguments if "=" in text])
    assert given["budget"].items() <= done.budget.items()
    assert {t.shape for t in done.tasks} == {s for d in tests for s in wanted.suite.shapes(d)}


def test_a_domain_of_test_classes_alone_has_no_row_and_is_tested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("digits", "langid", "spoken-words")
    assert transfer.rows(["loo", "digits"], names, names, {"langid"}) == [
        ("digits",),
        ("spoken-words",),
        ("digits", "spoken-words"),
    ]
    with pytest.raises(ConfigError, match="langid only has meta-test classes; to train on there are: dig"):
        transfer.rows(["langid"], names, names, {"langid"})
    monkeypatch.setattr(Domain, "trains", property(lambda domain: domain.name == "digits"))
    config = small().model_copy(update={"seeds": (0,)})
    pieces = transfer.plan(config, ["digits"], ("langid",), ("both",), tmp_path, None)
    assert [piece.train for piece in pieces] == [("digits",)]
    transfer.work(pieces[0], lambda doing, done: None)
    transfer.finish(pieces)
    matrix = scored.read(tmp_path)
    (cell,) = matrix.cells
    assert (cell.train, cell.test, cell.difference, cell.p) == ("digits", "langid", None, None)
    assert tables.transfer(matrix)[1].rows[0][1].endswith(" test-only")
    assert heatmap._values(cell)["kind"] == "test-only"
    assert matrix.study.test_only == ("langid",)
    problems = list(studies._test_only(matrix.study, manifest.read("mini-v1")))  # it does have some
    assert [str(problem) for problem in problems] == [
        "study.json: test_only: 'langid' is not test-only; it has meta-train classes: add --train langid"
    ]
