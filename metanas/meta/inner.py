"""The inner loop, written once: adapt weights and architecture to a task by gradient steps.

Every gradient-based method here is a setting of `adapt` plus an outer rule (`maml.py`, `reptile.py`), so
a difference between two rows of the leaderboard is a difference between two methods. Tasks are adapted
side by side: all tensors have a leading task dimension T and `torch.func.vmap` batches the network over
it, while gradients of the summed loss stay separate because no task's loss sees another task's numbers.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call, vmap

from metanas.episode import Batch, TaskSpec
from metanas.meta.rule import UpdateRule
from metanas.method import Adapted
from metanas.networks.network import Network
from metanas.params import Params, Tensors, detach, like, stack, tensors
from metanas.search.prior import penalty
from metanas.search.relax import Mixture, Relaxation, softmax
from metanas.supernet.network import SuperNet

Loss = Callable[[Params, Batch], Tensor]  # params and batch of T tasks -> mean loss of each, (T,)


class Rules(NamedTuple):
    """How each group moves; None leaves it where it is. adapts: which weights move, by name."""

    weights: UpdateRule | None
    arch: UpdateRule | None
    adapts: Callable[[str], bool] = lambda name: True


def forward(net: Network, spec: TaskSpec, relax: Relaxation = softmax) -> Callable[[Params, Tensor], Tensor]:
    """Logits (T, B, ways) of T networks of the same structure, each on its own x (T, B, ...)."""
    return lambda params, x: _run(net, spec, params.weights, relax(params.arch), x)


def task_loss(net: Network, spec: TaskSpec, relax: Relaxation = softmax) -> Loss:
    """Mean cross-entropy of each task's batch, plus what the strategy's prior asks for."""

    def loss(params: Params, batch: Batch) -> Tensor:
        mixture = relax(params.arch)
        logits = _run(net, spec, params.weights, mixture, batch.x)
        flat = F.cross_entropy(logits.flatten(0, 1), batch.y.flatten(), reduction="none")
        found = flat.view_as(batch.y).mean(1)
        held = penalty(net.space, mixture) if isinstance(net, SuperNet) else None
        return found if held is None else found + held

    return loss


def _run(net: Network, spec: TaskSpec, weights: Tensors, mixture: Mixture, x: Tensor) -> Tensor:
    """The mixture is made before the batching over tasks, so that it may depend on all tasks' values."""

    def one(weights: Tensors, shares: Tensors, x: Tensor) -> Tensor:
        logits: Tensor = functional_call(net, weights, (x, mixture.of(shares), spec))
        return logits

    logits: Tensor = vmap(one)(weights, mixture.weights, x)
    return logits


def adapt(
    loss: Loss,
    params: Params,
    batches: Sequence[Batch],
    *,
    rules: Rules,
    create_graph: bool,
) -> Params:
    """One gradient step on each batch in turn, for T tasks (Finn et al., 2017, eq. 1).

    batches: the support set once per step, or different parts of it.
    params: (T, ...) each. create_graph keeps the way back to `params` (second order); without it the
    result is a leaf. Groups without a rule, and weights the loss does not use, come back unchanged.
    """
    moving = _rules_in_order(params, rules)
    states = [None if rule is None else rule.init(t) for rule, t in zip(moving, tensors(params), strict=True)]
    for batch in batches:
        params = params if create_graph else detach(params)
        gradients = gradient(loss, params, batch, moving, create_graph=create_graph)
        values = []
        for i, (value, rule, g) in enumerate(zip(tensors(params), moving, gradients, strict=True)):
            state = states[i]
            if rule is not None and g is not None and state is not None:
                value, states[i] = rule.update(value, g, state)
            values.append(value if create_graph else value.detach())
        params = like(params, values)
    return params


def gradient(
    loss: Loss, params: Params, batch: Batch, moving: Sequence[UpdateRule | None], *, create_graph: bool
) -> list[Tensor | None]:
    """Gradient of every task's loss for the tensors that have a rule; None for the others."""
    values = tensors(params)
    chosen = [i for i, rule in enumerate(moving) if rule is not None]
    total = loss(params, batch).sum()
    found = torch.autograd.grad(
        total, [values[i] for i in chosen], create_graph=create_graph, allow_unused=True
    )
    result: list[Tensor | None] = [None] * len(values)
    for i, g in zip(chosen, found, strict=True):
        result[i] = g
    return result


def predictor(
    net: Network, spec: TaskSpec, params: Params, support: Batch, *, rules: Rules, steps: int
) -> Adapted:
    """Adapt T tasks from the same start and predict with what came out: gradient methods' `adapt`."""
    start = stack(params, support.y.shape[0])
    adapted = adapt(task_loss(net, spec), start, [support] * steps, rules=rules, create_graph=False)

    @torch.no_grad()
    def predict(x: Tensor) -> Tensor:
        return forward(net, spec)(adapted, x).softmax(-1)

    return Adapted(predict, adapted.arch, adapted.weights)


def _rules_in_order(params: Params, rules: Rules) -> list[UpdateRule | None]:
    weights = [rules.weights if rules.adapts(name) else None for name in params.weights]
    return [*weights, *([rules.arch] * len(params.arch))]
