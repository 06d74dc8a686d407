"""The inner loop: adapt weights and architecture logits to a task by gradient steps.

Every gradient-based method here, but for learn2learn's own, is a setting of `adapt` plus an outer update
(`maml.py`, `reptile.py`), so a difference between two rows of the leaderboard is a difference between two
methods. Tasks are adapted side by side: all tensors have a leading task dimension T, and gradients of the
summed loss stay separate because no task's loss depends on another task's parameters. Before this file:
`loss.py`, `optimizers.py`; `batching.py` says how the network runs over tasks.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from metanas.data.episode import Batch
from metanas.meta.loss import TaskLoss, gradient_of_shared, is_shared
from metanas.meta.optimizers import FunctionalOptimizer, OptimizerState
from metanas.method import Adapted
from metanas.models.network import is_head
from metanas.params import (
    Loss,
    Params,
    detach,
    expand_tasks,
    group_of,
    named_tensors,
    tensors,
    unflatten_like,
)

Order = Literal[0, 1, 2]  # derivatives that lead back to the start: none, those of the updates, all
What = Literal["both", "weights", "arch", "head"]  # what adapts to a task
Memory = dict[int, OptimizerState]  # the optimizer state of a tensor, by its index in `tensors`


class StepPolicy(Protocol):
    """Says which optimizer moves each tensor in a step of the inner loop."""

    def for_step(self, params: Params, step: int) -> list[FunctionalOptimizer | None]:
        """One optimizer per tensor, in the order of `tensors`; None leaves a tensor as it is."""
        ...


class ParamGroups(NamedTuple):
    """A `StepPolicy` with one optimizer per group, None for a group that does not move.

    adapts: whether a tensor moves, by its full name (`named_tensors`).
    """

    weights: FunctionalOptimizer | None
    arch: FunctionalOptimizer | None
    adapts: Callable[[str], bool] = lambda name: True

    def for_step(self, params: Params, step: int) -> list[FunctionalOptimizer | None]:
        """The same optimizers in every step."""
        return [
            (self.arch if group_of(name) == "arch" else self.weights) if self.adapts(name) else None
            for name in named_tensors(params)
        ]


def moves(what: What) -> Callable[[str], bool]:
    """Whether the tensor of a full name adapts; `head` is the classifier alone (ANIL)."""
    return {
        "both": lambda name: True,
        "weights": lambda name: group_of(name) == "weights",
        "arch": lambda name: group_of(name) == "arch",
        "head": lambda name: is_head(name.removeprefix("weights/")),
    }[what]


def trajectory(
    loss: Loss | Sequence[Loss],
    params: Params,
    batches: Sequence[Batch],
    *,
    policy: StepPolicy,
    order: Order,
    memory: Memory | None = None,
    first: int = 0,
) -> Iterator[Params]:
    """The parameters after each gradient step, one step per batch, for T tasks (Finn et al., 2017, alg. 1).

    params: tensors (T, ...). loss: one for all steps or one per step. order: 2 differentiates through all
    steps back to `params`; 1 takes the steps' gradients for constants; 0 returns leaves. Tensors without an
    optimizer, and weights the loss does not use, come back unchanged. memory: the optimizers' states before
    the first step, changed in place; None: initial ones. first: the number of the first step, for `policy`.
    """
    memory = {} if memory is None else memory
    for step, batch in enumerate(batches):
        step_loss = loss[step] if isinstance(loss, Sequence) else loss
        params = params if order else detach(params)
        moving = policy.for_step(params, first + step)
        gradients = gradient(step_loss, params, batch, moving, create_graph=order == 2)
        values = []
        with torch.set_grad_enabled(order > 0):
            for i, (value, optimizer, g) in enumerate(zip(tensors(params), moving, gradients, strict=True)):
                if optimizer is not None and g is not None:
                    state = memory[i] if i in memory else optimizer.init(value)
                    value, memory[i] = optimizer.update(value, g, state)
                values.append(value if order else value.detach())
        params = unflatten_like(params, values)
        yield params


def adapt(
    loss: Loss | Sequence[Loss],
    params: Params,
    batches: Sequence[Batch],
    *,
    policy: StepPolicy,
    order: Order,
    memory: Memory | None = None,
) -> Params:
    """The parameters after the last step of `trajectory`; `params` if there is no batch."""
    for adapted in trajectory(loss, params, batches, policy=policy, order=order, memory=memory):
        params = adapted
    return params


def gradient(
    loss: Loss,
    params: Params,
    batch: Batch,
    moving: Sequence[FunctionalOptimizer | None],
    *,
    create_graph: bool,
) -> list[Tensor | None]:
    """Gradient (T, ...) of every task's loss for the tensors that have an optimizer; None for the others."""
    chosen = [i for i, optimizer in enumerate(moving) if optimizer is not None]
    if not chosen:
        return [None] * len(moving)
    if isinstance(loss, TaskLoss) and loss.shares_first_step and is_shared(params):
        gradients: Sequence[Tensor | None] = gradient_of_shared(
            loss, params, batch, chosen, create_graph=create_graph
        )
    else:
        values = tensors(params)
        inputs, total = [values[i] for i in chosen], loss(params, batch).sum()
        gradients = torch.autograd.grad(total, inputs, create_graph=create_graph, allow_unused=True)
    result: list[Tensor | None] = [None] * len(moving)
    for i, g in zip(chosen, gradients, strict=True):
        result[i] = g
    return result


def predictor(
    loss: TaskLoss,
    params: Params,
    support: Batch,
    *,
    policy: StepPolicy,
    steps: int,
    memory: Memory | None = None,
    one_by_one: bool = False,
) -> Adapted:
    """Adapt T tasks from the same start, params (...) without T, and predict: gradient methods' `adapt`.

    one_by_one: a query's batch is the support set and itself, so that batch norm mixes no queries.
    """
    start = expand_tasks(params, support.y.shape[0])
    adapted = adapt(loss, start, [support] * steps, policy=policy, order=0, memory=memory)
    return adapted_predictor(loss, adapted, support if one_by_one else None)


def adapted_predictor(loss: TaskLoss, adapted: Params, support: Batch | None = None) -> Adapted:
    """The predictor of T adapted tasks, tensors (T, ...).

    support: run each query alone in a batch with these examples; None: run all queries at once.
    """

    @torch.no_grad()
    def predict(x: Tensor) -> Tensor:
        if support is None:
            return loss.logits(adapted, x).softmax(-1)
        batches = (torch.cat([support.x, query[:, None]], 1) for query in x.unbind(1))
        return torch.stack([loss.logits(adapted, batch)[:, -1] for batch in batches], 1).softmax(-1)

    return Adapted(predict, loss.stored_arch(adapted.arch), adapted.weights)
