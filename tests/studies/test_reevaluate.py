"""A trained run answers other pinned episodes: `metanas evaluate`."""

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from rich.console import Console

from leaderboard.bundle.pack import collect as collect_bundle
from leaderboard.bundle.problem import BundleError
from leaderboard.scoring.validate import validate
from leaderboard.store.store import track_of
from metanas.data.datasets import Datasets
from metanas.data.suite import file_of
from metanas.engine import collect, config, run
from metanas.engine.config import ConfigError
from metanas.evaluation import result
from metanas.evaluation.curves import CURVES, SCHEMA, STEPS
from metanas.evaluation.load_runs import load_runs
from metanas.evaluation.track import TracksDiffer
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
    assert after.submission.costs.train_flops == before.submission.costs.train_flops
    assert after.submission.meta_training == before.submission.meta_training
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


ABOUT = {"authors": [{"name": "Ada"}], "contact": "ada@example.org", "family": "other"}
ABOUT |= {"summary": "Another training.", "hparam_trials": 1}


def ended(folder: Path, overrides: tuple[str, ...], domains: tuple[str, ...] = ()) -> Path:
    """A finished run of Reptile on mini-v1, three seeds."""
    given = (*SMALL, *overrides)
    made = config.resolve("reptile", "mini-v1", budget="smoke", domains=domains, overrides=given)
    data = Datasets.open(made.suite)
    for cell in run.prepare(made, folder, data, controls=False):
        run.work(cell, lambda what, done: None)
    collect.finish(made, folder, data)
    return folder


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ended(tmp_path_factory.mktemp("plain") / "run", ())


@pytest.mark.parametrize(
    ("overrides", "domains", "compared", "packed"),
    [
        (
            ("suite.train_queries=3",),
            (),
            "meta-training on: its suite .*, mini-v1 .changed. 1.1 .*changed train_queries: as in .*, 3 ",
            "not meta-trained as mini-v1 1.1 says .meta-training on: mini-v1 .changed. 1.1; changed train_q",
        ),
        (
            ("budget.iterations=3",),
            (),
            "budget.iterations: 2 .*, 3 ",
            "'iterations': 3, .*not the budget 'smoke'",
        ),
        (
            ("suite.shots=[5]",),
            (),
            "meta-training shots: as in its tests .*, 5 ",
            "says .meta-training shots: 5",
        ),
        (
            (),
            ("langid",),
            "meta-training domains: all of it .*, langid ",
            "says .meta-training domains: langid",
        ),
    ],
    ids=["another suite", "more iterations", "fewer shots", "fewer domains"],
)
def test_a_training_that_was_another_stays_one_on_the_suite_s_own_episodes(
    plain: Path,
    tmp_path: Path,
    overrides: tuple[str, ...],
    domains: tuple[str, ...],
    compared: str,
    packed: str,
) -> None:
    other = ended(tmp_path / "other", overrides, domains)
    on = reevaluate.reevaluate(other, "mini-v1", (), "", tmp_path / "on", None, curves=False, controls=False)
    assert result.read(on).submission.suite == "mini-v1"
    with pytest.raises(TracksDiffer, match=compared):
        load_runs([plain, on])
    assert track_of(result.read(on).submission) != track_of(result.read(plain).submission)
    with pytest.raises(BundleError, match=packed):
        validate(collect_bundle(on, ABOUT))
    validate(collect_bundle(plain, ABOUT))


def test_more_test_episodes_do_not_make_it_a_run_of_the_budget_that_has_so_many(
    plain: Path, tmp_path: Path
) -> None:
    on = reevaluate.reevaluate(plain, "", (), "demo", tmp_path / "on", None, curves=False, controls=False)
    budget = result.read(on).submission.budget
    assert budget == {"name": "smoke", "iterations": 2, "tasks": 1, "eval_episodes": 30}
    with pytest.raises(BundleError, match="is not the budget 'smoke'"):
        validate(collect_bundle(on, ABOUT))


def test_a_run_does_not_take_over_what_another_run_s_states_answered_nor_the_reverse(
    plain: Path, tmp_path: Path
) -> None:
    other = ended(tmp_path / "other", (), ("langid",))
    on = reevaluate.reevaluate(other, "mini-v1", (), "", tmp_path / "on", None, curves=False, controls=False)
    kept = result.read(on).submission.meta_training
    for seeds in ((0, 1), (0, 1, 2, 3)):
        made = config.resolve("reptile", "mini-v1", budget="smoke", seeds=seeds, overrides=SMALL)
        with pytest.raises(ConfigError, match="holds what was meta-trained otherwise"):
            run.prepare(made, on, Datasets.open(made.suite))
    assert result.read(on).submission.meta_training == kept
    with pytest.raises(ConfigError, match="holds what was meta-trained otherwise"):
        reevaluate.reevaluate(other, "mini-v1", (), "", plain, None, curves=False)


def test_a_suite_of_one_s_own_tells_what_was_left_out_of_meta_training(tmp_path: Path) -> None:
    file = tmp_path / "own-v1.yaml"
    document = yaml.safe_load(file_of("mini-v1").read_text())
    file.write_text(
        yaml.safe_dump(document | {"name": "own-v1", "domains": ["digits", "langid"], "options": {}})
    )
    pinned = metanas("suite", "pin", str(file), cwd=tmp_path)
    assert pinned.returncode == 0, pinned.stderr
    folders = []
    for name, domains in (("part", ("langid",)), ("whole", ())):
        made = config.resolve("reptile", file, budget="smoke", domains=domains, overrides=SMALL)
        data = Datasets.open(made.suite)
        for cell in run.prepare(made, tmp_path / name, data, controls=False):
            run.work(cell, lambda what, done: None)
        collect.finish(made, tmp_path / name, data)
        folders.append(tmp_path / name)
    on = reevaluate.reevaluate(
        folders[0], str(file), (), "", tmp_path / "on", None, curves=False, controls=False
    )
    with pytest.raises(TracksDiffer, match="meta-training domains: langid .*, all of it "):
        load_runs([on, folders[1]])


def test_two_suites_that_were_changed_in_two_ways_are_two_tracks(tmp_path: Path) -> None:
    folders = [ended(tmp_path / f"run{n}", (f"suite.train_queries={n}",)) for n in (3, 4)]
    with pytest.raises(TracksDiffer, match=r"changed train_queries: 3 \(.*run3\), 4 \(.*run4\)"):
        load_runs(folders)
    assert len({track_of(result.read(folder).submission) for folder in folders}) == 2
