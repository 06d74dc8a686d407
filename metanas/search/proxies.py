"""Zero-cost proxies: how good an architecture may become, told from untrained weights and a few inputs.

Abdelfattah et al., 2021, "Zero-Cost Proxies for Lightweight NAS", compare them. All take a network with an
architecture's mixture and one batch; higher is better.
"""

import copy
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from metanas.episode import TaskSpec
from metanas.params import Tensors
from metanas.search.relax import Mixture
from metanas.stem import Norm
from metanas.supernet.network import Exit, SuperNet, grid
from metanas.supernet.ops import Mask

Proxy = Callable[[SuperNet, Tensors, Mixture, TaskSpec, Tensor, Tensor], float]


def naswot(net: SuperNet, weights: Tensors, mixture: Mixture, spec: TaskSpec, x: Tensor, y: Tensor) -> float:
    """log |det K|, K the agreement of the examples' activation patterns (Mellor et al., 2021, eq. 2-3).

    A pattern is the signs of what enters the activations, whichever these are: their ReLU's on or off.
    """
    seen: list[Tensor] = []
    hooks = [
        norm.register_forward_hook(lambda module, given, out: seen.append(out.flatten(1) > 0))
        for norm in net.norms
    ]
    try:
        with torch.no_grad():
            functional_call(net, weights, (x, mixture, spec), {"head": False})
    finally:
        for hook in hooks:
            hook.remove()
    codes = torch.cat(seen, 1).double()
    agreement = codes @ codes.T + (1 - codes) @ (1 - codes).T
    return float(torch.linalg.slogdet(agreement).logabsdet)


def grad_norm(
    net: SuperNet, weights: Tensors, mixture: Mixture, spec: TaskSpec, x: Tensor, y: Tensor
) -> float:
    """Norm of the loss's gradient for the weights (Abdelfattah et al., 2021, sec. 3.2).

    The head is all zeros, which lets no gradient through, so a fixed one of +-1 / sqrt(F) stands in.
    """
    leaves = {name: t.detach().requires_grad_() for name, t in weights.items()}
    found = functional_call(net, leaves, (x, mixture, spec), {"head": False})
    signs = 1 - 2.0 * ((torch.arange(found.shape[1])[None] >> torch.arange(spec.ways)[:, None]) & 1)
    loss = F.cross_entropy(found @ signs.to(found.dtype).T / found.shape[1] ** 0.5, y)
    slope = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    return float(torch.stack([g.square().sum() for g in slope if g is not None]).sum().sqrt())


def synflow(net: SuperNet, weights: Tensors, mixture: Mixture, spec: TaskSpec, x: Tensor, y: Tensor) -> float:
    """log of sum |w * dR / dw|, R the output for an input of ones and absolute weights (Tanaka et al., 2020).

    Without norms, as there: they would undo any scale. The log keeps deep networks comparable.
    """
    plain = _without_norms(net)
    leaves = {
        name: t.detach().abs().double().requires_grad_()
        for name, t in weights.items()
        if name in dict(plain.named_parameters())
    }
    ones = torch.ones_like(x[:1]) if spec.modality == "text" else torch.ones_like(x[:1]).double()
    shares = mixture.of({name: t.double() for name, t in mixture.weights.items()})
    total = functional_call(plain.double(), leaves, (ones, shares, spec), {"head": False}).sum()
    slope = torch.autograd.grad(total, list(leaves.values()), allow_unused=True)
    flow = [(w * g).abs().sum() for w, g in zip(leaves.values(), slope, strict=True) if g is not None]
    return float(torch.stack(flow).sum().detach().clamp_min(1e-300).log())


PROXIES: Mapping[str, Proxy] = {"naswot": naswot, "synflow": synflow, "grad-norm": grad_norm}


class _Passing(nn.Module):
    """A norm that changes nothing."""

    def forward(self, x: Tensor, mask: Mask) -> Tensor:
        return x


class _Cells(nn.Module):
    """An exit without its norm."""

    def forward(self, x: Tensor, mask: Mask) -> Tensor:
        return grid(x, mask).flatten(1)


def _without_norms(net: SuperNet) -> SuperNet:
    bare = copy.deepcopy(net)
    for module in list(bare.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, Norm):
                setattr(module, name, _Passing())
            elif isinstance(child, Exit):
                module.add_module(name, _Cells())
    return bare
