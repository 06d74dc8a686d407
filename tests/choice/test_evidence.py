"""Leave-one-out logits in closed form against really leaving each example out."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from metanas.base.errors import InvalidValue
from metanas.choice.evidence import mahalanobis_loo, mean_loss, prototype_loo, ridge_loo
from metanas.data.episode import Batch
from metanas.meta.mahalanobis import mahalanobis_head, metric
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
    torch.testing.assert_close(
        mean_loss(prototype_loo(features, y, WAYS, 8.0), y), expected, rtol=1e-10, atol=1e-12
    )


@pytest.mark.parametrize("shots", [(2, 2, 2), (5, 5, 5), (2, 3, 4)])
def test_ridge_without_each_example(shots: tuple[int, ...]) -> None:
    features, y = support(shots)
    losses = []
    for i in range(y.shape[1]):
        rest = Batch(without(features, i), without(y, i))
        logits = SCALE * (features[:, i, None] @ ridge_head(rest.x, rest, WAYS, PENALTY))[:, 0]
        losses.append(F.cross_entropy(logits, y[:, i], reduction="none"))
    expected = torch.stack(losses, 1).mean(1)
    found = mean_loss(ridge_loo(features, y, WAYS, PENALTY, SCALE), y)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("shots", [(2, 2, 2), (5, 5, 5), (2, 3, 4)])
@pytest.mark.parametrize("amount", [0.0, 0.5, 30.0])
def test_mahalanobis_without_each_example(shots: tuple[int, ...], amount: float) -> None:
    features, y = support(shots)
    losses = []
    for i in range(y.shape[1]):
        rest = Batch(without(features, i), without(y, i))
        weight, bias = mahalanobis_head(rest.x, rest, WAYS, 8.0, amount)
        logits = (features[:, i, None] @ weight.mT + bias[:, None])[:, 0]
        losses.append(F.cross_entropy(logits, y[:, i], reduction="none"))
    expected = torch.stack(losses, 1).mean(1)
    found = mean_loss(mahalanobis_loo(features, y, WAYS, 8.0, amount), y)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-11)


def test_the_metric_is_the_inverse_of_identity_and_scatter() -> None:
    features, y = support((2, 3, 4))
    found = metric(features, y, WAYS, 0.7)
    scatter = torch.zeros(2, 4, 4, dtype=torch.float64)
    for task, k in ((t, k) for t in range(2) for k in range(WAYS)):
        of_class = features[task][y[task] == k]
        scatter[task] += (len(of_class) - 1) * torch.cov(of_class.T)
    inverse = torch.linalg.inv(torch.eye(4, dtype=torch.float64) + 0.7 * scatter / 4)
    identity = torch.eye(4, dtype=torch.float64).expand(2, 4, 4)
    torch.testing.assert_close(found(identity), inverse, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("amount", "scale"), [(1.0, 1.0), (1e6, 1.0), (1.0, 100.0), (1e3, 30.0)])
def test_float32_keeps_the_digits_of_the_mahalanobis_loss(amount: float, scale: float) -> None:
    _, y = support((5, 5, 5))
    rng = torch.Generator().manual_seed(1)
    features = torch.randn(2, 15, 64, generator=rng, dtype=torch.float64) * scale + 3
    exact = mean_loss(mahalanobis_loo(features, y, WAYS, 8.0, amount), y)
    found = mean_loss(mahalanobis_loo(features.float(), y, WAYS, 8.0, amount), y)
    torch.testing.assert_close(found.double(), exact, rtol=2e-4, atol=0)


def test_closed_forms_keep_their_digits_under_autocast() -> None:
    features, y = (t.float() if t.is_floating_point() else t for t in support((5, 5, 5)))
    losses = (
        lambda x: prototype_loo(x, y, WAYS, 8.0),
        lambda x: mahalanobis_loo(x, y, WAYS, 8.0, 1.0),
        lambda x: ridge_loo(x, y, WAYS, PENALTY.float(), SCALE.float()),
        lambda x: ridge_head(x, Batch(x, y), WAYS, PENALTY.float()),
        lambda x: mahalanobis_head(x, Batch(x, y), WAYS, 8.0, 1.0)[0],
    )
    for loss in losses:
        with torch.autocast("cpu", torch.bfloat16):
            found = loss(features)
        assert torch.equal(found, loss(features))
        with torch.autocast("cpu", torch.bfloat16):
            assert loss(features.bfloat16()).dtype == torch.float32


def test_distances_of_the_mahalanobis_head_differ_as_its_logits_do() -> None:
    features, y = support((3, 3, 3))
    weight, bias = mahalanobis_head(features, Batch(features, y), WAYS, 8.0, 2.0)
    found = metric(features, y, WAYS, 2.0)
    x, logits = features[:, 0], (features[:, 0, None] @ weight.mT + bias[:, None])[:, 0]
    away = x[:, None] - found.means
    distances = -8.0 / 4 * (away * found(away)).sum(-1)
    torch.testing.assert_close(logits - logits[:, :1], distances - distances[:, :1], rtol=1e-9, atol=1e-11)


def test_at_one_shot_or_without_scatter_the_mahalanobis_head_is_prototypes() -> None:
    for shots, amount in (((1, 1, 1), 5.0), ((4, 4, 4), 0.0)):
        features, y = support(shots)
        given = (features, Batch(features, y), WAYS, 8.0)
        for found, expected in zip(mahalanobis_head(*given, amount), prototype_head(*given), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


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
