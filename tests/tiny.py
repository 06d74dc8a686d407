"""A supernet small enough for float64 finite differences, and data for it."""

import torch

from metanas.base.seeding import generator
from metanas.data.episode import Batch, Episodes
from metanas.models.supernet import SuperNet
from metanas.params import Params, tree_map
from metanas.space.space import SearchSpace
from metanas.testing.inputs import IMAGE
from metanas.testing.inputs import SPECS as SPECS
from metanas.testing.inputs import inputs as inputs

SPEC = IMAGE
SPACE = SearchSpace(layers=2, channels=4, reductions=())


def net(space: SearchSpace = SPACE) -> tuple[SuperNet, Params]:
    """The network and float64 numbers for it; the head is random so that every gradient is alive."""
    made = SuperNet(space, [SPEC])
    params = made.init(generator(0, "tiny"))
    noise = generator(1, "tiny")
    params = tree_map(lambda t: t + 0.1 * torch.randn(t.shape, generator=noise), params)
    return made.double(), tree_map(lambda t: t.double(), params)


def episodes(tasks: int, shots: int = 2) -> Episodes:
    """Random two-way tasks."""
    g = generator(2, "tiny")

    def batch(each_class: int) -> Batch:
        x = torch.randn(tasks, 2 * each_class, *SPEC.input_shape, generator=g, dtype=torch.float64)
        return Batch(x, torch.arange(2).repeat_interleave(each_class).repeat(tasks, 1))

    return Episodes(SPEC, batch(shots), batch(3))
