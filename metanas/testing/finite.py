"""Finite first and second derivatives at odd inputs: zeros, constants, padding, huge and tiny values.

Second-order MAML differentiates twice through everything: one blank text must not make a NaN of every weight.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from metanas.base.seeding import generator
from metanas.data.episode import Batch, TaskSpec
from metanas.meta.loss import TaskLoss
from metanas.models.network import Network, init_weights
from metanas.models.ops import Mask
from metanas.params import expand_tasks, named_tensors, unflatten_like
from metanas.testing.check import require
from metanas.testing.inputs import NAN_PADDED

C = 8  # channels of the maps
DTYPES = (torch.float32, torch.float64)
MAPS = ("zero", "constant", "padding", "one padded", "one element", "huge", "tiny", "negative")
INPUTS = ("blank", "constant", "huge", "tiny")
SPECS = {
    "image": TaskSpec("i", "image", (1, 8, 8), 2),
    "text": TaskSpec("t", "text", (6,), 2, 20),
    "speech": TaskSpec("s", "speech", (8, 12), 2),
    "series": TaskSpec("r", "series", (3, 12), 2),
}


def differentiate(run: Callable[..., Tensor], leaves: Sequence[Tensor]) -> None:
    """CheckFailed unless a function's value and first and second derivatives for all leaves are finite."""
    leaves = [t.detach().clone().requires_grad_() for t in leaves]
    y = run(*leaves)
    require(y.isfinite().all(), "the value is not finite")
    if not y.requires_grad:  # the op `none`
        return
    first = torch.autograd.grad(
        y.square().mean() + y.mean(), leaves, create_graph=True, allow_unused=True, materialize_grads=True
    )
    require(all(g.isfinite().all() for g in first), "the first derivative is not finite")
    total = torch.stack([g.square().mean() + g.mean() for g in first]).sum()
    if total.requires_grad:
        second = torch.autograd.grad(total, leaves, allow_unused=True, materialize_grads=True)
        require(all(g.isfinite().all() for g in second), "the second derivative is not finite")


def maps(kind: str, dtype: torch.dtype, *, text: bool) -> tuple[Tensor, Mask]:
    """Feature maps (B, C, H, W) of a kind of MAPS, with the mask of a text or none as of images."""
    size = {"one element": (1, C, 1, 1)}.get(kind, (2, C, 1, 6) if text else (2, C, 4, 4))
    x = torch.randn(size, generator=generator(0, kind), dtype=torch.float64).to(dtype)
    x = {"zero": x * 0, "constant": x * 0 + 2, "huge": x * 1e4, "tiny": x * 1e-25, "negative": -x.abs()}.get(
        kind, x
    )
    mask = x.new_ones(len(x), 1, *x.shape[2:]) if text else None
    if mask is not None and kind == "padding":
        mask = mask * 0
    if mask is not None and kind == "one padded":
        mask[0] = 0
    return x if mask is None else x * mask, mask


def differentiate_module(module: nn.Module, x: Tensor, mask: Mask) -> None:
    """The same of a module of maps, for its input and its weights in the dtype of x."""
    module.to(x.dtype)
    weights = {name: t.to(x.dtype) for name, t in init_weights(module, generator(0, "weights")).items()}

    def run(x: Tensor, *values: Tensor) -> Tensor:
        y: Tensor = functional_call(module, dict(zip(weights, values, strict=True)), (x, mask))
        return y

    differentiate(run, [x, *weights.values()])


def inputs(spec: TaskSpec, kind: str, dtype: torch.dtype) -> Tensor:
    """Raw inputs (2, *input_shape): the first one of a kind of INPUTS, the second ordinary."""
    if spec.modality == "text":
        x = torch.randint(1, spec.vocabulary, (2, *spec.input_shape), generator=generator(0, kind))
        x[0] = 0 if kind == "blank" else 3
        return x
    x = torch.randn(2, *spec.input_shape, generator=generator(0, kind)).to(dtype)
    blank = torch.nan if spec.modality in NAN_PADDED else 0.0
    x[0] = {"blank": blank, "constant": -2.0, "huge": 1e4, "tiny": 1e-25}[kind]
    return x


def differentiate_network(net: Network, spec: TaskSpec, kind: str) -> None:
    """The same of a network's loss on two inputs, for all its parameters and logits; one input is odd."""
    loss, params = TaskLoss(net, spec), expand_tasks(net.init(generator(0, "finite")), 1)
    batch = Batch(inputs(spec, kind, torch.float32)[None], torch.tensor([[0, 1]]))
    tensors = named_tensors(params)

    def stepped(*values: Tensor) -> Tensor:
        return loss(unflatten_like(params, list(values)), batch)

    differentiate(stepped, list(tensors.values()))
