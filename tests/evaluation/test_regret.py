"""Both regrets against brute force, and candidates.parquet there and back, damaged or not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from metanas.evaluation import controls, regret, report, result, tables
from metanas.evaluation.compare import compare
from metanas.evaluation.gains import EVERYWHERE, Answers, Gain, gains
from metanas.evaluation.load_runs import load_runs
from metanas.evaluation.regret import in_hindsight, of_every_episode
from metanas.evaluation.result import ResultError
from tests import runs

QUERIES = 15


def counted(seed: int, candidates: int = 6, seeds: int = 3, episodes: int = 41) -> np.ndarray:
    """Right answers (K, S, E): candidates differ a little, and best ones by seed and episode."""
    random = np.random.default_rng(seed)
    skill = random.uniform(0.4, 0.7, (candidates, seeds, 1))
    return random.binomial(QUERIES, np.broadcast_to(skill, (candidates, seeds, episodes)))


def figure(found: list[Gain], name: str, domain: str = EVERYWHERE) -> Gain:
    return next(g for g in found if (g.domain, g.figure) == (domain, name))


def test_the_best_in_hindsight_is_that_of_a_brute_force() -> None:
    right = counted(0)
    found = in_hindsight(right / QUERIES)
    for s in range(3):
        for e in range(41):
            others = [o for o in range(41) if o % 2 != e % 2]
            sums = [sum(int(right[k, s, o]) for o in others) for k in range(6)]
            assert found[s, e] == right[sums.index(max(sums)), s, e] / QUERIES


def test_regrets_are_differences_to_the_answers() -> None:
    right, chosen = counted(1), np.random.default_rng(2).integers(6, size=(3, 41))
    own = np.take_along_axis(right, chosen[None], 0)[0] / QUERIES
    found = gains({"m": Answers({"a/5w1s": own}, {}, {"a/5w1s": right / QUERIES})})
    assert {(g.domain, g.figure, g.p) for g in found} == {
        (domain, name, None) for domain in (EVERYWHERE, "a") for name in ("regret", "oracle")
    }
    by_hand = sum(
        max(right[k, s, e] for k in range(6)) - right[chosen[s, e], s, e] for s in range(3) for e in range(41)
    )
    assert figure(found, "oracle").difference.mean == pytest.approx(by_hand / (3 * 41 * QUERIES))
    expected = in_hindsight(right / QUERIES).mean() - own.mean()
    assert figure(found, "regret").difference.mean == pytest.approx(expected)


def test_with_one_candidate_both_are_exactly_0() -> None:
    own = counted(3, candidates=1) / QUERIES
    for g in gains({"m": Answers({"a/5w1s": own[0]}, {}, {"a/5w1s": own})}):
        assert (g.difference.mean, g.difference.low, g.difference.high) == (0, 0, 0)


@pytest.mark.parametrize("seed", range(5))
def test_episode_by_episode_it_is_never_negative_whatever_was_chosen(seed: int) -> None:
    right = counted(seed) / QUERIES
    own = counted(seed + 100, candidates=1)[0] / QUERIES  # of none of the candidates, as a beam may find
    assert (of_every_episode(right, own) >= own).all()


def test_luck_inflates_the_regret_of_single_episodes_but_not_that_of_the_best_candidate() -> None:
    """All candidates are equally good, so nothing is to be regretted."""
    random, own, halves, whole = np.random.default_rng(0), [], [], []
    for _ in range(200):
        right = random.binomial(QUERIES, 0.6, (16, 1, 40)) / QUERIES
        own.append(right[0].mean())
        halves.append(in_hindsight(right).mean())
        whole.append(right.mean(-1).max())
    error = np.std(np.subtract(halves, own)) / 200**0.5
    assert abs(np.mean(halves) - np.mean(own)) < 3 * error < 0.01
    assert np.mean(whole) - np.mean(own) > 0.02, "named and scored on the same episodes"
    assert of_every_episode(right, right[0]).mean() - right[0].mean() > 0.15


def test_regrets_change_no_p_of_the_gains() -> None:
    own = counted(4)[0] / QUERIES
    asked = {"decoded": {"a/5w1s": own}, "shared": {"a/5w1s": counted(5)[0] / QUERIES}}
    without = gains({"m": Answers({"a/5w1s": own}, asked)})
    beside = gains({"m": Answers({"a/5w1s": own}, asked, {"a/5w1s": counted(4) / QUERIES})})
    assert beside[: len(without)] == without and len(beside) == len(without) + 4


def made(folder: Path, *, seeds: int = 3, candidates: int = 4) -> Path:
    """A run whose first candidate is its own choice; the next are right once more, twice, ... at most."""
    submission = runs.make(folder, folder.name, 0.6, seeds=seeds)
    names = [task.name for task in submission.tasks]
    for name, answers in result.read(folder).answers.items():
        right = (answers.predicted == answers.labels).sum(2)
        for seed, counts in zip(submission.seeds, right, strict=True):
            (folder / f"seed{seed}").mkdir(exist_ok=True)
            under = np.minimum(counts + np.arange(candidates)[:, None], QUERIES)
            regret.keep(folder / f"seed{seed}", name, seed, under)
    regret.join(folder, [folder / f"seed{seed}" for seed in submission.seeds], names)
    return folder


def test_candidates_read_back_as_accuracies(tmp_path: Path) -> None:
    (run,) = load_runs([made(tmp_path / "m")]).values()
    assert not run.controls
    for task, accuracy in run.scores.view().items():
        expected = np.minimum(accuracy + np.arange(4)[:, None, None] / QUERIES, 1)
        assert run.candidates[task] == pytest.approx(expected)


def test_a_seed_without_candidates_leaves_the_task_out(tmp_path: Path) -> None:
    folder = made(tmp_path / "m")
    regret.path_of(folder / "seed1", "digits/5w1s").unlink()
    regret.join(folder, [folder / f"seed{s}" for s in (0, 1, 2)], ["digits/5w1s", "spoken-words/5w1s"])
    (run,) = load_runs([folder]).values()
    assert run.candidates.keys() == {"spoken-words/5w1s"}


def _with(name: str, values: list[object]) -> Callable[[pa.Table], pa.Table]:
    """The table with other values in the first rows of a column."""

    def change(table: pa.Table) -> pa.Table:
        at, kind = table.schema.get_field_index(name), table.schema.field(name).type
        column = pa.array([*values, *table.column(name).to_pylist()[len(values) :]], kind)
        return table.set_column(at, table.schema.field(name), column)

    return change


DAMAGES: list[tuple[Callable[[pa.Table], pa.Table], str]] = [
    (_with("right", [[1, 2, 3]]), "digits/5w1s: right: 3, 4 candidates; all episodes"),
    (_with("right", [[]] * 120), "digits/5w1s: right: 0 candidates"),
    (_with("right", [[1, 2, 3, 16]]), "digits/5w1s: 16 right answers of 15"),
    (_with("right", [[1, 2, 3, None]]), r"a value is missing \(null\)"),
    (_with("right", [None]), r"a value is missing \(null\)"),
    (_with("episode", [7]), "digits/5w1s, seed 0: expected each of the episodes 0 to 19 once"),
    (_with("seed", [9]), "digits/5w1s: seed 9 was not asked for"),
    (lambda t: t.slice(1), "digits/5w1s, seed 0: expected each of the episodes"),
    (lambda t: t.replace_schema_metadata({}), "schema_version: expected 1, got None"),
    (lambda t: t.drop_columns(["seed"]), "columns are"),
]


@pytest.mark.parametrize(("damage", "says"), DAMAGES, ids=[str(i) for i in range(len(DAMAGES))])
def test_what_is_wrong_with_a_damaged_file_is_said(
    tmp_path: Path, damage: Callable[[pa.Table], pa.Table], says: str
) -> None:
    path = made(tmp_path / "m") / regret.CANDIDATES
    pq.write_table(damage(result.read_table(path, regret.SCHEMA)), path)
    with pytest.raises(ResultError, match=rf"candidates\.parquet.*{says}"):
        load_runs([path.parent])


def test_an_unknown_task_is_named(tmp_path: Path) -> None:
    submission = result.read_submission(made(tmp_path / "m") / result.SUBMISSION)
    with pytest.raises(ResultError, match="task: 'spoken-words/5w1s' is not one of digits/5w1s"):
        regret.read(tmp_path / "m", submission.tasks[:1], submission.seeds)


def test_comparisons_and_reports_have_columns_of_regret_where_one_run_has_it(tmp_path: Path) -> None:
    folder = made(tmp_path / "m")
    plain = tmp_path / "plain"
    runs.make(plain, "plain", 0.5)
    answers = result.read(plain).answers.items()
    for name, task in answers:
        for seed in (0, 1, 2):
            (plain / f"seed{seed}").mkdir(exist_ok=True)
            right = (task.predicted[seed] == task.labels).sum(1)
            controls.keep(plain / f"seed{seed}", name, seed, {"decoded": right, "shared": right})
    controls.join(plain, [plain / f"seed{s}" for s in (0, 1, 2)], [name for name, _ in answers])
    loaded = load_runs([folder, plain])
    comparison = compare({name: run.scores.view() for name, run in loaded.items()})
    (table,) = [t for t in tables.tables(loaded, comparison) if t.title.startswith("What adapting")]
    assert table.columns[-2:] == ("regret", "regret, episode by episode")
    mine, theirs = (next(row for row in table.rows if row[0] == name) for name in ("m", "plain"))
    gap = loaded["m"].candidates["digits/5w1s"][3].mean() - loaded["m"].scores.view()["digits/5w1s"].mean()
    digits = next(row for row in table.rows if row[:2] == ("m", "digits"))
    assert digits[-1].startswith(f"{100 * gap:+.1f} [") and digits[-1] == digits[-2], "one is always best"
    assert theirs[-2:] == ("-", "-") and mine[2] == "-" != theirs[2]
    assert "named by half of the test episodes" in table.how
    page = report.build([folder], tmp_path / "report.html", twins=False).read_text()
    assert "regret, episode by episode" in page
