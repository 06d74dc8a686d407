"""The inner loop, written once: adapt weights and architecture to a task by gradient steps.

Every gradient-based method here, but for learn2learn's own, is a setting of `adapt` plus an outer rule
(`maml.py`, `reptile.py`), so a difference between two rows of the leaderboard is a difference between two
methods. Tasks are adapted side by side: all tensors have a leading task dimension T, and gradients of the
summed loss stay separate because no task's loss sees another task's numbers. `batching.py` says how the
network runs over tasks.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from metanas.episode import Batch, TaskSpec
from metanas.meta.batching import Batching, gradient_of_shared, is_shared, run
from metanas.meta.rule import State, UpdateRule
from metanas.method import Adapted
from metanas.networks.network import Network, is_head
from metanas.params import Params, Tensors, detach, like, named, stack, tensors
from metanas.search.prior import penalty
from metanas.search.relax import Mixture, Relaxation, as_softmax, softmax, usual
from metanas.supernet.network import SuperNet

Order = Literal[0, 1, 2]  # derivatives that lead back to the start: none, those of the updates, all
What = Literal["both", "weights", "arch", "head"]  # what adapts to a task
Memory = dict[int, State]  # what a rule remembers of a tensor, by its place in `tensors`
Loss = Callable[[Params, Batch], Tensor]  # params and batch of T tasks -> mean loss of each, (T,)


class Stepper(Protocol):
    """Says how every tensor moves in a step."""

    def at(self, params: Params, step: int) -> list[UpdateRule | None]:
        """One rule per tensor, in the order of `tensors`; None leaves a tensor where it is."""
        ...


class Rules(NamedTuple):
    """How each group moves; None leaves it where it is. adapts: which tensors, by their `named` names."""

    weights: UpdateRule | None
    arch: UpdateRule | None
    adapts: Callable[[str], bool] = lambda name: True

    def at(self, params: Params, step: int) -> list[UpdateRule | None]:
        return [
            (self.arch if name.startswith("arch/") else self.weights) if self.adapts(name) else None
            for name in named(params)
        ]


def moves(what: What) -> Callable[[str], bool]:
    """Whether a tensor of that `named` name adapts; `head` is the classifier alone (ANIL)."""
    return {
        "both": lambda name: True,
        "weights": lambda name: name.startswith("weights/"),
        "arch": lambda name: name.startswith("arch/"),
        "head": lambda name: is_head(name.removeprefix("weights/")),
    }[what]


@dataclass(frozen=True)
class TaskLoss:
    """Mean cross-entropy of each task's batch, plus what the space's prior and budgets ask for.

    by: a method's own relaxation; None: the space's.
    """

    net: Network
    spec: TaskSpec
    by: Relaxation | None = None
    batching: Batching = "vmap"

    def __call__(self, params: Params, batch: Batch) -> Tensor:
        mixture = self.relax(params.arch)
        logits = run(self.net, self.spec, params.weights, mixture, batch.x, self.batching)
        found = cross_entropy(logits, batch.y)
        held = self.held(mixture)
        return found if held is None else found + held

    @property
    def relax(self) -> Relaxation:
        """How logits become a mixture."""
        if self.by is not None:
            return self.by
        return usual(self.net.space) if isinstance(self.net, SuperNet) else softmax

    @property
    def shares(self) -> bool:
        """Whether the first step may be one big batch: a relaxation must look at each task alone."""
        return self.batching == "shared" and self.relax is softmax

    def held(self, mixture: Mixture) -> Tensor | None:
        """What a strategy's prior adds to each task's loss."""
        return penalty(self.net.space, mixture, self.spec) if isinstance(self.net, SuperNet) else None

    def chosen(self, arch: Tensors) -> Tensors:
        """The adapted logits (T, ...) as an evaluation keeps them."""
        if self.by is not None or not isinstance(self.net, SuperNet):
            return arch
        return as_softmax(self.net.space, arch)

    def logits(self, params: Params, x: Tensor) -> Tensor:
        """Logits (T, B, ways) of T networks, each on its own x (T, B, ...)."""
        return run(self.net, self.spec, params.weights, self.relax(params.arch), x, self.batching)


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """Mean over each task's batch: logits (T, B, ways), y (T, B) to (T,)."""
    flat = F.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="none")
    return flat.view_as(y).mean(1)


def trajectory(
    loss: Loss | Sequence[Loss],
    params: Params,
    batches: Sequence[Batch],
    *,
    rules: Stepper,
    order: Order,
    memory: Memory | None = None,
    first: int = 0,
) -> Iterator[Params]:
    """The parameters after each gradient step, one step per batch, for T tasks (Finn et al., 2017, alg. 1).

    params: (T, ...) each. loss: one for all steps or one per step. order: 2 keeps the whole way back to
    `params`; 1 takes the steps' gradients for constants; 0 returns leaves. Groups without a rule, and
    weights the loss does not use, come back unchanged. memory: what the rules begin with, changed in place;
    None: nothing. first: the number of the first step, for its rules.
    """
    memory = {} if memory is None else memory
    for step, batch in enumerate(batches):
        now = loss[step] if isinstance(loss, Sequence) else loss
        params = params if order else detach(params)
        moving = rules.at(params, first + step)
        gradients = gradient(now, params, batch, moving, create_graph=order == 2)
        values = []
        with torch.set_grad_enabled(order > 0):
            for i, (value, rule, g) in enumerate(zip(tensors(params), moving, gradients, strict=True)):
                if rule is not None and g is not None:
                    known = memory[i] if i in memory else rule.init(value)
                    value, memory[i] = rule.update(value, g, known)
                values.append(value if order else value.detach())
        params = like(params, values)
        yield params


def adapt(
    loss: Loss | Sequence[Loss],
    params: Params,
    batches: Sequence[Batch],
    *,
    rules: Stepper,
    order: Order,
    memory: Memory | None = None,
) -> Params:
    """The parameters after the last step of `trajectory`; `params` if there is no batch."""
    for now in trajectory(loss, params, batches, rules=rules, order=order, memory=memory):
        params = now
    return params


def gradient(
    loss: Loss, params: Params, batch: Batch, moving: Sequence[UpdateRule | None], *, create_graph: bool
) -> list[Tensor | None]:
    """Gradient of every task's loss for the tensors that have a rule; None for the others."""
    chosen = [i for i, rule in enumerate(moving) if rule is not None]
    if not chosen:
        return [None] * len(moving)
    if isinstance(loss, TaskLoss) and loss.shares and is_shared(params):
        found: Sequence[Tensor | None] = gradient_of_shared(
            loss, params, batch, chosen, create_graph=create_graph
        )
    else:
        values = tensors(params)
        at, total = [values[i] for i in chosen], loss(params, batch).sum()
        found = torch.autograd.grad(total, at, create_graph=create_graph, allow_unused=True)
    result: list[Tensor | None] = [None] * len(moving)
    for i, g in zip(chosen, found, strict=True):
        result[i] = g
    return result


def predictor(
    loss: TaskLoss,
    params: Params,
    support: Batch,
    *,
    rules: Stepper,
    steps: int,
    memory: Memory | None = None,
    one_by_one: bool = False,
) -> Adapted:
    """Adapt T tasks from the same start and predict with what came out: gradient methods' `adapt`.

    one_by_one: a query's batch is the support set and itself, so that batch norm mixes no queries.
    """
    start = stack(params, support.y.shape[0])
    adapted = adapt(loss, start, [support] * steps, rules=rules, order=0, memory=memory)
    return predicting(loss, adapted, support if one_by_one else None)


def predicting(loss: TaskLoss, adapted: Params, beside: Batch | None = None) -> Adapted:
    """T adapted tasks' answers; each query alone with the examples `beside` it, or all at once."""

    @torch.no_grad()
    def predict(x: Tensor) -> Tensor:
        if beside is None:
            return loss.logits(adapted, x).softmax(-1)
        batches = (torch.cat([beside.x, query[:, None]], 1) for query in x.unbind(1))
        return torch.stack([loss.logits(adapted, batch)[:, -1] for batch in batches], 1).softmax(-1)

    return Adapted(predict, loss.chosen(adapted.arch), adapted.weights)
