"""Exponentiated gradient against its definition on probabilities; summed steps against a sum written out."""

import torch

from metanas.meta.arch_steps import SummedArch, exponentiated
from metanas.meta.inner import ParamGroups, adapt
from metanas.meta.optimizers import sgd
from metanas.params import Params, expand_tasks
from tests import tiny


def test_exponentiated_gradient_multiplies_the_probabilities() -> None:
    g = torch.Generator().manual_seed(0)
    x = torch.randn(3, 5, generator=g, dtype=torch.float64, requires_grad=True)
    slopes = torch.randn(3, 5, generator=g, dtype=torch.float64)
    p = x.softmax(-1)
    (gradient,) = torch.autograd.grad((slopes * p).sum(), x)
    moved, _ = exponentiated(0.3).update(x.detach(), gradient, ())
    expected = p.detach() * torch.exp(-0.3 * slopes)
    torch.testing.assert_close(
        moved.softmax(-1), expected / expected.sum(-1, keepdim=True), rtol=1e-12, atol=0
    )


def test_logits_move_once_by_the_sum_of_the_steps_gradients() -> None:
    weights, arch = torch.tensor([1.0, -2.0]).double(), torch.tensor([0.5, 0.1]).double()
    start = expand_tasks(Params({"w": weights}, {"a": arch}), 1)

    def loss(params: Params, batch: object) -> torch.Tensor:
        return ((params.weights["w"] - 3).square() * params.arch["a"].softmax(-1)).sum(-1)

    episodes = tiny.episodes(1)
    policy = SummedArch(ParamGroups(sgd(0.1), sgd(0.7)), steps=3)
    adapted = adapt(loss, start, [episodes.support] * 3, policy=policy, order=0)

    w, total = weights[None].clone(), torch.zeros(1, 2, dtype=torch.float64)
    for _ in range(3):
        leaves = Params({"w": w.requires_grad_()}, {"a": arch[None].clone().requires_grad_()})
        to_w, to_a = torch.autograd.grad(loss(leaves, None).sum(), [leaves.weights["w"], leaves.arch["a"]])
        w, total = (w - 0.1 * to_w).detach(), total + to_a
    torch.testing.assert_close(adapted.weights["w"], w, rtol=1e-12, atol=0)
    torch.testing.assert_close(adapted.arch["a"], arch[None] - 0.7 * total, rtol=1e-12, atol=0)
