"""The loss of T tasks side by side: cross-entropy plus the penalties of the search space.

After `batching.py` (how the network runs) and `search/prior.py` (the penalties), before `inner.py`, which
differentiates it. Also the gradient of the first inner step where all tasks still share their parameters.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call, grad, vmap

from metanas.data.episode import Batch, TaskSpec
from metanas.meta.batching import Batching, run
from metanas.models.network import Network
from metanas.models.relaxation import Mixture, Relaxation, as_softmax, softmax, space_relaxation
from metanas.models.supernet import SuperNet
from metanas.params import Params, Tensors, own_arch, tensors, unflatten_like
from metanas.search.prior import penalises, penalty


@dataclass(frozen=True)
class TaskLoss:
    """Mean cross-entropy (T,) of each task's batch, plus the penalty of the space's prior and budgets.

    relaxation: a method's own; None: the space's.
    """

    net: Network
    spec: TaskSpec
    relaxation: Relaxation | None = None
    batching: Batching = "vmap"

    def __call__(self, params: Params, batch: Batch) -> Tensor:
        """params: tensors (T, ...). batch: x (T, B, *input_shape), y (T, B). Returns (T,)."""
        mixture = self.relax(params.arch)
        logits = run(self.net, self.spec, params.weights, mixture, batch.x, self.batching)
        losses = cross_entropy(logits, batch.y)
        extra = self.penalty(mixture)
        return losses if extra is None else losses + extra

    @property
    def relax(self) -> Relaxation:
        """The relaxation: from architecture logits to a mixture."""
        if not isinstance(self.net, SuperNet):
            return self.relaxation or softmax
        space, relaxation = self.net.space, self.relaxation or space_relaxation(self.net.space)
        if space.levels == "shared":
            return relaxation
        return lambda logits: relaxation(own_arch(logits, space.level(self.spec)))

    @property
    def shares_first_step(self) -> bool:
        """Whether the first inner step may be one big batch: the relaxation must treat tasks separately."""
        return self.batching == "shared" and self.relax is softmax and self.net.shares_gradients

    @property
    def is_static(self) -> bool:
        """Whether it computes the same operations in every iteration, and so can be replayed."""
        return self.relaxation is None and is_static(self.net)

    def penalty(self, mixture: Mixture) -> Tensor | None:
        """Penalty of the space's prior and budgets, () or (T,); None without any."""
        return penalty(self.net.space, mixture, self.spec) if isinstance(self.net, SuperNet) else None

    def stored_arch(self, arch: Tensors) -> Tensors:
        """The adapted architecture logits (T, ...) in the form that an evaluation stores."""
        if not isinstance(self.net, SuperNet):
            return arch
        if self.relaxation is not None:
            return own_arch(arch, self.net.space.level(self.spec))
        return as_softmax(self.net.space, arch, self.spec)

    def logits(self, params: Params, x: Tensor) -> Tensor:
        """Logits (T, B, ways) of T networks, each on its own x (T, B, *input_shape)."""
        return run(self.net, self.spec, params.weights, self.relax(params.arch), x, self.batching)


def is_static(net: Network) -> bool:
    """Whether the network and its penalties compute the same operations in every iteration."""
    if not isinstance(net, SuperNet):
        return True
    space = net.space
    return space.relaxation == "softmax" and space.sampling == "mixture" and not penalises(space)


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """Mean over each task's batch: logits (T, B, ways), y (T, B) to (T,)."""
    flat = F.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="none")
    return flat.view_as(y).mean(1)


def is_shared(params: Params) -> bool:
    """Whether all tasks still share their parameters: rows of stride 0, as `expand_tasks` makes them."""
    return all(t.stride(0) == 0 for t in tensors(params))


def gradient_of_shared(
    loss: TaskLoss, params: Params, batch: Batch, chosen: Sequence[int], *, create_graph: bool
) -> list[Tensor]:
    """Each task's gradient (T, ...) where all share their parameters: activations are one big batch.

    chosen: indices in `tensors` of what to differentiate for. Only for relaxations that treat each task's
    logits separately (softmax does).
    """
    values = [t[0] if create_graph else t[0].detach() for t in tensors(params)]

    def task_loss(moving: list[Tensor], x: Tensor, y: Tensor) -> Tensor:
        replaced = list(values)
        for i, t in zip(chosen, moving, strict=True):
            replaced[i] = t
        task_params = unflatten_like(params, replaced)
        mixture = loss.relax(task_params.arch)
        value = F.cross_entropy(functional_call(loss.net, task_params.weights, (x, mixture, loss.spec)), y)
        extra = loss.penalty(mixture)
        return value if extra is None else value + extra

    gradients: list[Tensor] = vmap(grad(task_loss), in_dims=(None, 0, 0))(
        [values[i] for i in chosen], batch.x, batch.y
    )
    return gradients
