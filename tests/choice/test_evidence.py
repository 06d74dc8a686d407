"""Leave-one-out losses in closed form against really leaving each example out."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from metanas.base.errors import InvalidValue
from metanas.choice.evidence import prototype_loo, ridge_loo
from metanas.data.episode import Batch
from metanas.meta.prototypes import prototype_head
from metanas.meta.ridge import ridge_head

WAYS = 3
PENALTY, SCALE = torch.tensor(0.7, dtype=torch.float64), torch.tensor(3.0, dtype=torch.float64)


def support(shots: tuple[int, ...], seed: int = 0) -> tuple[Tensor, Tensor]:
    """Features (2, B, 4) and labels (2, B) of two tasks whose class k has shots[k] examples, shuffled."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.tensor([k for k, n in enumerate(shots) for _ in range(n)])
    y = torch.stack([labels[torch.randperm(len(labels), generator=generator)] for _ in range(2)])
    return torch.randn(2, len(labels), 4, generator=generator, dtype=torch.float64), y


def without(t: Tensor, i: int) -> Tensor:
    return torch.cat([t[:, :i], t[:, i + 1 :]], 1)


@pytest.mark.parametrize("shots", [(2, 2, 2), (5, 5, 5), (2, 3, 4)])
def test_prototypes_without_each_example(shots: tuple[int, ...]) -> None:
    features, y = support(shots)
    losses = []
    for i in range(y.shape[1]):
        rest = Batch(without(features, i), without(y, i))
        weight, bias = prototype_head(rest.x, rest, WAYS, 8.0)
        logits = (features[:, i, None] @ weight.mT + bias[:, None])[:, 0]
        losses.append(F.cross_entropy(logits, y[:, i], reduction="none"))
    expected = torch.stack(losses, 1).mean(1)
    torch.testing.assert_close(prototype_loo(features, y, WAYS, 8.0), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("shots", [(2, 2, 2), (5, 5, 5), (2, 3, 4)])
def test_ridge_without_each_example(shots: tuple[int, ...]) -> None:
    features, y = support(shots)
    losses = []
    for i in range(y.shape[1]):
        rest = Batch(without(features, i), without(y, i))
        logits = SCALE * (features[:, i, None] @ ridge_head(rest.x, rest, WAYS, PENALTY))[:, 0]
        losses.append(F.cross_entropy(logits, y[:, i], reduction="none"))
    expected = torch.stack(losses, 1).mean(1)
    torch.testing.assert_close(ridge_loo(features, y, WAYS, PENALTY, SCALE), expected, rtol=1e-9, atol=1e-11)


def test_the_ridge_head_solves_the_normal_equations() -> None:
    features, y = support((4, 4, 4))
    head = ridge_head(features, Batch(features, y), WAYS, PENALTY)
    gram = features.mT @ features + PENALTY * torch.eye(4, dtype=torch.float64)
    target = F.one_hot(y, WAYS).double()
    torch.testing.assert_close(gram @ head, features.mT @ target, rtol=1e-10, atol=1e-12)


def test_candidates_run_side_by_side() -> None:
    features, y = support((3, 3, 3))
    several = torch.stack([features, 2 * features, features.flip(-1)])
    for loss in (
        lambda f: prototype_loo(f, y, WAYS, 8.0),
        lambda f: ridge_loo(f, y, WAYS, PENALTY, SCALE),
    ):
        apart = torch.stack([loss(f) for f in several])
        torch.testing.assert_close(loss(several), apart, rtol=1e-12, atol=1e-12)


def test_one_example_of_a_class_is_no_evidence() -> None:
    features, y = support((2, 1, 2))
    with pytest.raises(InvalidValue, match="two examples of every class, got 1"):
        prototype_loo(features, y, WAYS, 8.0)
