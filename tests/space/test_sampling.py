"""Single paths: fair draws hold every op once, uniform ones are uniform, the posterior follows the logits."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from metanas.method import State
from metanas.models.relaxation import one_hot, relaxed
from metanas.space import sampling
from metanas.space.space import SearchSpace
from tests import tiny

SPACE = SearchSpace(layers=2, channels=4, reductions=(), sampling="uniform")


def test_a_draw_is_a_function_of_seed_domain_and_iteration() -> None:
    text = [str(sampling.draw(SPACE, tiny.SPECS[1], 0, i)) for i in range(30)]
    assert text == [str(sampling.draw(SPACE, tiny.SPECS[1], 0, i)) for i in range(30)]
    assert text != [str(sampling.draw(SPACE, tiny.SPECS[1], 1, i)) for i in range(30)]
    assert text != [str(sampling.draw(SPACE, tiny.SPECS[2], 0, i)) for i in range(30)]


def test_uniform_draws() -> None:
    drawn = [sampling.draw(SPACE, tiny.SPEC, 0, i) for i in range(2000)]
    ops = Counter(a.layers[0].op for a in drawn)
    assert set(ops) == set(SPACE.ops) and min(ops.values()) > 190  # 250 expected, sd 15
    assert abs(sum(len(a.layers) == 1 for a in drawn) - 1000) < 100


def test_fair_draws_take_every_op_once_a_round() -> None:
    space = replace(SPACE, sampling="fair", ops=("conv3", "gru", "attn"), activations=("relu",))
    for first in range(0, 30, 3):
        ops = [sampling.draw(space, tiny.SPEC, 0, i).layers[0].op for i in range(first, first + 3)]
        assert sorted(ops) == ["attn", "conv3", "gru"]


def test_posterior_draws_follow_the_logits_of_the_level() -> None:
    space = replace(SPACE, sampling="posterior", levels="domain", ops=("conv3", "gru"), layers=1)
    node = torch.tensor([[0.0, float(np.log(4))]])
    logits = {
        "node": torch.zeros(1, 2),
        "node@tiny": node,
        "activation": torch.zeros(1, 3),
        "depth": torch.zeros(1),
    }
    state = State({f"arch/{name}": t for name, t in logits.items()})
    drawn = [sampling.draw(space, tiny.SPEC, 0, i, state.probabilities) for i in range(1000)]
    assert abs(sum(a.layers[0].op == "gru" for a in drawn) - 800) < 60
    other = [sampling.draw(space, tiny.SPECS[1], 0, i, state.probabilities) for i in range(1000)]
    assert abs(sum(a.layers[0].op == "gru" for a in other) - 500) < 70


@pytest.mark.parametrize("kind", ["uniform", "posterior"])
def test_the_supernet_computes_the_drawn_path_in_training_only(kind: str) -> None:
    space = replace(SPACE, sampling=kind)
    net, params = tiny.net(space)
    x, arch = tiny.inputs(tiny.SPEC, 3), {n: t.requires_grad_() for n, t in params.arch.items()}
    path = one_hot(
        space,
        sampling.draw(space, tiny.SPEC, 5, 7, State({f"arch/{n}": t for n, t in arch.items()}).probabilities),
    )
    path = path.of({n: t.double() for n, t in path.weights.items()})
    call = lambda a: torch.func.functional_call(net, params.weights, (x, a, tiny.SPEC))  # noqa: E731
    with sampling.training(5, 7, State({f"arch/{n}": t for n, t in arch.items()}).probabilities):
        trained = call(arch)
    torch.testing.assert_close(trained, call(path), rtol=1e-12, atol=1e-12)
    assert not torch.allclose(trained, call(arch))
    torch.testing.assert_close(call(arch), call(relaxed(space, arch, tiny.SPEC)))
    assert trained.requires_grad == (kind == "posterior")
    if kind == "posterior":
        gradients = torch.autograd.grad(trained.sum(), list(arch.values()))
        assert any(bool(g.any()) for g in gradients)
