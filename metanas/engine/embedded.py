"""Right answers of a method that only embeds: every example is embedded once, however many episodes have it.

ProtoNet and Matching Networks change no weights for a task and look at each example by itself, so the
features of a split's examples serve all its episodes. The answers are those of `predict.right_answers`
(tested), for a fraction of the time: spoken-words has 384 test examples, 60 episodes of two shapes ask for
10,000.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metanas.data.domain import Domain
from metanas.data.episode import Batch, EpisodeShape, Split, TaskSpec, moved
from metanas.data.sampler import sample
from metanas.engine.predict import right_answers
from metanas.method import Method, State
from metanas.params import Params, Tensors

CHUNK = 256  # examples embedded side by side


@runtime_checkable
class Embeds(Protocol):
    """A method whose logits follow from features of single examples, under weights that no task changes."""

    transductive: bool

    def embed(self, params: Params, spec: TaskSpec, x: Tensor, arch: Tensors | None) -> Tensor:
        """x (T, B, *input_shape) to features (T, B, F); arch: None for the state's own."""
        ...

    def known(self, support: Batch, ways: int) -> tuple[Tensor, ...]:
        """What queries are compared with, from support features x (T, B, F)."""
        ...

    def compared(self, known: tuple[Tensor, ...], queries: Tensor) -> Tensor:
        """Logits (T, Q, ways) of query features (T, Q, F)."""
        ...


def right_in_all(
    method: Method,
    state: State,
    domain: Domain,
    split: Split,
    shapes: Sequence[EpisodeShape],
    seed: int,
    episodes: int,
    *,
    arch: Tensors | None = None,
) -> list[NDArray[np.uint16]]:
    """How many queries of episodes 0..episodes-1 of (seed, split) are right (E,), for each shape.

    arch: hard logits of one architecture by group, which all episodes are answered with, as of
    `predict.answers`; None: the method's own.
    """
    if not isinstance(method, Embeds) or method.transductive or any(shape.fewest_ways for shape in shapes):
        return [
            right_answers(method, state, domain, split, shape, seed, episodes, arch=arch) for shape in shapes
        ]
    drawn = [sample(domain.tables[split], seed, shape, np.arange(episodes)) for shape in shapes]
    rows = np.unique(np.concatenate([i.ravel() for d in drawn for i in (d.support, d.query)]))
    with torch.no_grad():
        features = _features(method, state.params, domain, shapes[0].ways, rows, arch)
        right = []
        for shape, indices in zip(shapes, drawn, strict=True):
            of_support, of_query = (
                features[torch.from_numpy(np.searchsorted(rows, i))] for i in (indices.support, indices.query)
            )
            known = Batch(of_support, torch.from_numpy(indices.support_y))
            predicted = method.compared(method.known(known, shape.ways), of_query).argmax(-1).numpy()
            right.append((predicted == indices.query_y).sum(-1).astype(np.uint16))
    return right


def _features(
    method: Embeds, params: Params, domain: Domain, ways: int, rows: NDArray[np.int64], arch: Tensors | None
) -> Tensor:
    """Features (n, F) of the examples in these rows of the store, under the architecture if one is given."""
    parts = [rows[first : first + CHUNK] for first in range(0, len(rows), CHUNK)]
    spec, device = domain.spec(ways), next(iter(params.weights.values())).device
    given = None if arch is None else {name: t[None].to(device) for name, t in arch.items()}
    inputs = (moved(domain.gather(part)[None], device) for part in parts)
    return torch.cat([method.embed(params, spec, x, given)[0].cpu() for x in inputs])
