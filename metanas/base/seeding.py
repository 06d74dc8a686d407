"""torch generators from a seed and the purpose they serve.

Two purposes never share a stream, and no part of the library seeds anything globally.
"""

import torch

from metanas.base import philox


def generator(seed: int, *purpose: object) -> torch.Generator:
    """A CPU generator that is a pure function of its arguments: generator(0, "init", "supernet")."""
    return torch.Generator().manual_seed(philox.key("generator", seed, *purpose) >> 1)
