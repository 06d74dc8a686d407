"""Killed at 30 random moments of meta-training and evaluation, a run ends with an undisturbed one's numbers.

Workers are forked from this process, which has torch and the data in memory already, so that the kills fall
into the work and not into imports.
"""

import itertools
import os
import random
import signal
import time
from functools import cache
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from metanas.data.datasets import Datasets
from metanas.data.suite import Suite
from metanas.engine import config, run, trainer
from metanas.engine.seed_run import SeedRun
from metanas.evaluation import result

KILLS = 30
SMALL = (
    "space.layers=1",
    "space.channels=4",
    "space.ops=[conv3,skip]",
    "steps=1",
    "test_steps=1",
    "second_order=false",
    "suite.queries=3",
    "suite.shots=[1]",
    "budget.iterations=4",
    "budget.tasks=1",
    "budget.eval_episodes=10",
)


def cell(folder: Path) -> SeedRun:
    made = config.resolve("maml", "mini-v1", domains=("langid",), seeds=(0,), overrides=SMALL)
    data = opened(made.suite.model_dump_json())
    (prepared,) = run.prepare(made, folder, data) or [SeedRun(made, folder, data, 0)]
    return prepared


@cache
def opened(suite: str) -> Datasets:
    return Datasets.open(Suite.model_validate_json(suite))


def start(folder: Path) -> int:
    """A worker in a process of its own, ended by `os._exit`."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            run.work(cell(folder), lambda what, done: None)
            code = 0
        finally:
            os._exit(code)
    return child


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_thirty_kills_change_no_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "SAVE_EVERY", 0.0)  # a checkpoint an iteration: kills fall into its writing
    whole = cell(tmp_path / "whole")
    run.work(whole, lambda what, done: None)
    began = time.monotonic()
    assert os.waitstatus_to_exitcode(os.waitpid(start(tmp_path / "timed"), 0)[1]) == 0
    length = time.monotonic() - began  # of a worker as those that are killed, with everything loaded
    moments, kills, attempt, reached = random.Random(5), 0, 0, set()
    while kills < KILLS:
        folder = tmp_path / f"killed{attempt}"
        attempt += 1
        for patience in itertools.count(
            1
        ):  # more of it each time: on a busy machine half a length may not do
            child = start(folder)
            time.sleep(moments.uniform(0, 0.5 * length * patience))
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                assert status == 0, "the worker failed"
                break  # it was done before the kill
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            kills += 1
            reached |= {path.name for path in folder.rglob("*.parquet")}
            assert patience < 100, "the run never ends"
        same(whole.path, folder / "seed0")
    assert "langid-5w1s.parquet" in reached, "some kills fell into the evaluation"


def same(one: Path, other: Path) -> None:
    """Equal states and answers, and nothing half-written that looks whole."""
    states = [load_file(path / "state.safetensors") for path in (one, other)]
    assert all((states[0][name] == states[1][name]).all() for name in states[0] | states[1])
    tables = [result.read_table(path / "langid-5w1s.parquet", result.SCHEMA) for path in (one, other)]
    assert tables[0].equals(tables[1])
    rows = [(path / "metrics.jsonl").read_text().splitlines() for path in (one, other)]
    assert len(rows[0]) == len(rows[1]) == 4


def test_a_run_folder_is_a_result_only_when_it_is_whole(tmp_path: Path) -> None:
    made = cell(tmp_path / "half")
    with pytest.raises(result.ResultError, match="submission.json: cannot be read"):
        result.read(made.folder)
