"""Zero-cost proxies: scores of an architecture from untrained weights and a few inputs; higher is better.

Abdelfattah et al., 2021, "Zero-Cost Proxies for Lightweight NAS", compare them. All take the supernet, its
weights by name, the mixture of one architecture, the task's spec and one batch: x (B, *input_shape) and
y (B,) int64 in [0, ways).
"""

import copy
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from metanas.data.episode import TaskSpec
from metanas.models.ops import Mask
from metanas.models.relaxation import Mixture, one_hot
from metanas.models.stem import Norm
from metanas.models.supernet import Exit, SuperNet, grid
from metanas.params import Tensors
from metanas.space.architecture import FRAME, Architecture, Cell
from metanas.space.space import SearchSpace

Proxy = Callable[[SuperNet, Tensors, Mixture, TaskSpec, Tensor, Tensor], float]


def naswot(net: SuperNet, weights: Tensors, mixture: Mixture, spec: TaskSpec, x: Tensor, y: Tensor) -> float:
    """log |det K|, K the agreement of the examples' activation patterns (Mellor et al., 2021, eq. 2-3).

    A pattern is the signs of the inputs of the activation functions, whichever these are: of a ReLU, which
    units are on. y is not used.
    """
    patterns: list[Tensor] = []
    hooks = [
        norm.register_forward_hook(lambda module, inputs, out: patterns.append(out.flatten(1) > 0))
        for norm in net.norms
    ]
    try:
        with torch.no_grad():
            functional_call(net, weights, (x, mixture, spec), {"head": False})
    finally:
        for hook in hooks:
            hook.remove()
    codes = torch.cat(patterns, 1).cpu().double()
    agreement = codes @ codes.T + (1 - codes) @ (1 - codes).T
    return float(torch.linalg.slogdet(agreement).logabsdet)


def grad_norm(
    net: SuperNet, weights: Tensors, mixture: Mixture, spec: TaskSpec, x: Tensor, y: Tensor
) -> float:
    """Norm of the loss's gradient for the weights (Abdelfattah et al., 2021, sec. 3.2).

    The head starts at zero, which lets no gradient through, so a fixed one of +-1 / sqrt(F) stands in.
    """
    leaves = {name: t.detach().requires_grad_() for name, t in weights.items()}
    features = functional_call(net, leaves, (x, mixture, spec), {"head": False})
    signs = 1 - 2.0 * ((torch.arange(features.shape[1])[None] >> torch.arange(spec.ways)[:, None]) & 1)
    loss = F.cross_entropy(features @ signs.to(features).T / features.shape[1] ** 0.5, y)
    gradients = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    return float(torch.stack([g.square().sum() for g in gradients if g is not None]).sum().sqrt())


def synflow(net: SuperNet, weights: Tensors, mixture: Mixture, spec: TaskSpec, x: Tensor, y: Tensor) -> float:
    """log of sum |w * dR / dw|, R the output for an input of ones and absolute weights (Tanaka et al., 2020).

    Without norms, as in the paper: they would undo any scale. The log keeps deep networks comparable. Of x
    only shape and type are used, y not at all. Computed on the CPU: not every device has float64.
    """
    plain = _without_norms(net)
    leaves = {
        name: t.detach().cpu().abs().double().requires_grad_()
        for name, t in weights.items()
        if name in dict(plain.named_parameters())
    }
    ones = torch.ones(1, *x.shape[1:], dtype=x.dtype if spec.modality == "text" else torch.float64)
    mixture64 = mixture.of({name: t.cpu().double() for name, t in mixture.weights.items()})
    total = functional_call(plain.cpu().double(), leaves, (ones, mixture64, spec), {"head": False}).sum()
    gradients = torch.autograd.grad(total, list(leaves.values()), allow_unused=True)
    flow = [(w * g).abs().sum() for w, g in zip(leaves.values(), gradients, strict=True) if g is not None]
    return float(torch.stack(flow).sum().detach().clamp_min(1e-300).log())


def score_untrained(
    proxy: Proxy,
    architecture: Architecture,
    spec: TaskSpec,
    x: Tensor,
    y: Tensor,
    generator: torch.Generator,
) -> float:
    """A proxy's score of one architecture, of any space: on random weights of its candidates alone."""
    space = _space_of(architecture)
    net = SuperNet(space, [spec])
    weights = net.init(generator).weights
    return proxy(net, weights, one_hot(space, architecture), spec, x, y)


PROXIES: Mapping[str, Proxy] = {"naswot": naswot, "synflow": synflow, "grad-norm": grad_norm}


def _space_of(architecture: Architecture) -> SearchSpace:
    """The smallest space that has this architecture."""
    graphs = [layer.graph for layer in architecture.layers]
    ops = dict.fromkeys(edge.op for graph in graphs for edges in graph for edge in edges)
    depth = len(architecture.layers)
    return SearchSpace(
        ops=tuple(ops),
        activations=tuple(dict.fromkeys(layer.activation for layer in architecture.layers)),
        layers=depth,
        nodes=len(graphs[0]) if isinstance(architecture.layers[0], Cell) else 0,
        strategy=f"{{depth: {{fixed: {depth}}}}}",
        **{name: getattr(architecture, name) for name in FRAME},
    )


class _NoNorm(nn.Module):
    """The identity, in the place of a norm."""

    def forward(self, x: Tensor, mask: Mask) -> Tensor:
        return x


class _ExitWithoutNorm(nn.Module):
    """The pooled features (B, F) of an exit, not normalised."""

    def forward(self, x: Tensor, mask: Mask) -> Tensor:
        return grid(x, mask).flatten(1)


def _without_norms(net: SuperNet) -> SuperNet:
    plain = copy.deepcopy(net)
    for module in list(plain.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, Norm):
                setattr(module, name, _NoNorm())
            elif isinstance(child, Exit):
                module.add_module(name, _ExitWithoutNorm())
    return plain
