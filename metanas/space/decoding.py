"""Decoding: the discrete architectures that probabilities stand for, of many episodes at once. Torch-free.

Probabilities come as `evaluation/choices.py` keeps them, by group of choices: node (n, L * E, O), activation
(n, L, A), depth (n, X) and, in cells with partial channels, edge<i> (n, L, S). A decoded architecture is the
number of the chosen candidate of every mixture: the same groups without the last dimension. Layers after the
exit are not computed; their numbers are 0, so that two architectures that compute the same are equal.

Hard logits are an architecture as a supernet takes it: 0 for the chosen candidates and `OUT` for the rest.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metanas.base import philox
from metanas.space.space import SearchSpace

OUT = -1e4  # so that a softmax of hard logits is exactly one-hot
Probabilities = Mapping[str, NDArray[np.floating[Any]]]
Chosen = dict[str, NDArray[np.int64]]  # by group


def decode(space: SearchSpace, probabilities: Probabilities) -> Chosen:
    """The strongest candidate of every mixture, in all n episodes.

    As in `search/discretize.py`, `none` is taken only where it has all the weight, or is the only operation.
    """
    chosen = {}
    for name, p in probabilities.items():
        if name == "node" and "none" in space.ops and len(space.ops) > 1:
            none = space.ops.index("none")
            p = p.copy()
            p[..., none] = np.where(p[..., none] == 1, 1, -1)
        chosen[name] = p.argmax(-1)
    return _computed(space, chosen)


def settled(space: SearchSpace, probabilities: Probabilities) -> NDArray[np.bool_]:
    """Which episodes (n,) have all the weight on one candidate in every mixture that is computed."""
    whole = {name: p.max(-1) == 1 for name, p in probabilities.items()}
    after = _after_exit(space, {name: p.argmax(-1) for name, p in probabilities.items()})
    return np.logical_and.reduce(
        [(rows | after[name]).reshape(len(rows), -1).all(1) for name, rows in whole.items()]
    )


def drawn(space: SearchSpace, probabilities: Probabilities, stream: str) -> Chosen:
    """Architectures of which every candidate is equally likely, one for each of the n episodes.

    probabilities: only their shapes count. stream: names the random numbers, which are pinned.
    """
    chosen = {}
    for name, p in probabilities.items():
        rows = p[0, ..., 0].size
        bits = philox.words(philox.key("random-architecture-v1", stream, name), np.arange(len(p)), rows)
        chosen[name] = philox.below(p.shape[-1], bits).reshape(p.shape[:-1])
    return _computed(space, chosen)


def shares(space: SearchSpace, probabilities: Probabilities) -> dict[str, NDArray[np.float64]]:
    """In what share of the episodes each candidate is the strongest and is computed, by group (..., options).

    The shares of a choice sum to that of the episodes whose exit is not before its layer.
    """
    chosen = decode(space, probabilities)
    after = _after_exit(space, chosen)
    found = {}
    for name, numbers in chosen.items():
        strongest = numbers[..., None] == np.arange(probabilities[name].shape[-1])
        found[name] = (strongest & ~after[name][..., None]).mean(0)
    return found


def most_frequent(chosen: Chosen) -> Chosen:
    """The architecture that most episodes have, as one episode; of several the first in numerical order."""
    rows, counts = np.unique(flat(chosen), axis=0, return_counts=True)
    names = sorted(chosen)
    parts = np.split(rows[counts.argmax()][None], np.cumsum([chosen[n][0].size for n in names])[:-1], axis=1)
    return {name: part.reshape(1, *chosen[name].shape[1:]) for name, part in zip(names, parts, strict=True)}


def flat(chosen: Chosen) -> NDArray[np.int64]:
    """All choices of each episode in a row (n, C), groups by name."""
    return np.concatenate([chosen[name].reshape(len(chosen[name]), -1) for name in sorted(chosen)], axis=1)


def hard(chosen: Chosen, options: Mapping[str, int]) -> dict[str, NDArray[np.float32]]:
    """Hard logits (n, ..., options) of n architectures. options: the number of candidates, by group."""
    return {
        name: np.where(numbers[..., None] == np.arange(options[name]), 0.0, OUT).astype(np.float32)
        for name, numbers in chosen.items()
    }


def _computed(space: SearchSpace, chosen: Chosen) -> Chosen:
    after = _after_exit(space, chosen)
    return {name: np.where(after[name], 0, numbers) for name, numbers in chosen.items()}


def _after_exit(space: SearchSpace, chosen: Chosen) -> dict[str, NDArray[np.bool_]]:
    """Which mixtures lie in a layer after the exit, in the shapes of `chosen`."""
    last = np.asarray(space.exits)[chosen["depth"]] if "depth" in chosen else np.array([space.layers - 1])
    found = {}
    for name, numbers in chosen.items():
        if name == "depth":
            found[name] = np.zeros(numbers.shape, bool)
            continue
        layer = np.arange(numbers.shape[1]) * space.layers // numbers.shape[1]
        found[name] = np.broadcast_to(layer > last[:, None], numbers.shape)
    return found
