"""The supernet: stems, layers of mixed nodes, a depth mixture over their exits, heads.

Layer l of a chain, from h[l-1] (DESIGN's equations):
    u = sum_k node[l]_k op_k(h[l-1])
    h[l] = sum_a activation[l]_a act_a(norm(u)), plus h[l-1] in a residual space
and the head reads sum_l depth_l exit(h[l]), where the weights node, activation and depth are what a
relaxation makes of the architecture logits (softmax if none is given; see search/relax.py). In a space of
cells a layer is a graph of such nodes. The same layers serve every modality.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from metanas.episode import TaskSpec
from metanas.kinds import ACTIVATIONS
from metanas.networks.network import Head, Network, stem_name
from metanas.params import Tensors
from metanas.search.relax import Mixture, usual
from metanas.stem import Norm, Stem, halve
from metanas.supernet.mixed import MixedOp
from metanas.supernet.ops import Mask
from metanas.supernet.space import SearchSpace

CELLS = 4  # what an exit keeps of a feature map's extent


class SuperNet(Network):
    """A network over `space` for tasks of the given kinds. It holds structure; numbers are `Params`."""

    def __init__(self, space: SearchSpace, specs: Sequence[TaskSpec]) -> None:
        super().__init__()
        self.space = space
        self.activations = [ACTIVATIONS[name] for name in space.activations]
        self.stems = nn.ModuleDict({stem_name(spec): Stem(spec, space.channels) for spec in specs})
        self.nodes = nn.ModuleList(
            MixedOp(space.ops, space.channels, partial=space.partial, merge=space.merge)
            for _ in range(space.layers * space.edges)
        )
        self.norms = nn.ModuleList(Norm(space.channels) for _ in range(space.layers * len(space.sources)))
        self.exits = nn.ModuleDict({str(layer): Exit(space.channels) for layer in space.exits})
        self.heads = nn.ModuleDict(
            {f"ways{spec.ways}": Head(CELLS * space.channels, spec.ways) for spec in specs}
        )

    def arch(self) -> Tensors:
        """Initial architecture logits, the strategy's prior: node (L * E, O), activation (L, A), depth (X,).

        L layers of E edges (1 in a chain), X exits. PC-DARTS cells also have edge<i> (L, inputs of node i).
        """
        space = self.space
        logits = {name: torch.tensor(values) for name, values in space.prior().items()}
        if space.nodes and space.partial > 1:
            for i, sources in enumerate(space.sources):
                logits[f"edge{i}"] = torch.zeros(space.layers, len(sources))
        return logits

    def forward(
        self, x: Tensor, arch: Mapping[str, Tensor] | Mixture, spec: TaskSpec, *, head: bool = True
    ) -> Tensor:
        """x (B, *input_shape) to logits (B, ways), or without the head to features (B, CELLS * C).

        arch: logits, which the space's relaxation makes a mixture of, or the mixture that another made.
        """
        mixture = arch if isinstance(arch, Mixture) else usual(self.space)(arch)
        features = self.features(x, mixture, spec)
        return self.heads[f"ways{spec.ways}"](features) if head else features

    def features(self, x: Tensor, mixture: Mixture, spec: TaskSpec) -> Tensor:
        """x (B, *input_shape) to the depth-mixed, pooled features (B, CELLS * C) that the head reads."""
        h, mask = self.stems[stem_name(spec)](x)
        before = h
        used = mixture.row("depth", 0) or [True] * len(self.space.exits)
        shares = {
            layer: share
            for layer, share, on in zip(
                self.space.exits, mixture.weights["depth"].unbind(), used, strict=True
            )
            if on
        }
        total = torch.zeros(())
        for layer in range(max(shares) + 1):
            v = self._layer(layer, h, before, mask, mixture)
            before = h
            if layer in self.space.reductions:
                before, _ = halve(before, mask)
                v, mask = halve(v, mask)
            h = v
            if layer in shares:
                total = total + shares[layer] * self.exits[str(layer)](h, mask)
        return total

    def _layer(self, layer: int, h: Tensor, before: Tensor, mask: Mask, mixture: Mixture) -> Tensor:
        """A layer's output at its input's size; before: the input of the layer before, at that size too."""
        space = self.space
        states = [h, before]
        edge, results = layer * space.edges, []
        for i, sources in enumerate(space.sources):
            u = None
            for j, source in enumerate(sources):
                part = self.nodes[edge](
                    states[source], mixture.weights["node"][edge], mask, mixture.row("node", edge)
                )
                if (group := f"edge{i}") in mixture.weights:
                    part = mixture.weights[group][layer, j] * part
                u = part if u is None else u + part
                edge += 1
            v = self.norms[layer * len(space.sources) + i](u, mask)
            v = self._activate(v, mixture.weights["activation"][layer], mixture.row("activation", layer))
            if mask is not None:
                v = v * mask
            states.append(v)
            results.append(v)
        out = results[0] if len(results) == 1 else torch.stack(results).mean(0)
        return out + h if space.residual else out

    def _activate(self, v: Tensor, shares: Tensor, active: Sequence[bool] | None) -> Tensor:
        on = active or [True] * len(self.activations)
        total = v.new_zeros(())
        for share, f, used in zip(shares.unbind(), self.activations, on, strict=True):
            if used:
                total = torch.addcmul(total, share, f(v))
        return total


class Exit(nn.Module):
    """What the head sees of a layer: a coarse grid of means, normalised so that depths compare.

    Four cells, 2x2 or, for one row, 1x4: a plain mean over all positions forgets where a stroke is, and
    on digits it cost 11 points of 5-shot accuracy (ProtoNet, 100 iterations, 69 % against 80 %).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.empty(CELLS * channels))
        self.bias = nn.Parameter(torch.empty(CELLS * channels))

    def forward(self, h: Tensor, mask: Mask) -> Tensor:
        """h (B, C, H, W) to (B, CELLS * C)."""
        x = grid(h, mask).flatten(1)
        return nn.functional.layer_norm(x, (x.shape[-1],)) * self.scale + self.bias


def grid(h: Tensor, mask: Mask) -> Tensor:
    """Means over CELLS cells of what is there: (B, C, H, W) to (B, C, rows, columns).

    Adaptive average pooling to which the padded columns at the right do not exist.
    """
    rows, columns = (1, CELLS) if h.shape[-2] == 1 else (2, CELLS // 2)
    if mask is None:
        return nn.functional.adaptive_avg_pool2d(h, (rows, columns))
    bands = nn.functional.adaptive_avg_pool2d(h, (rows, h.shape[-1]))
    width = mask[:, 0, 0].sum(-1)[:, None, None].clamp_min(1)  # columns that are there
    cell = torch.arange(columns, device=h.device)[:, None]
    begin, end = torch.floor(cell * width / columns), torch.ceil((cell + 1) * width / columns)
    at = torch.arange(h.shape[-1], device=h.device)
    share = ((at >= begin) & (at < end)).to(h.dtype) / (end - begin)  # (B, columns, W)
    return torch.einsum("bcrw,bsw->bcrs", bands, share)
