"""What a run's seeds say together: the architecture that stands for a task is one that an episode had."""

import numpy as np

from metanas.engine.collect import most_frequent
from metanas.space.architecture import derive
from metanas.space.space import SearchSpace

SPACE = SearchSpace(ops=("conv3", "gru", "attn"), activations=("relu",), layers=1, reductions=())


def test_two_thirds_of_the_episodes_outvote_the_mean_of_the_probabilities() -> None:
    sure_of_attn, leaning_to_gru, leaning_to_conv3 = [0.0, 0.0, 1.0], [0.1, 0.5, 0.4], [0.5, 0.1, 0.4]
    node = np.array([[row] for row in (sure_of_attn, leaning_to_gru, leaning_to_conv3, leaning_to_gru)])
    assert node.mean(0)[0].argmax() == 2
    probabilities = {"node": node, "activation": np.ones((4, 1, 1)), "depth": np.ones((4, 1))}
    assert str(most_frequent(SPACE, probabilities)) == "gru/relu (reductions=none)"


def test_of_cells_the_one_that_most_episodes_derive_is_named() -> None:
    space = SearchSpace(ops=("conv3", "skip"), activations=("relu",), layers=1, nodes=2, reductions=())
    strong, weak = [0.9, 0.1], [0.6, 0.4]
    odd = [strong, strong, weak, strong, strong]  # node 1 drops its first input
    usual = [strong, strong, strong, strong, weak]
    node = np.array([odd, *[usual] * 9])
    probabilities = {"node": node, "activation": np.ones((10, 1, 1)), "depth": np.ones((10, 1))}
    row = {name: p[-1].tolist() for name, p in probabilities.items()}
    assert most_frequent(space, probabilities) == derive(space, **row)
    assert derive(space, **{name: p[0].tolist() for name, p in probabilities.items()}) != derive(space, **row)


def test_layers_after_the_exit_do_not_count() -> None:
    space = SearchSpace(ops=("conv3", "gru"), activations=("relu",), layers=2, reductions=())
    first = [[1.0, 0.0], [1.0, 0.0]]
    node = np.array([first, [[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]])
    depth = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    probabilities = {"node": node, "activation": np.ones((3, 2, 1)), "depth": depth}
    assert str(most_frequent(space, probabilities)) == "conv3/relu (reductions=none)"
