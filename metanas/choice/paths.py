"""Features of the same inputs under many architectures of a supernet, each common beginning computed once.

The architectures of a set form a tree by their first layers, computed depth by depth: what has the same
operation at a depth shares its weights, so its inputs go through as one batch, and so does what has the same
activation. 64 drawn chains of three layers then take two thirds of the operations in a fifth of the calls.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from metanas.data.episode import TaskSpec
from metanas.models.relaxation import Mixture, one_hot
from metanas.models.supernet import Maps, SuperNet
from metanas.params import Tensors
from metanas.space.architecture import Architecture, Layer, frame

TOGETHER = 2**20  # elements of the maps that go through an operation as one batch: what caches hold
KEPT = 2**24  # elements of the maps of one depth, which are in memory at once
_Known = dict[int, Maps]  # by the number of a branch


@dataclass(frozen=True)
class _Branch:
    """A layer that some architectures share.

    number: among those of its depth. parent: the number of the branch before it; 0 for the first. ends: the
    architectures whose last layer this is. leads: whether another layer follows.
    """

    number: int
    parent: int
    layer: Layer
    mixture: Mixture
    ends: tuple[int, ...]
    leads: bool

    @property
    def op(self) -> str:
        """The operation of a chain's layer."""
        return self.layer.graph[0][0].op


class Paths(nn.Module):
    """K architectures of a supernet's space as one module: `forward` gives all their features."""

    def __init__(self, net: SuperNet, architectures: Sequence[Architecture]) -> None:
        super().__init__()
        self.net = net
        self.architectures = tuple(architectures)
        self._trees: dict[int, list[list[list[_Branch]]]] = {}

    def _tree(self, numbers: Sequence[int]) -> list[list[_Branch]]:
        """The branches of each depth, of the architectures of these numbers."""
        levels: list[list[_Branch]] = []
        parents: dict[tuple[Layer, ...], int] = {(): 0}
        for depth in range(max(len(self.architectures[i].layers) for i in numbers)):
            groups: dict[tuple[Layer, ...], list[int]] = {}
            for i in numbers:
                if len(layers := self.architectures[i].layers) > depth:
                    groups.setdefault(layers[: depth + 1], []).append(i)
            level = []
            for number, (layers, members) in enumerate(groups.items()):
                ends = tuple(i for i in members if len(self.architectures[i].layers) == depth + 1)
                mixture, leads = self._mixture(layers), len(ends) < len(members)
                level.append(_Branch(number, parents[layers[:-1]], layers[-1], mixture, ends, leads))
            parents = {layers: number for number, layers in enumerate(groups)}
            levels.append(level)
        return levels

    def _trees_of(self, most: int) -> list[list[list[_Branch]]]:
        """Trees of at most so many architectures; those with common beginnings in the same one."""
        count = min(most, len(self.architectures))
        if count not in self._trees:
            alike = sorted(range(len(self.architectures)), key=lambda i: str(self.architectures[i]))
            parts = [alike[i : i + count] for i in range(0, len(alike), count)]
            self._trees[count] = [self._tree(part) for part in parts]
        return self._trees[count]

    def _mixture(self, layers: Sequence[Layer]) -> Mixture:
        """One-hot in these layers; the exit does not matter, as branches are run layer by layer."""
        space = self.net.space
        rest = [layers[-1]] * (min(e for e in space.exits if e + 1 >= len(layers)) + 1 - len(layers))
        return one_hot(space, frame(space, [*layers, *rest]))

    def forward(self, x: Tensor, spec: TaskSpec) -> Tensor:
        """x (B, *input_shape) to features (K, B, F), in the order of the architectures."""
        found: dict[int, Tensor] = {}
        entry = self.net.enter(x, spec)
        for tree in self._trees_of(max(1, KEPT // max(1, entry.h.numel()))):
            self._run(tree, entry, found)
        return torch.stack([found[i] for i in range(len(self.architectures))])

    def _run(self, tree: Sequence[Sequence[_Branch]], entry: Maps, found: dict[int, Tensor]) -> None:
        """Add the features of a tree's architectures to `found`, by their numbers."""
        known = {0: entry}
        for depth, level in enumerate(tree):
            maps = (self._cells if self.net.space.nodes else self._chains)(depth, level, known)
            for part in _parts([branch for branch in level if branch.ends], maps):
                joined = _joined([maps[branch.number] for branch in part])
                features = self.net.exits[str(depth)](joined.h, joined.mask).tensor_split(len(part))
                for branch, values in zip(part, features, strict=True):
                    found.update(dict.fromkeys(branch.ends, values))
            known = {branch.number: maps[branch.number] for branch in level if branch.leads}

    def _cells(self, depth: int, level: Sequence[_Branch], known: _Known) -> _Known:
        """What each branch of a depth gives, from what those before it gave, by number."""
        return {b.number: self.net.layer(depth, known[b.parent], b.mixture) for b in level}

    def _chains(self, depth: int, level: Sequence[_Branch], known: _Known) -> _Known:
        """The same in a space of chains."""
        normed: dict[tuple[int, str], Tensor] = {}
        for group in _alike(level, lambda branch: branch.op):
            of_parent = {branch.parent: branch for branch in group}  # one of each will do
            for part in _parts(list(of_parent.values()), known, lambda branch: branch.parent):
                joined = _joined([known[branch.parent] for branch in part])
                values = self.net.normed(depth, joined, part[0].mixture).tensor_split(len(part))
                normed |= {(b.parent, b.op): v for b, v in zip(part, values, strict=True)}
        found: _Known = {}
        for group in _alike(level, lambda branch: branch.layer.activation):
            for part in _parts(group, known, lambda branch: branch.parent):
                joined = _joined([known[branch.parent] for branch in part])
                together = torch.cat([normed[branch.parent, branch.op] for branch in part])
                after = self.net.activated(depth, joined, together, part[0].mixture)
                found |= dict(zip((b.number for b in part), _split(after, len(part)), strict=True))
        return found


def _alike(level: Sequence[_Branch], key: Callable[[_Branch], str]) -> list[list[_Branch]]:
    """The branches of a depth in groups of the same key."""
    groups: dict[str, list[_Branch]] = {}
    for branch in level:
        groups.setdefault(key(branch), []).append(branch)
    return list(groups.values())


def _parts(
    branches: Sequence[_Branch],
    maps: _Known,
    number: Callable[[_Branch], int] = lambda branch: branch.number,
) -> Iterator[Sequence[_Branch]]:
    """The branches in parts whose maps have at most TOGETHER elements. number: which maps a branch reads."""
    if branches:
        count = max(1, TOGETHER // max(1, maps[number(branches[0])].h.numel()))
        yield from (branches[i : i + count] for i in range(0, len(branches), count))


def _joined(maps: Sequence[Maps]) -> Maps:
    """Maps of one shape as one batch."""
    if len(maps) == 1:
        return maps[0]
    h, masks = torch.cat([m.h for m in maps]), [m.mask for m in maps if m.mask is not None]
    return Maps(h, h, torch.cat(masks) if masks else None)


def _split(maps: Maps, count: int) -> Iterator[Maps]:
    """The opposite of `_joined`."""
    masks = [None] * count if maps.mask is None else maps.mask.tensor_split(count)
    for h, mask in zip(maps.h.tensor_split(count), masks, strict=True):
        yield Maps(h, h, mask)


def embed_all(paths: Paths, weights: Tensors, spec: TaskSpec, x: Tensor) -> Tensor:
    """x (T, B, *input_shape) of T tasks to features (K, T, B, F) under shared weights."""
    named = {f"net.{name}": t for name, t in weights.items()}
    features: Tensor = functional_call(paths, named, (x.flatten(0, 1), spec))
    return features.unflatten(1, x.shape[:2])
