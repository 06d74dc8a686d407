import numpy as np
import pandas as pd
import pytest
import scikit_posthocs
from autorank import autorank
from scipy import stats as oracle

from metanas.evaluation.ranking import friedman, rank, task_ranks

RANDOM = np.random.default_rng(0)


def test_ranks_are_ranges_where_the_data_cannot_tell() -> None:
    base = RANDOM.normal(0.5, 0.05, (3, 100))
    found = rank(
        {
            "good": {"t": base + 0.1},
            "same": {"t": base + RANDOM.normal(0, 0.05, (3, 100))},
            "base": {"t": base},
        }
    ).methods
    assert (found[0].name, found[0].ranks) == ("good", "1")
    assert {r.ranks for r in found[1:]} == {"2\u20133"}


def means(methods: int, tasks: int) -> "dict[str, dict[str, np.ndarray]]":
    skill = np.linspace(0.5, 0.62, methods)
    made = skill[:, None] + RANDOM.normal(0, 0.05, (methods, tasks))
    return {
        f"m{i}": {f"t{j}/5w1s": np.full((1, 3), made[i, j]) for j in range(tasks)} for i in range(methods)
    }


def test_friedman_and_nemenyi_equal_autorank_and_scikit_posthocs() -> None:
    views = means(5, 12)
    table = pd.DataFrame({name: [v.mean() for v in view.values()] for name, view in views.items()})
    ours = friedman(views)
    assert ours is not None
    theirs = autorank(table, alpha=0.05, force_mode="nonparametric")
    assert ours.p == pytest.approx(theirs.pvalue)
    assert ours.critical_difference == pytest.approx(theirs.cd, rel=1e-3)
    assert dict(ours.mean_ranks) == pytest.approx(theirs.rankdf["meanrank"].to_dict())
    apart = scikit_posthocs.posthoc_nemenyi_friedman(table) < 0.05
    for a in views:
        for b in views:
            ranks = abs(ours.mean_ranks[a] - ours.mean_ranks[b])
            assert (ranks > ours.critical_difference) == apart.loc[a, b]


def test_groups_join_methods_that_do_not_differ() -> None:
    views = means(5, 12)
    found = friedman(views)
    assert found is not None
    for group in found.groups:
        ranks = [found.mean_ranks[name] for name in group]
        assert max(ranks) - min(ranks) < found.critical_difference


def test_too_few_tasks_or_methods_give_no_friedman_test() -> None:
    assert friedman(means(3, 4)) is None
    assert friedman(means(2, 9)) is None


def test_tied_methods_share_a_rank_and_do_not_differ() -> None:
    views = {name: {f"t{j}/5w1s": np.full((1, 3), 0.5) for j in range(5)} for name in "abc"}
    assert {name: list(row) for name, row in task_ranks(views).items()} == dict.fromkeys("abc", [2.0] * 5)
    found = friedman(views)
    assert found is not None and found.p == 1.0 and found.groups == (("a", "b", "c"),)
    assert oracle.rankdata([1, 1, 1]).tolist() == [2.0] * 3
