"""The supernet: stems, layers of mixed nodes, a depth mixture over the layers' exits, and heads.

Layer l of a chain, from h[l-1]:
    u = sum_k node[l]_k op_k(h[l-1])
    h[l] = sum_a activation[l]_a act_a(norm(u)), plus h[l-1] in a residual space
The head reads sum_l depth_l exit_l(h[l]). The weights node, activation and depth are what a relaxation makes
of the architecture logits (see `relaxation.py`). In a space of cells a layer is a graph of such nodes. All
modalities share the layers.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from metanas.data.episode import TaskSpec
from metanas.models.mixed import MixedOp
from metanas.models.network import Head, Network, stem_name
from metanas.models.ops import Mask, adaptive_mean
from metanas.models.relaxation import Mixture, relaxed, single_path
from metanas.models.stem import Norm, halve, make_stems
from metanas.params import Tensors
from metanas.space.candidates import ACTIVATIONS
from metanas.space.sampling import drawn
from metanas.space.sizes import CELLS
from metanas.space.space import SearchSpace


class SuperNet(Network):
    """The supernet over `space`, with a stem and a head for every kind of task in `specs`."""

    def __init__(self, space: SearchSpace, specs: Sequence[TaskSpec]) -> None:
        super().__init__()
        self.space = space
        self.levels = sorted({space.level(spec) for spec in specs} - {""})
        self.activations = [ACTIVATIONS[name] for name in space.activations]
        self.stems = make_stems(specs, space)
        self.nodes = nn.ModuleList(
            MixedOp(space.ops, space.channels, partial=space.partial, merge=space.merge, normed=space.normed)
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
        With `space.levels` also the same of every modality or domain, zeros, as <group>@<level>.
        """
        space = self.space
        logits = {name: torch.tensor(values) for name, values in space.prior().items()}
        if space.nodes and space.partial > 1:
            for i, sources in enumerate(space.sources):
                logits[f"edge{i}"] = torch.zeros(space.layers, len(sources))
        own = {f"{name}@{level}": torch.zeros_like(t) for level in self.levels for name, t in logits.items()}
        return logits | own

    def forward(
        self, x: Tensor, arch: Mapping[str, Tensor] | Mixture, spec: TaskSpec, *, head: bool = True
    ) -> Tensor:
        """x (B, *input_shape) to logits (B, ways), or without the head to features (B, CELLS * C).

        arch: architecture logits, to which the space's relaxation is applied, or a ready mixture. In
        single-path meta-training one drawn architecture is computed instead (`space/sampling.py`), unless it
        is one already.
        """
        mixture = arch if isinstance(arch, Mixture) else relaxed(self.space, arch, spec)
        if (path := drawn(self.space, spec)) is not None and not self._is_path(mixture):
            mixture = single_path(self.space, path, mixture)
        features = self.features(x, mixture, spec)
        return self.heads[f"ways{spec.ways}"](features) if head else features

    def features(self, x: Tensor, mixture: Mixture, spec: TaskSpec) -> Tensor:
        """x (B, *input_shape) to the features (B, CELLS * C) that the head reads, mixed over depths."""
        maps, mixture = self.enter(x, spec), mixture.to(x.device)
        active = mixture.row("depth", 0) or [True] * len(self.space.exits)
        shares = {
            layer: share
            for layer, share, is_active in zip(
                self.space.exits, mixture.weights["depth"].unbind(), active, strict=True
            )
            if is_active
        }
        total = torch.zeros(())
        for layer in range(max(shares) + 1):
            maps = self.layer(layer, maps, mixture)
            if layer in shares:
                total = total + shares[layer] * self.exits[str(layer)](maps.h, maps.mask)
        return total

    def _is_path(self, mixture: Mixture) -> bool:
        """Whether it is one architecture already: every mixture up to its exit has one active candidate."""
        exits = mixture.row("depth", 0)
        if exits is None or sum(exits) != 1:
            return False
        layers = self.space.exits[exits.index(True)] + 1
        computed = {"node": layers * self.space.edges, "activation": layers}
        return all(
            (row := mixture.row(group, i)) is not None and sum(row) == 1
            for group, rows in computed.items()
            for i in range(rows)
        )

    def enter(self, x: Tensor, spec: TaskSpec) -> "Maps":
        """x (B, *input_shape) to the first layer's input."""
        h, mask = self.stems[stem_name(spec)](x)
        return Maps(h, h, mask)

    def layer(self, index: int, maps: "Maps", mixture: Mixture) -> "Maps":
        """The input of the next layer, or what an exit after layer `index` reads."""
        mixture = mixture.to(maps.h.device)
        if self.space.nodes:
            return self._reduced(index, self._cell(index, maps, mixture), maps)
        return self.activated(index, maps, self.normed(index, maps, mixture), mixture)

    def normed(self, index: int, maps: "Maps", mixture: Mixture) -> Tensor:
        """What a chain's layer activates, u after its norm, in the shape of the layer's input."""
        mixture = mixture.to(maps.h.device)
        weights, active = mixture.weights["node"][index], mixture.row("node", index)
        return self.norms[index](self.nodes[index](maps.h, weights, maps.mask, active), maps.mask)

    def activated(self, index: int, maps: "Maps", v: Tensor, mixture: Mixture) -> "Maps":
        """As `layer` in a chain, where v is what `normed` gave for the same input."""
        v = self._activate(v, index, mixture.to(maps.h.device), maps.mask)
        return self._reduced(index, v, maps)

    def _reduced(self, index: int, v: Tensor, maps: "Maps") -> "Maps":
        """The input of the next layer from a layer's output v, before the residual, and its input."""
        v = v + maps.h if self.space.residual else v
        previous, mask = maps.h, maps.mask
        if index in self.space.reductions:
            if self.space.nodes:  # no layer of a chain reads it
                previous, _ = halve(previous, mask)
            v, mask = halve(v, mask)
        return Maps(v, previous, mask)

    def _cell(self, layer: int, maps: "Maps", mixture: Mixture) -> Tensor:
        """A cell's output before the residual, in the shape of its input."""
        space, (h, previous, mask) = self.space, maps
        states, edge = [h, previous], layer * space.edges
        for i, sources in enumerate(space.sources):
            u = None
            for j, source in enumerate(sources):
                output = self.nodes[edge](
                    states[source], mixture.weights["node"][edge], mask, mixture.row("node", edge)
                )
                if (group := f"edge{i}") in mixture.weights:
                    output = mixture.weights[group][layer, j] * output
                u = output if u is None else u + output
                edge += 1
            v = self.norms[layer * len(space.sources) + i](u, mask)
            states.append(self._activate(v, layer, mixture, mask))
        return torch.stack(states[2:]).mean(0)

    def _activate(self, v: Tensor, layer: int, mixture: Mixture, mask: Mask) -> Tensor:
        """The mixture of a layer's activations of v, 0 at padding."""
        active = mixture.row("activation", layer) or [True] * len(self.activations)
        total = v.new_zeros(())
        shares = mixture.weights["activation"][layer].unbind()
        for share, f, is_active in zip(shares, self.activations, active, strict=True):
            if is_active:
                total = torch.addcmul(total, share, f(v))
        return total if mask is None else total * mask


class Maps(NamedTuple):
    """A layer's input h (B, C, H, W), the input of the layer before, as large, and their mask."""

    h: Tensor
    previous: Tensor
    mask: Mask


class Exit(nn.Module):
    """The features of one layer for the head: a grid of means, normalised so that depths are comparable.

    The grid has four cells, 2x2, or 1x4 for a map of one row. A mean over all positions loses where a
    stroke is: on digits it gave 69 % 5-shot accuracy against 80 % with the grid (ProtoNet, 100 iterations).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.empty(CELLS * channels))
        self.bias = nn.Parameter(torch.empty(CELLS * channels))

    def forward(self, h: Tensor, mask: Mask) -> Tensor:
        """h (B, C, H, W), mask (B, 1, H, W) or None, to (B, CELLS * C)."""
        x = grid(h, mask).flatten(1)
        return nn.functional.layer_norm(x, (x.shape[-1],)) * self.scale + self.bias


def grid(h: Tensor, mask: Mask) -> Tensor:
    """Means over a grid of CELLS cells: h (B, C, H, W), mask (B, 1, H, W) or None, to (B, C, rows, columns).

    Adaptive average pooling that ignores the padded columns at the right.
    """
    rows, columns = (1, CELLS) if h.shape[-2] == 1 else (2, CELLS // 2)
    if mask is None:
        return adaptive_mean(h, rows, columns)
    bands = adaptive_mean(h, rows, h.shape[-1])
    width = mask[:, 0, 0].sum(-1)[:, None, None].clamp_min(1)  # unpadded columns
    cell = torch.arange(columns, device=h.device)[:, None]
    start, end = torch.floor(cell * width / columns), torch.ceil((cell + 1) * width / columns)
    position = torch.arange(h.shape[-1], device=h.device)
    share = ((position >= start) & (position < end)).to(h.dtype) / (end - start)  # (B, columns, W)
    return torch.einsum("bcrw,bsw->bcrs", bands, share)
