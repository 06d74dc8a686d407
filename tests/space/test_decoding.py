import numpy as np

from metanas.space import decoding
from metanas.space.space import SearchSpace

SPACE = SearchSpace(ops=("conv3", "none", "skip"), activations=("relu", "tanh"), layers=2, reductions=())


def probabilities(node: list[list[list[float]]], depth: list[list[float]]) -> dict[str, np.ndarray]:
    activation = np.tile([0.3, 0.7], (len(node), 2, 1))
    return {"node": np.array(node), "activation": activation, "depth": np.array(depth)}


def test_the_strongest_candidate_is_taken_and_none_only_with_all_the_weight() -> None:
    weak, whole = [0.3, 0.5, 0.2], [0.0, 1.0, 0.0]
    found = decoding.decode(SPACE, probabilities([[weak, whole]], [[0.1, 0.9]]))
    assert found["node"].tolist() == [[0, 1]]
    assert found["activation"].tolist() == [[1, 1]] and found["depth"].tolist() == [1]


def test_layers_after_the_exit_do_not_tell_architectures_apart() -> None:
    first, last = [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]
    p = probabilities([[first, first], [first, last], [last, last]], [[1.0, 0.0]] * 3)
    rows = decoding.flat(decoding.decode(SPACE, p))
    assert (rows[0] == rows[1]).all() and not (rows[0] == rows[2]).all()
    assert decoding.most_frequent(decoding.decode(SPACE, p))["node"].tolist() == [[0, 0]]


def test_settled_means_one_hot_wherever_something_is_computed() -> None:
    whole, even = [1.0, 0.0, 0.0], [0.4, 0.3, 0.3]
    p = probabilities([[whole, even], [even, whole], [whole, even]], [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    p["activation"] = np.tile([1.0, 0.0], (3, 2, 1))
    assert decoding.settled(SPACE, p).tolist() == [True, False, False]


def test_drawn_architectures_are_pinned_and_uniform() -> None:
    p = probabilities([[[0.0, 0.0, 0.0]] * 2] * 600, [[0.0, 0.0]] * 600)
    a, b = decoding.drawn(SPACE, p, "one"), decoding.drawn(SPACE, p, "other")
    assert (decoding.flat(a) == decoding.flat(decoding.drawn(SPACE, p, "one"))).all()
    assert not (decoding.flat(a) == decoding.flat(b)).all()
    assert np.bincount(a["node"][:, 0], minlength=3).min() > 150
    assert a["node"][:6, 0].tolist() == [1, 1, 2, 0, 1, 2]


def test_hard_logits_are_0_for_the_chosen_and_out_for_the_rest() -> None:
    logits = decoding.hard({"node": np.array([[2, 0]])}, {"node": 3})
    out = decoding.OUT
    assert logits["node"].tolist() == [[[out, out, 0.0], [0.0, out, out]]]


def test_shares_count_only_what_is_computed() -> None:
    first, last = [0.6, 0.0, 0.4], [0.0, 0.1, 0.9]
    p = probabilities([[first, last], [first, first], [last, last], [first, last]], [[1, 0], [0, 1]] * 2)
    found = decoding.shares(SPACE, p)
    assert found["node"].tolist() == [[0.75, 0, 0.25], [0.25, 0, 0.25]]
    assert found["depth"].tolist() == [0.5, 0.5]
    assert found["activation"].sum(-1).tolist() == [1.0, 0.5]
