"""Per-task calibration of an architecture choice, from what a method judged on meta-validation tasks."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from scipy.stats import spearmanr
from typer.testing import CliRunner

from metanas.cli.app import app
from metanas.evaluation.judging import judging
from metanas.evaluation.result import ResultError
from tests import runs


def keep(folder: Path, evidence: np.ndarray, outcome: np.ndarray, domain: str = "digits") -> None:
    """States of S trainings with these judged losses (S, n, K)."""
    for seed, (loo, query) in enumerate(zip(evidence, outcome, strict=True)):
        (folder / f"seed{seed}").mkdir(parents=True, exist_ok=True)
        tensors = {f"judged/loo/{domain}": loo, f"judged/query/{domain}": query, "seed": np.array(seed)}
        save_file(tensors, folder / f"seed{seed}" / "state.safetensors")


def losses(noise: float) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)
    true = random.normal(1.0, 0.2, (3, 40, 8))
    return true + noise * random.normal(size=true.shape), true


def test_a_choice_that_knows_the_outcome_has_no_regret_and_no_optimism(tmp_path: Path) -> None:
    keep(tmp_path, *losses(0.0))
    (found,) = judging(tmp_path, (0, 1, 2))
    assert found.tasks == 40 and found.ranks.mean == pytest.approx(1) and found.tells == pytest.approx(1)
    assert found.by_task.mean == found.optimism.mean == 0
    assert found.at_random.mean > 0.2 and found.by_domain.mean > 0.2, "every task has its own best"


def test_a_noisy_choice_is_optimistic_and_its_ranks_are_spearmans(tmp_path: Path) -> None:
    evidence, outcome = losses(0.4)
    keep(tmp_path, evidence, outcome)
    (found,) = judging(tmp_path, (0, 1, 2))
    both = zip(evidence.reshape(-1, 8), outcome.reshape(-1, 8), strict=True)
    rhos = [spearmanr(knew, came).statistic for knew, came in both]
    assert found.ranks.mean == pytest.approx(np.mean(rhos))
    assert found.optimism.low > 0, "the least of many noisy estimates"
    assert 0 < found.by_task.mean < found.at_random.mean


def test_noise_alone_is_no_better_than_chance(tmp_path: Path) -> None:
    _, outcome = losses(0.0)
    keep(tmp_path, np.random.default_rng(2).normal(size=outcome.shape), outcome)
    (found,) = judging(tmp_path, (0, 1, 2))
    assert 0 in found.ranks and abs(found.by_task.mean - found.at_random.mean) < 0.05


def test_a_damaged_state_is_named(tmp_path: Path) -> None:
    keep(tmp_path, *losses(0.0))
    (tmp_path / "seed1" / "state.safetensors").write_bytes(b"x")
    with pytest.raises(ResultError, match="seed1/state.safetensors: is damaged"):
        judging(tmp_path, (0, 1, 2))


def test_compare_shows_it_where_there_are_judged_tasks_and_nothing_elsewhere(tmp_path: Path) -> None:
    for name in ("chooses", "plain"):
        runs.make(tmp_path / name, name, 0.6)
    keep(tmp_path / "chooses", *losses(0.1))
    folders = [str(tmp_path / name) for name in ("chooses", "plain")]
    shown = CliRunner().invoke(app, ["compare", *folders, "--md"])
    assert shown.exit_code == 0, shown.output
    table = shown.output.partition("### Whether single tasks can be judged")[2].partition("###")[0]
    assert "| chooses | digits | 40 |" in table and "| plain |" not in table
    assert judging(tmp_path / "plain", (0, 1, 2)) == []
