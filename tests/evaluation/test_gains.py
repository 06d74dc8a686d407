import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from metanas.evaluation import controls, report, result, tables
from metanas.evaluation.compare import compare
from metanas.evaluation.gains import EVERYWHERE, Answers, Gain, gains
from metanas.evaluation.load_runs import load_runs
from metanas.evaluation.result import ResultError
from metanas.evaluation.statistics import estimate
from tests import runs

ROOT = Path(__file__).parents[2]


def found(made: list[Gain], domain: str, figure: str) -> Gain:
    return next(g for g in made if (g.domain, g.figure) == (domain, figure))


def noisy(level: float, seed: int) -> np.ndarray:
    """(3, 40) accuracies of a training whose seeds differ much more than its controls."""
    random = np.random.default_rng(seed)
    return level + np.array([[-0.2], [0.0], [0.2]]) + 0.02 * random.standard_normal((3, 40))


def test_a_gain_is_paired_by_seed_even_with_few_of_them() -> None:
    own = {"a/5w1s": noisy(0.6, 0), "b/5w1s": noisy(0.5, 1)}
    asked = {
        "decoded": own,
        "shared": {"a/5w1s": own["a/5w1s"] - 0.1, "b/5w1s": own["b/5w1s"] - 0.02},
        "swap": {"a/5w1s": own["a/5w1s"]},
    }
    made = gains({"m": Answers(own, asked)})
    gain = found(made, EVERYWHERE, "gain")
    assert gain.difference.mean == pytest.approx(0.06)
    assert gain.difference.high - gain.difference.low < 0.01 and gain.p < 1e-6
    assert found(made, "b", "gain").difference.mean == pytest.approx(0.02)
    assert found(made, EVERYWHERE, "swap").difference.mean == 0  # of the one domain that has it
    assert {g.domain for g in made if g.figure == "swap"} == {EVERYWHERE, "a"}


def test_no_difference_is_exactly_0_with_p_1() -> None:
    own = {"a/5w1s": noisy(0.6, 0)}
    for g in gains({"m": Answers(own, dict.fromkeys(controls.NAMES, own))}):
        assert (g.difference.mean, g.difference.low, g.difference.high, g.p) == (0, 0, 0, 1)


def test_the_interval_is_the_crossed_one_and_p_is_adjusted_over_all() -> None:
    own, other = {"a/5w1s": noisy(0.6, 0)}, {"a/5w1s": noisy(0.59, 2)}
    made = gains({"m": Answers(own, {"decoded": own, "shared": other})})
    paired = estimate({"a/5w1s": own["a/5w1s"] - other["a/5w1s"]})
    gain = found(made, "a", "gain")
    assert gain.difference.low == pytest.approx(paired.interval().low)
    assert gain.p == pytest.approx(min(4 * paired.p(), 1))  # the same test twice, and two that are 1


def test_a_mixture_pays_for_its_decoding_not_for_its_architecture() -> None:
    """An architecture that does not adapt gains nothing, however much better the mixture is."""
    own = {"a/5w1s": noisy(0.6, 0)}
    hard = {"a/5w1s": own["a/5w1s"] - 0.05}
    made = gains({"m": Answers(own, {"decoded": hard, "shared": hard})})
    assert found(made, "a", "gain").difference.mean == 0
    assert found(made, "a", "decoding").difference.mean == pytest.approx(-0.05)


def asked(folder: Path) -> Path:
    """A run with controls, in which the shared architecture is right one time less than the adapted one."""
    submission = runs.make(folder, folder.name, 0.6)
    for task, answers in result.read(folder).answers.items():
        right = (answers.predicted == answers.labels).sum(2)
        for seed, counts in zip(submission.seeds, right, strict=True):
            (folder / f"seed{seed}").mkdir(exist_ok=True)
            by_control = {"decoded": counts, "shared": np.maximum(counts - 1, 0)}
            controls.keep(folder / f"seed{seed}", task, seed, by_control)
    names = [task.name for task in submission.tasks]
    controls.join(folder, [folder / f"seed{seed}" for seed in submission.seeds], names)
    return folder


def test_controls_read_back_as_accuracies(tmp_path: Path) -> None:
    folder = asked(tmp_path / "m")
    (run,) = load_runs([folder]).values()
    view = run.scores.view()
    assert run.controls.keys() == {"decoded", "shared"}
    for task, accuracy in view.items():
        assert run.controls["decoded"][task] == pytest.approx(accuracy)
        assert run.controls["shared"][task] == pytest.approx(np.maximum(accuracy - 1 / 15, 0))


def test_a_seed_without_controls_leaves_the_task_out(tmp_path: Path) -> None:
    folder = asked(tmp_path / "m")
    controls.path_of(folder / "seed1", "digits/5w1s").unlink()
    controls.join(folder, [folder / f"seed{s}" for s in (0, 1, 2)], ["digits/5w1s", "spoken-words/5w1s"])
    (run,) = load_runs([folder]).values()
    assert run.controls["shared"].keys() == {"spoken-words/5w1s"}


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    folder = asked(tmp_path / "m")
    (folder / controls.CONTROLS).write_bytes(b"PAR1")
    with pytest.raises(ResultError, match=r"controls\.parquet: not a readable Parquet file"):
        load_runs([folder])


def test_reports_and_comparisons_show_the_table_where_there_are_controls(tmp_path: Path) -> None:
    runs.make(tmp_path / "plain", "plain", 0.5)
    loaded = load_runs([asked(tmp_path / "m"), tmp_path / "plain"])
    comparison = compare({name: run.scores.view() for name, run in loaded.items()})
    (table,) = [t for t in tables.tables(loaded, comparison) if t.title.startswith("What adapting")]
    assert table.columns == ("method", "domain", "architecture gain", "decoded - answered")
    assert [row[:2] for row in table.rows] == [("m", EVERYWHERE), ("m", "digits"), ("m", "spoken-words")]
    assert table.rows[0][2].startswith("+6.") and table.rows[0][3] == "+0.0 [+0.0, +0.0] ns"
    page = report.build([tmp_path / "m"], tmp_path / "report.html", twins=False).read_text()
    assert "What adapting the architecture does" in page
    plain = report.build([tmp_path / "plain"], tmp_path / "plain.html", twins=False).read_text()
    assert "What adapting" not in plain
    command = [sys.executable, "-m", "metanas.cli.app", "compare", str(tmp_path / "m"), "--json"]
    document = json.loads(subprocess.check_output(command, cwd=ROOT))
    assert {g["figure"] for g in document["architecture"]} == {"gain", "decoding"}
