"""A trained run answers other pinned episodes: `metanas evaluate`."""

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from metanas.data.datasets import Datasets
from metanas.engine import collect, config, run
from metanas.engine.config import ConfigError
from metanas.evaluation import result
from metanas.evaluation.curves import CURVES, SCHEMA, STEPS
from metanas.evaluation.load_runs import load_runs
from metanas.studies import reevaluate
from tests.cli.program import metanas

SMALL = ("space.layers=1", "space.channels=8", "space.ops=[conv3,skip]", "steps=1", "test_steps=2")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of Reptile on langid, two seeds."""
    folder = tmp_path_factory.mktemp("elsewhere") / "run"
    made = config.resolve(
        "reptile", "mini-v1", budget="smoke", domains=("langid",), seeds=(0, 1), overrides=SMALL
    )
    data = Datasets.open(made.suite)
    for cell in run.prepare(made, folder, data):
        run.work(cell, lambda what, done: None)
    collect.finish(made, folder, data)
    return folder


def test_its_own_episodes_are_answered_as_before_and_the_curve_passes_through_them(
    trained: Path, tmp_path: Path
) -> None:
    again = reevaluate.reevaluate(
        trained,
        "",  # on its own suite: the domains of the run alone
        (),
        "smoke",
        tmp_path / "on",
        None,
        curves=True,
    )
    before, after = result.read(trained), result.read(again)
    assert after.submission.predictions_sha256 == before.submission.predictions_sha256
    assert after.submission.costs.train_flops is None  # it did not train
    assert (after.submission.costs.adapt_flops or 0) > 0
    curve = result.read_table(again / CURVES, SCHEMA).to_pandas()
    assert sorted(curve.steps.unique()) == sorted(STEPS)
    for task, answers in before.answers.items():
        for seed in (0, 1):
            there = curve[(curve.task == task) & (curve.seed == seed) & (curve.steps == 2)]
            np.testing.assert_allclose(there.accuracy, answers.accuracy[seed][: len(there)])


@pytest.mark.parametrize(
    ("suite", "domains"), [("", ("langid",)), ("mini-v1", ("digits", "langid", "spoken-words"))]
)
def test_a_suite_that_is_named_is_taken_whole(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suite: str, domains: tuple[str, ...]
) -> None:
    asked = []
    monkeypatch.setattr(reevaluate, "prepare", lambda config, *_, **__: asked.append(config) or [])
    reevaluate.reevaluate(trained, suite, (), "smoke", tmp_path / "on", None, curves=False)
    assert asked[0].suite.domains == domains


def test_a_domain_it_never_saw_is_answered_from_a_fresh_stem_and_that_is_said(
    trained: Path, tmp_path: Path
) -> None:
    console = Console(file=io.StringIO(), width=200)
    found = reevaluate.reevaluate(
        trained, "mini-v1", ("digits",), "smoke", tmp_path / "on", None, curves=True, console=console
    )
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert f"{trained} did not train these weights, they stay random: stems.image1\n" in shown
    assert "curves: done, 100 %" in shown
    assert set(result.read_table(found / CURVES, SCHEMA)["task"].to_pylist()) == {
        "digits/5w1s",
        "digits/5w5s",
    }
    assert {task.domain for task in result.read(found).submission.tasks} == {"digits"}


def test_a_wrong_manifest_hash_names_both_and_ends_with_code_3(trained: Path, tmp_path: Path) -> None:
    run_folder = shutil.copytree(trained, tmp_path / "run")
    document = json.loads((run_folder / result.SUBMISSION).read_text())
    pinned, document["tasks"][0]["manifest"] = document["tasks"][0]["manifest"], "e" * 64
    (run_folder / result.SUBMISSION).write_text(json.dumps(document))
    words = ["evaluate", str(run_folder), "--suite", "mini-v1", "--domains", "langid", "--budget", "smoke"]
    done = subprocess.run(
        [sys.executable, "-m", "metanas", *words],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 3, done.stderr
    assert f"langid/5w1s: manifest is {'e' * 64}, mini-v1 1.1 pins {pinned}" in done.stderr
    assert not (run_folder / "on-mini-v1").exists()


def test_what_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not a run folder: it has no config.yaml"):
        reevaluate.reevaluate(tmp_path, "mini-v1", (), "smoke", None, None, curves=False)


def test_the_command_prints_scores_and_the_folder_and_shows_progress_elsewhere(
    trained: Path, tmp_path: Path
) -> None:
    done = metanas("evaluate", str(trained), "--budget", "smoke", "--out", "on", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    answered = load_runs([trained])["reptile"].scores  # the same episodes, hence the same answers
    _heading, *tasks, mean, folder = done.stdout.splitlines()
    assert [line.split(None, 1) for line in tasks] == [
        [task, answered.task_interval(task).percent()] for task in answered.tasks
    ]
    assert mean.split(None, 1) == ["mean", answered.mean().percent()]
    assert folder == "on"
    assert [f"seed {seed}: done, 100 %" in done.stderr for seed in (0, 1)] == [True, True]


def test_a_curve_that_cannot_be_is_refused_before_anything_is_answered(tmp_path: Path) -> None:
    made = config.resolve("chance", "mini-v1", budget="smoke", domains=("langid",), seeds=(0,))
    data = Datasets.open(made.suite)
    (seed_run,) = run.prepare(made, tmp_path / "run", data)
    run.work(seed_run, lambda what, done: None)
    collect.finish(made, tmp_path / "run", data)
    with pytest.raises(ConfigError, match="chance has no setting test_steps"):
        reevaluate.reevaluate(tmp_path / "run", "", (), "smoke", tmp_path / "on", None, curves=True)
    assert not (tmp_path / "on").exists()
