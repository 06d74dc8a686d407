from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon

from metanas.evaluation import choices


@pytest.fixture
def found(tmp_path: Path) -> choices.Choices:
    """Two domains: one undecided, one that always takes the first of four."""
    even, sharp = torch.zeros(6, 2, 4), torch.zeros(6, 2, 4)
    sharp[..., 0] = 40.0
    for task, node in (("even/5w1s", even), ("sharp/5w1s", sharp)):
        choices.keep(tmp_path, task, 0, {"node": node, "depth": torch.zeros(6, 3)})
    choices.join(tmp_path, [tmp_path], ["even/5w1s", "sharp/5w1s"])
    made = choices.read(tmp_path)
    assert made is not None
    return made


def test_choices_read_back_as_probabilities(found: choices.Choices) -> None:
    assert found.group("node").shape == (12, 2, 4)
    assert found.group("node").sum(-1) == pytest.approx(np.ones((12, 2)))
    assert list(found.tasks) == ["even/5w1s"] * 6 + ["sharp/5w1s"] * 6


def test_entropy_is_1_undecided_and_0_decided(found: choices.Choices) -> None:
    entropies = choices.entropies(found)
    assert entropies["even"] == pytest.approx({"node": 1.0, "depth": 1.0})
    assert entropies["sharp"] == pytest.approx({"node": 0.0, "depth": 1.0}, abs=1e-6)


def test_the_distance_is_scipys_jensen_shannon_distance(found: choices.Choices) -> None:
    names, matrix = choices.distances(found)
    expected = jensenshannon([0.25] * 4, [1, 0, 0, 0], base=2)
    assert names == ["even", "sharp"]
    assert matrix[0, 1] == pytest.approx(expected / 2, abs=1e-6)  # nodes differ, depths do not
    assert matrix.diagonal() == pytest.approx([0, 0])


def test_the_plane_separates_what_differs(found: choices.Choices) -> None:
    at, shares = choices.plane(found)
    assert shares[0] == pytest.approx(1.0)
    assert abs(at[:6, 0].mean() - at[6:, 0].mean()) == pytest.approx(np.sqrt(2 * 0.75), rel=1e-5)


def test_seeds_that_differ_are_not_episodes_that_do(tmp_path: Path, found: choices.Choices) -> None:
    for seed in (0, 1):
        choices.keep(
            tmp_path,
            f"seed{seed}/5w1s",
            seed,
            {"node": torch.full((6, 4), 1.0).index_fill(1, torch.tensor(seed), 3.0)},
        )
    choices.join(tmp_path, [tmp_path], ["seed0/5w1s", "seed1/5w1s"])
    made = choices.read(tmp_path)
    assert made is not None and not choices.adapted(made)
    assert choices.adapted(found)


def test_a_method_without_an_architecture_has_no_choices(tmp_path: Path) -> None:
    choices.keep(tmp_path, "a/5w1s", 0, None)
    choices.join(tmp_path, [tmp_path], ["a/5w1s"])
    assert choices.of_task(tmp_path, "a/5w1s") == {}
    assert choices.read(tmp_path) is None
