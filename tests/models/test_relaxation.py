"""Relaxations, against closed forms, an independent projection and sampling frequencies."""

import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor

from metanas.base.seeding import generator
from metanas.meta.loss import TaskLoss
from metanas.models.mixed import MixedOp
from metanas.models.relaxation import Relaxation, annealed, gumbel, pruned, softmax, sparsemax
from metanas.params import expand_tasks
from tests import tiny

LOGITS = {
    "node": torch.randn(3, 2, 5, generator=generator(0, "relax"), dtype=torch.float64),  # (T, L, O)
    "depth": torch.randn(3, 2, generator=generator(1, "relax"), dtype=torch.float64),
}


def test_sparsemax_is_the_projection_onto_the_simplex() -> None:
    found = sparsemax(LOGITS).weights["node"]
    for row, ours in zip(LOGITS["node"].view(-1, 5).numpy(), found.view(-1, 5).numpy(), strict=True):
        simplex = {"type": "eq", "fun": lambda p: p.sum() - 1}
        best = minimize(
            lambda p, row=row: ((p - row) ** 2).sum(),
            [0.2] * 5,
            bounds=[(0, 1)] * 5,
            constraints=simplex,
            options={"ftol": 1e-15},
        )
        assert abs(best.x - ours).max() < 1e-5
    assert (found == 0).any()


def test_sparsemax_has_the_right_gradient() -> None:
    at = LOGITS["node"].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda t: sparsemax({"node": t}).weights["node"], (at,))


def test_pruning_is_softmax_without_the_weak_candidates_and_hardens() -> None:
    at = {"node": torch.tensor([[0.0, 1.0, 3.0]])}
    soft = (at["node"] / 0.5).softmax(-1)
    found = pruned(0.5, 0.05)(at)
    torch.testing.assert_close(found.weights["node"], soft * torch.tensor([0.0, 0.0, 1.0]))
    assert found.active["node"] == ((False, False, True),)
    hard = pruned(annealed(1.0, 0.01, 9, 10, "linear"), 0.0)(at).weights["node"]
    torch.testing.assert_close(hard, torch.tensor([[0.0, 0.0, 1.0]]))
    equal = pruned(1.0, 0.9)({"node": torch.zeros(1, 4)})
    assert equal.weights["node"].sum() > 0  # never nothing


def test_schedules_start_and_end_where_they_say() -> None:
    assert [annealed(8.0, 2.0, step, 3, "linear") for step in range(3)] == [8.0, 5.0, 2.0]
    assert [round(annealed(8.0, 2.0, step, 3, "geometric"), 9) for step in range(3)] == [8.0, 4.0, 2.0]
    with pytest.raises(ValueError, match="end must be positive, got 0"):
        annealed(1.0, 0, 1, 2, "linear")


def test_gumbel_draws_one_candidate_with_the_softmax_probabilities() -> None:
    logits = torch.tensor([1.0, 0.0, -1.0]).expand(4000, 1, 3)
    found = gumbel(0.5, generator(0, "gumbel"))({"node": logits}).weights["node"]
    assert ((found == 1).sum(-1) == 1).all() and ((found == 0).sum(-1) == 2).all()
    torch.testing.assert_close(found.mean(0)[0], logits[0, 0].softmax(-1), atol=0.025, rtol=0)


def test_gumbels_gradient_is_the_softmaxs_at_the_drawn_candidate() -> None:
    logits = LOGITS["node"].clone().requires_grad_()
    hard = gumbel(0.7, generator(3, "gumbel"))({"node": logits}).weights["node"]
    noise = (
        -torch.empty(logits.shape, dtype=torch.float64).exponential_(generator=generator(3, "gumbel")).log()
    )
    soft = ((logits + noise) / 0.7).softmax(-1)
    wanted = torch.randn(logits.shape, generator=generator(4, "gumbel"), dtype=torch.float64)
    (ours,) = torch.autograd.grad((hard * wanted).sum(), logits)
    (theirs,) = torch.autograd.grad((soft * hard.detach() * wanted).sum(), logits)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(
    "relax",
    [sparsemax, pruned(0.2, 0.2), gumbel(1.0, generator(5, "drawn"))],
    ids=["sparsemax", "pruned", "gumbel"],
)
def test_leaving_out_what_is_zero_changes_nothing(relax: Relaxation) -> None:
    """The network with the mixture as it is equals the one that is told that every candidate is active."""
    net, params = tiny.net()
    start = expand_tasks(params, 2)._replace(
        arch={k: 3 * torch.randn(2, *t.shape, dtype=t.dtype) for k, t in params.arch.items()}
    )
    mixture = relax(start.arch)
    assert not all(all(row) for rows in mixture.active.values() for row in rows)
    x = tiny.episodes(2).support.x
    sparse = TaskLoss(net, tiny.SPEC, lambda logits: mixture).logits(start, x)
    full = TaskLoss(net, tiny.SPEC, lambda logits: softmax({}).of(mixture.weights)).logits(start, x)
    torch.testing.assert_close(sparse, full, rtol=1e-9, atol=1e-10)


def test_candidates_with_weight_zero_are_not_computed() -> None:
    node = MixedOp(("gru", "attn", "skip"), 4)

    def never(x: Tensor, mask: Tensor | None) -> Tensor:
        raise AssertionError("computed")

    node.candidates["gru"].forward = never  # type: ignore[method-assign]
    x = torch.ones(1, 4, 3, 3)
    torch.testing.assert_close(node(x, torch.tensor([0.0, 0.0, 2.0]), None, (False, False, True)), 2 * x)


def test_the_loss_of_a_strategy_with_kl_is_higher_away_from_its_prior() -> None:
    from metanas.space.space import SearchSpace

    spaces = [
        SearchSpace(
            layers=2, channels=4, reductions=(), strategy=f"{{depth: {{prior: {{deeper: 1.0}}, kl: {kl}}}}}"
        )
        for kl in (0.0, 0.5)
    ]
    (net, params), (held, _) = (tiny.net(space) for space in spaces)
    batch, start = tiny.episodes(2).support, expand_tasks(params, 2)
    gap = TaskLoss(held, tiny.SPEC)(start, batch) - TaskLoss(net, tiny.SPEC)(start, batch)
    at, prior = (
        torch.distributions.Categorical(logits=t)
        for t in (params.arch["depth"], torch.tensor([0.0, 1.0], dtype=torch.float64))
    )
    expected = 0.5 * torch.distributions.kl_divergence(at, prior)
    torch.testing.assert_close(gap, expected.expand(2), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", ["maml", "reptile", "scratch", "protonet", "darts"])
def test_the_spaces_relaxation_reaches_every_kind_of_method(name: str) -> None:
    """A sparsemax of logits that are far apart is one candidate, and the method says so of its choices."""
    from metanas.data.episode import Batch, Episodes
    from metanas.engine.config import settings_of
    from metanas.method import METHODS, Progress

    small = {"layers": 2, "channels": 4, "reductions": [], "relaxation": "sparsemax"}
    method = METHODS[name]([tiny.SPEC], settings_of(METHODS[name], {"space": small}))
    state = method.start(generator(0, "usual"))
    state |= {"arch/depth": torch.tensor([0.0, 9.0])}
    episodes = tiny.episodes(2)
    support, query = (Batch(t.x.float(), t.y) for t in (episodes.support, episodes.query))
    adapted = method.adapt(state, tiny.SPEC, support)
    assert adapted.predict(query.x).shape == (2, 6, 2)
    if adapted.arch and name != "darts":  # darts ends with one choice anyway
        torch.testing.assert_close(adapted.arch["depth"].softmax(-1), torch.tensor([[0.0, 1.0]] * 2))
    if method.trains:
        method.step(state, Progress(0, 2), [Episodes(tiny.SPEC, support, query)])


def test_an_unknown_relaxation_says_what_there_is() -> None:
    from metanas.base.registry import UnknownName
    from metanas.space.space import SearchSpace

    with pytest.raises(UnknownName, match="no relaxation named 'sparse'; did you mean 'sparsemax'"):
        SearchSpace(relaxation="sparse")  # type: ignore[arg-type]
