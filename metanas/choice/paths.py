"""Features of the same inputs under many architectures of a supernet, each common beginning computed once.

The architectures of a set form a tree by their first layers. A layer of the tree runs once for all
architectures below it, so 64 drawn chains of three layers take about two thirds of the operations.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from metanas.data.episode import TaskSpec
from metanas.models.relaxation import Mixture, one_hot
from metanas.models.supernet import Maps, SuperNet
from metanas.params import Tensors
from metanas.space.architecture import Architecture, Layer, frame


@dataclass(frozen=True)
class _Branch:
    """A layer that some architectures share: its mixture, whose exit it is, and the branches after it."""

    mixture: Mixture
    ends: tuple[int, ...]  # the architectures whose last layer this is
    after: tuple["_Branch", ...]


class Paths(nn.Module):
    """K architectures of a supernet's space as one module: `forward` gives all their features."""

    def __init__(self, net: SuperNet, architectures: Sequence[Architecture]) -> None:
        super().__init__()
        self.net = net
        self.architectures = tuple(architectures)
        self._tree = self._branches((), tuple(range(len(self.architectures))))

    def _branches(self, prefix: tuple[Layer, ...], members: Sequence[int]) -> tuple[_Branch, ...]:
        depth, groups = len(prefix), dict[Layer, list[int]]()
        for i in members:
            groups.setdefault(self.architectures[i].layers[depth], []).append(i)
        return tuple(
            _Branch(
                self._mixture((*prefix, layer)),
                tuple(i for i in group if len(self.architectures[i].layers) == depth + 1),
                self._branches(
                    (*prefix, layer), [i for i in group if len(self.architectures[i].layers) > depth + 1]
                ),
            )
            for layer, group in groups.items()
        )

    def _mixture(self, layers: Sequence[Layer]) -> Mixture:
        """One-hot in these layers; the exit does not matter, as branches are run layer by layer."""
        space = self.net.space
        rest = [layers[-1]] * (min(e for e in space.exits if e + 1 >= len(layers)) + 1 - len(layers))
        return one_hot(space, frame(space, [*layers, *rest]))

    def forward(self, x: Tensor, spec: TaskSpec) -> Tensor:
        """x (B, *input_shape) to features (K, B, F), in the order of the architectures."""
        found: dict[int, Tensor] = {}

        def visit(branches: Sequence[_Branch], depth: int, maps: Maps) -> None:
            for branch in branches:
                after = self.net.layer(depth, maps, branch.mixture)
                if branch.ends:
                    features = self.net.exits[str(depth)](after.h, after.mask)
                    found.update(dict.fromkeys(branch.ends, features))
                visit(branch.after, depth + 1, after)

        visit(self._tree, 0, self.net.enter(x, spec))
        return torch.stack([found[i] for i in range(len(self.architectures))])


def embed_all(paths: Paths, weights: Tensors, spec: TaskSpec, x: Tensor) -> Tensor:
    """x (T, B, *input_shape) of T tasks to features (K, T, B, F) under shared weights."""
    named = {f"net.{name}": t for name, t in weights.items()}
    features: Tensor = functional_call(paths, named, (x.flatten(0, 1), spec))
    return features.unflatten(1, x.shape[:2])
