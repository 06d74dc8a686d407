"""A small transfer study: rows, variants, resuming, scores."""

from pathlib import Path

import pytest
import torch

from metanas import config, transfer
from metanas.config import ConfigError, RunConfig
from metanas.evaluation import transfer as scored
from metanas.evaluation.result import ResultError

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


def test_a_variant_takes_each_half_from_where_it_says() -> None:
    one, zero = torch.ones(1), torch.zeros(1)
    trained, fresh = {"arch/node": one, "weights/w": one}, {"arch/node": zero, "weights/w": zero}
    assert transfer.mixed(trained, fresh, "arch") == {"arch/node": one, "weights/w": zero}
    assert transfer.mixed(trained, fresh, "weights") == {"arch/node": zero, "weights/w": one}
    assert transfer.mixed(trained, fresh, "both") == trained
    assert transfer.mixed(trained, fresh, "neither") == fresh


def test_a_study_is_scored_from_its_answers_and_done_work_stays(tmp_path: Path) -> None:
    pieces = transfer.plan(small(), ["digits,langid"], DOMAINS, scored.VARIANTS, tmp_path, None)
    assert [piece.train for piece in pieces[::2]] == [("digits",), ("langid",), ("digits", "langid")]
    for piece in pieces:
        transfer.work(piece)
    transfer.finish(pieces)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")}
    assert len(before) == 2 * 6 * 4 * 2  # answers and choices: pieces x variants x tasks
    matrix = scored.read(tmp_path)
    assert len(matrix.cells) == 6 and len(matrix.parts) == 18
    assert [cell.difference is None for cell in matrix.cells] == [True, False, False, True, False, False]
    for piece in pieces:
        transfer.work(piece)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")} == before
    assert scored.read(tmp_path) == matrix
    damaged = next(iter(sorted(before)))
    answers = damaged.with_name("digits-5w1s.parquet")
    answers.write_bytes(answers.read_bytes()[:50])
    with pytest.raises(ResultError, match=r"cells/.*digits-5w1s.parquet: not a readable Parquet file"):
        scored.read(tmp_path)


def test_a_folder_of_another_study_is_refused(tmp_path: Path) -> None:
    transfer.plan(small(), [], DOMAINS, ("both",), tmp_path, None)
    other = small().model_copy(update={"seeds": (5,)})
    with pytest.raises(ConfigError, match="holds a study with other settings"):
        transfer.plan(other, [], DOMAINS, ("both",), tmp_path, None)
