"""Closed-form heads on support features, each with its leave-one-out logits: what a choice can be judged by.

A head is a linear classifier that follows from the support set without a step: nearest class means (Snell et
al., 2017), the same by Mahalanobis distance (`meta/mahalanobis.py`), ridge regression (`meta/ridge.py`).
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

from torch import Tensor

from metanas.choice.evidence import mahalanobis_loo, prototype_loo, ridge_loo
from metanas.data.episode import Batch
from metanas.meta.mahalanobis import mahalanobis_head
from metanas.meta.prototypes import prototype_head
from metanas.meta.ridge import ridge_head, start_ridge
from metanas.method import State
from metanas.params import Tensors

HeadName = Literal["prototype", "mahalanobis", "ridge"]
Fit = Callable[[State, Tensor, Batch, int], tuple[Tensor, Tensor]]


class Head(NamedTuple):
    """One kind of head, on features (..., T, B, F) of T tasks' support sets of B examples.

    start: its learned numbers before meta-training, as tensors of a state under head/. fit: from state,
    features, support set and ways to weight (..., T, ways, F) and bias (..., T, ways). trained: the same in
    meta-training. loo: from state, features, labels (T, B) and ways to leave-one-out logits (..., T, B,
    ways).
    """

    start: Tensors
    fit: Fit
    trained: Fit
    loo: Callable[[State, Tensor, Tensor, int], Tensor]


def prototype(sharpness: float) -> Head:
    """Nearest class means."""

    def fit(state: State, features: Tensor, support: Batch, ways: int) -> tuple[Tensor, Tensor]:
        return prototype_head(features, support, ways, sharpness)

    def loo(state: State, features: Tensor, y: Tensor, ways: int) -> Tensor:
        return prototype_loo(features, y, ways, sharpness)

    return Head({}, fit, fit, loo)


def mahalanobis(sharpness: float, amount: float) -> Head:
    """Nearest class means by Mahalanobis distance in adaptation, by Euclidean distance in meta-training.

    Meta-training classes hardly scatter any more, so features learn nothing from the metric there. Learned
    steps are therefore trained from plain class means, too.
    """

    def fit(state: State, features: Tensor, support: Batch, ways: int) -> tuple[Tensor, Tensor]:
        return mahalanobis_head(features, support, ways, sharpness, amount)

    def loo(state: State, features: Tensor, y: Tensor, ways: int) -> Tensor:
        return mahalanobis_loo(features, y, ways, sharpness, amount)

    return Head({}, fit, prototype(sharpness).fit, loo)


def ridge() -> Head:
    """Ridge regression with a learned penalty and scale."""

    def fit(state: State, features: Tensor, support: Batch, ways: int) -> tuple[Tensor, Tensor]:
        weight = ridge_head(features, support, ways, state["head/penalty"].exp())
        bias = weight.new_zeros(weight.shape[:-2] + (ways,), requires_grad=True)  # later steps move it
        return state["head/scale"].exp() * weight.mT, bias

    def loo(state: State, features: Tensor, y: Tensor, ways: int) -> Tensor:
        return ridge_loo(features, y, ways, state["head/penalty"].exp(), state["head/scale"].exp())

    return Head(start_ridge(), fit, fit, loo)


def head_of(name: HeadName, sharpness: float, amount: float) -> Head:
    """The head of this name; ridge takes neither sharpness nor amount."""
    if name == "ridge":
        return ridge()
    return prototype(sharpness) if name == "prototype" else mahalanobis(sharpness, amount)
