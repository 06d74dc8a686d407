"""A grid of methods x seeds: resumes, survives a killed worker, and does every cell once."""

import json
import os
import shutil
import sys
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from metanas.base.errors import MetanasError
from metanas.base.executor import Kind
from metanas.data.datasets import Datasets
from metanas.engine import config, seed_run
from metanas.engine import run as runs
from metanas.engine.config import ConfigError
from metanas.engine.seed_run import SeedRun
from metanas.evaluation import result
from metanas.studies import grid
from tests.engine.test_early_stopping import TINY


def wanted(folder: Path, *methods: str) -> list[tuple[config.RunConfig, Path]]:
    overrides = (*TINY, "budget.iterations=2")
    return [
        (
            config.resolve(m, "mini-v1", domains=("langid",), seeds=(0, 1), overrides=overrides),
            folder / m,
        )
        for m in methods
    ]


def spread(folder: Path, kind: Kind = "local") -> None:
    grid.run(wanted(folder, "chance", "protonet"), root=None, jobs=2, kind=kind, db=f"{folder}/board.db")


def stamps(folder: Path) -> dict[str, int]:
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in folder.glob("*/seed*/costs.json")}


@pytest.mark.parametrize("kind", ["local", "ray"])
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
def test_a_grid_makes_whole_runs_and_a_second_start_does_nothing_again(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    spread(tmp_path, kind)
    for name in ("chance", "protonet"):
        assert json.loads((tmp_path / name / "submission.json").read_text())["seeds"] == [0, 1]
    before = stamps(tmp_path)
    assert len(before) == 4
    (tmp_path / "protonet" / "seed1" / "costs.json").unlink()  # as if killed at its end
    (tmp_path / "protonet" / "submission.json").unlink()
    spread(tmp_path, kind)
    after = stamps(tmp_path)
    assert {name for name in before if before[name] != after[name]} == {"protonet/seed1/costs.json"}


def test_a_run_gains_and_loses_seeds_and_changes_in_nothing_else(tmp_path: Path) -> None:
    ((two, folder),) = wanted(tmp_path, "chance")
    three = two.model_copy(update={"seeds": (0, 1, 2)})
    seen = []
    for made, where in ((two, folder), (three, folder), (three, tmp_path / "fresh")):
        grid.run([(made, where)], root=None, jobs=1, db=f"{tmp_path}/board.db")
        seen.append(stamps(tmp_path))
    assert len(seen[0]) == 2 and len(seen[1]) == 3 and seen[0].items() <= seen[1].items()
    for name in ("config.yaml", "predictions.parquet"):
        assert (folder / name).read_bytes() == (tmp_path / "fresh" / name).read_bytes()
    assert json.loads((folder / "submission.json").read_text())["seeds"] == [0, 1, 2]
    without_first, other_trials = (
        two.model_copy(update={"seeds": (1, 2)}),
        three.model_copy(update={"trials": 7}),
    )
    for other in (without_first, other_trials):
        with pytest.raises(ConfigError, match="holds a run with other settings .(seeds|trials): .* there, "):
            runs.prepare(other, folder, Datasets.open(other.suite))
    assert (folder / "submission.json").exists()
    grid.run([(two, folder)], root=None, jobs=1, db=f"{tmp_path}/board.db")
    assert json.loads((folder / "submission.json").read_text())["seeds"] == [0, 1]
    assert stamps(tmp_path).items() >= seen[1].items(), "what the third seed has stays"
    assert json.loads((folder / "submission.json").read_text())["costs"]["train_flops"] is not None


def test_new_budgets_in_a_suite_do_not_make_a_run_another_one(tmp_path: Path) -> None:
    ((made, folder),) = wanted(tmp_path, "chance")
    grid.run([(made, folder)], root=None, jobs=1, db=f"{tmp_path}/board.db")
    older = made.suite.model_copy(update={"budgets": {"smoke": made.suite.budgets["smoke"]}})
    config.write(made.model_copy(update={"suite": older}), folder / "config.yaml")
    assert runs.prepare(made, folder, Datasets.open(made.suite)) == [], "complete"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two seeds, without its result."""
    ((made, folder),) = wanted(tmp_path_factory.mktemp("finished"), "chance")
    grid.run([(made, folder)], root=None, jobs=1, db=None)
    (folder / "submission.json").unlink()
    return folder


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("costs.json", '{"parameters": "x"}', "parameters is 'x', not a number"),
        ("costs.json", '{"train_seconds": null}', "train_seconds is None, not a number"),
        ("costs.json", '{"train_seconds": -1}', "train_seconds is -1, less than 0"),
        ("costs.json", '{"device": 5}', "device is 5, not texts by name"),
        ("langid-5w1s.parquet", "half", "has .* rows of .*; delete it, and the same command makes it again"),
    ],
)
def test_a_seed_s_damaged_file_is_named_and_nothing_is_published(
    tmp_path: Path, finished: Path, name: str, content: str, message: str
) -> None:
    ((made, folder),) = wanted(tmp_path, "chance")
    shutil.copytree(finished, folder)
    path = folder / "seed0" / name
    if content == "half":
        rows = result.read_table(path, result.SCHEMA)
        pq.write_table(rows.slice(0, len(rows) // 2), path)
    else:
        path.write_text(json.dumps(json.loads(path.read_text()) | json.loads(content)))
    with pytest.raises(MetanasError, match=message) as raised:
        grid.run([(made, folder)], root=None, jobs=1, db=None)
    assert str(path) in str(raised.value) and raised.value.exit_code == 3
    assert not (folder / "submission.json").exists()


def test_two_grids_at_once_do_a_cell_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ((made, folder),) = wanted(tmp_path, "chance")
    cell = runs.prepare(made, folder, Datasets.open(made.suite))[0]
    worked: list[str] = []

    def work(cell: SeedRun, report: seed_run.ProgressCallback) -> None:
        worked.append(cell.name)
        meet.wait(0.2)  # the other one is at the lock by now
        for name in ("costs.json", "langid-5w1s.parquet"):
            (cell.path / name).write_text("{}")

    meet = threading.Event()
    monkeypatch.setattr(runs, "work", work)
    both = [
        threading.Thread(target=grid.seed_run_once, args=(cell, lambda doing, done: None)) for _ in range(2)
    ]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert worked == ["chance seed 0"]
