"""Runs of unequal budgets are not ranked together unless that is asked for, and then every output says so."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import metanas
from metanas.base.errors import InvalidValue
from metanas.cli.app import app
from metanas.evaluation import report, tables
from metanas.evaluation.load_runs import load_runs
from metanas.evaluation.result import ResultError
from metanas.evaluation.track import TracksDiffer
from tests import runs


@pytest.fixture
def unequal(tmp_path: Path) -> list[Path]:
    """Two runs on the same episodes: the second trained five times as long, with as many seeds."""
    folders = [made(tmp_path / name) for name in ("short", "long")]
    change(folders[1], budget={"name": "smoke", "iterations": 60, "tasks": 2, "eval_episodes": 4})
    change(folders[0], budget={"name": "smoke", "iterations": 12, "tasks": 2, "eval_episodes": 4})
    return folders


def made(folder: Path, **options: int) -> Path:
    runs.make(folder, folder.name, 0.6, **options)  # type: ignore[arg-type]
    return folder


def change(folder: Path, **fields: object) -> None:
    path = folder / "submission.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_unequal_budgets_are_refused_with_what_differs(unequal: list[Path]) -> None:
    with pytest.raises(TracksDiffer, match=r"differ in budget.iterations: 12 \(short\), 60 \(long\)\. "):
        load_runs(unequal)
    with pytest.raises(TracksDiffer, match="across_tracks=True"):
        metanas.compare(unequal)
    assert len(metanas.compare(unequal, across_tracks=True).comparison.methods) == 2


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"suite_version": "9"}, "suite version: 1.0 "),
        ({"suite": "other"}, "suite: mini-v1 "),
        ({"budget": {"name": "small", "iterations": 60, "tasks": 2, "eval_episodes": 4}}, "budget: "),
        ({"budget": {"name": "smoke", "flops": 1e9, "tasks": 2, "eval_episodes": 4}}, "not set"),
    ],
)
def test_every_part_of_a_track_counts(unequal: list[Path], fields: dict[str, object], words: str) -> None:
    change(unequal[1], budget=json.loads((unequal[0] / "submission.json").read_text())["budget"])
    assert len(load_runs(unequal)) == 2
    change(unequal[1], **fields)
    with pytest.raises(TracksDiffer) as caught:
        load_runs(unequal)
    assert words in str(caught.value)


def test_runs_of_one_budget_are_picked_by_its_name(unequal: list[Path]) -> None:
    change(unequal[1], budget={"name": "small", "iterations": 60, "tasks": 2, "eval_episodes": 4})
    assert list(load_runs(unequal, budget="small")) == ["long"]
    words = ["compare", *map(str, unequal), "--budget", "smoke", "--md"]
    shown = CliRunner().invoke(app, words)
    assert shown.exit_code == 0 and "| short |" in shown.output and "long" not in shown.output
    with pytest.raises(InvalidValue, match="no run has the budget 'full'; there are: small, smoke"):
        load_runs(unequal, budget="full")


def test_of_budgets_with_other_names_only_these_are_told_and_how_to_pick_one(tmp_path: Path) -> None:
    folders = [made(tmp_path / f"run{i}") for i in range(6)]
    change(folders[0], budget={"name": "smoke", "iterations": 60, "tasks": 2, "eval_episodes": 20})
    with pytest.raises(TracksDiffer) as caught:
        load_runs(folders)
    words = "differ in budget: smoke (run0), small (run1, run2, run3 and 2 more). "
    assert words in str(caught.value) and "(--budget smoke or small)" in str(caught.value)


def test_runs_on_other_tasks_are_told_with_their_suites(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = made(tmp_path / "first")
    monkeypatch.setattr(runs, "TASKS", runs.TASKS[:1])
    second = made(tmp_path / "second")
    change(second, suite="mine")
    words = r"by one of first \(mini-v1 1.0, small\) and second \(mine 1.0, small\) only"
    with pytest.raises(ResultError, match=words):
        load_runs([first, second])


def test_trials_are_what_the_bundle_declares_or_else_the_run(tmp_path: Path) -> None:
    folders = [made(tmp_path / name) for name in ("declared", "plain")]
    (folders[0] / "entry.json").write_text('{"hparam_trials": 63}')
    costs = json.loads((folders[1] / "submission.json").read_text())["costs"]
    change(folders[1], costs=costs | {"trials": 2})
    loaded = load_runs(folders)
    assert {name: run.trials for name, run in loaded.items()} == {"declared": 63, "plain": 2}
    assert [row[-1] for row in tables.costs(loaded).rows] == ["63", "2"]


def test_fewer_seeds_are_another_track(tmp_path: Path) -> None:
    folders = [made(tmp_path / name, seeds=n) for name, n in (("one", 1), ("three", 3))]
    with pytest.raises(TracksDiffer, match=r"number of seeds: 1 \(one\), 3 \(three\)"):
        load_runs(folders)


@pytest.mark.parametrize("form", [[], ["--md"], ["--tex"], ["--json"]])
def test_every_output_across_tracks_is_marked(unequal: list[Path], form: list[str]) -> None:
    words = ["compare", *map(str, unequal), *form]
    refused = CliRunner().invoke(app, words)
    assert isinstance(refused.exception, TracksDiffer) and refused.exception.exit_code == 2
    shown = CliRunner().invoke(app, [*words, "--across-tracks"])
    assert shown.exit_code == 0, shown.output
    if form == ["--json"]:
        assert json.loads(shown.output)["across_tracks"] == ["budget.iterations: 12 (short), 60 (long)"]
    else:
        marked, tables = (
            shown.output.count("ACROSS TRACKS: budget.iterations"),
            shown.output.count("across tracks)"),
        )
        assert marked >= 3 and tables >= 3


def test_a_report_across_tracks_is_marked(unequal: list[Path], tmp_path: Path) -> None:
    with pytest.raises(TracksDiffer):
        report.build(unequal, tmp_path / "report.html", twins=False)
    page = report.build(unequal, tmp_path / "report.html", across_tracks=True).read_text()
    assert page.count("ACROSS TRACKS") > page.count("<table") / 2
    pictures = list((tmp_path / "report-pictures").glob("*.svg"))
    assert pictures and all("across tracks" in picture.read_text() for picture in pictures)


def test_tables_in_python_across_tracks_are_marked(unequal: list[Path]) -> None:
    compared = metanas.compare(unequal, across_tracks=True)
    for table in (compared.methods(), compared.pairs()):
        assert set(table["across_tracks"].to_pylist()) == {"budget.iterations: 12 (short), 60 (long)"}
    assert "across_tracks" not in metanas.compare(unequal[:1]).methods().column_names


def test_other_episode_counts_are_named_not_hashed(tmp_path: Path) -> None:
    folders = [made(tmp_path / name, episodes=n) for name, n in (("few", 4), ("many", 8))]
    with pytest.raises(ResultError, match="episodes is 8, expected 4 .so many test episodes"):
        load_runs(folders)


def test_nothing_to_compare_is_said() -> None:
    with pytest.raises(InvalidValue, match="runs is empty"):
        metanas.compare([])
