"""Candidates are judged at the confidence that suits each of them."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from scipy.optimize import minimize_scalar
from torch import Tensor

from baselines import loo_nas
from baselines.loo_nas import LooNas
from metanas.base.seeding import generator
from metanas.choice.calibration import SCALES, fitted_scales, losses_at, losses_at_all
from metanas.choice.evidence import mean_loss
from metanas.choice.judged import judged, recorded
from metanas.choice.paths import Paths, embed_all
from metanas.data.episode import Batch, Episodes, TaskSpec
from metanas.method import State
from tests import tiny

Y = torch.arange(3).repeat(4).expand(40, -1)  # labels of 40 tasks


def candidates() -> Tensor:
    """Logits (2, 40, 12, 3): the first is more often right, but far too sure."""
    rng = torch.Generator().manual_seed(0)
    noise = torch.randn(2, *Y.shape, 3, generator=rng, dtype=torch.float64)
    told = F.one_hot(Y, 3).double()
    return torch.stack([40 * (noise[0] + 1.5 * told), 0.3 * (noise[1] + 0.5 * told)])


def test_the_better_candidate_wins_at_its_own_scale_alone() -> None:
    logits = candidates()
    right = (logits.argmax(-1) == Y).double().mean((1, 2))
    assert right[0] > right[1] + 0.1
    as_they_are = losses_at(logits, Y, torch.ones(2)).mean(0)
    at = fitted_scales(losses_at_all(logits, Y))
    calibrated = losses_at(logits, Y, torch.tensor(SCALES)[at]).mean(0)
    assert as_they_are.argmin() == 1 and calibrated.argmin() == 0


def test_the_fitted_scale_is_the_best_of_its_grid() -> None:
    logits = candidates()
    at = fitted_scales(losses_at_all(logits, Y))
    for k, number in enumerate(at.tolist()):
        found = minimize_scalar(
            lambda t, k=k: float(mean_loss(2.0**t * logits[k], Y).mean()), (-6, 4), tol=1e-9
        )
        assert abs(torch.tensor(SCALES[number]).log2() - min(found.x, 0)) <= 0.25 + 1e-6


def test_a_candidate_without_an_error_is_not_made_surer() -> None:
    """Its best scale is infinite, at which one error elsewhere would cost more than many of another."""
    solved = 3 * F.one_hot(Y, 3).double()[None]
    assert SCALES[int(fitted_scales(losses_at_all(solved, Y)))] == max(SCALES) == 1.0


def test_losses_at_scales_are_cross_entropies() -> None:
    logits, scales = candidates(), torch.tensor([0.5, 2.0])
    expected = [
        F.cross_entropy((scale * one).flatten(0, 1), Y.flatten(), reduction="none").view(Y.shape).mean(1)
        for scale, one in zip(scales.double(), logits, strict=True)
    ]
    torch.testing.assert_close(losses_at(logits, Y, scales), torch.stack(expected, 1), rtol=1e-12, atol=0)
    everywhere = losses_at_all(logits, Y)
    assert everywhere.shape == (40, len(SCALES), 2)
    torch.testing.assert_close(everywhere[:, SCALES.index(0.5), 0], expected[0], rtol=1e-12, atol=0)


SETTINGS = LooNas.Settings(space=replace(tiny.SPACE, sampling="uniform"), count=6, judgements=1)


def selected(method: LooNas) -> State:
    """Random weights, and candidates judged on made-up tasks."""
    return State(method.select(method.start(generator(0, "calibration")), [told(20)]))


def told(tasks: int) -> Episodes:
    """Two-way tasks in float32 whose classes differ."""
    made, rng = tiny.episodes(tasks), generator(3, "calibration")
    patterns = 2 * torch.randn(tasks, 2, *tiny.SPEC.input_shape, generator=rng)

    def batch(given: Batch) -> Batch:
        return Batch(
            torch.stack([p[y] for p, y in zip(patterns, given.y, strict=True)]) + given.x.float(), given.y
        )

    return Episodes(made.spec, batch(made.support), batch(made.query))


def test_a_task_is_judged_at_the_scales_that_were_fitted() -> None:
    method = LooNas([tiny.SPEC], SETTINGS)
    state, support = selected(method), told(30).support
    scales = state[f"judged/scale/{tiny.SPEC.name}"]
    assert len(scales.unique()) > 1 and set(scales.tolist()) <= set(SCALES)
    paths = Paths(method.net, method.candidates)
    features = embed_all(paths, state.group("weights"), tiny.SPEC, support.x)
    losses = losses_at(method.head.loo(state, features, support.y, 2), support.y, scales)
    assert torch.equal(method.choose(state, tiny.SPEC, support, "task"), losses.argmin(1))
    plain = LooNas([tiny.SPEC], replace(SETTINGS, calibrated=False))
    assert not torch.equal(plain.choose(selected(plain), tiny.SPEC, support, "task"), losses.argmin(1))


def test_new_architectures_of_a_beam_are_judged_at_the_mean_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    method = LooNas([tiny.SPEC], replace(SETTINGS, rounds=1))
    state, used = selected(method), []

    def spy(logits: Tensor, y: Tensor, scales: Tensor) -> Tensor:
        used.append(scales)
        return losses_at(logits, y, scales)

    monkeypatch.setattr(loo_nas, "losses_at", spy)
    method.adapt(state, tiny.SPEC, told(3).support)
    expected = float(state[f"judged/scale/{tiny.SPEC.name}"].log().mean().exp())
    assert used and all(torch.allclose(s, torch.tensor(expected, dtype=s.dtype)) for s in used)


def test_a_state_of_before_is_judged_as_it_was() -> None:
    method = LooNas([tiny.SPEC], SETTINGS)
    plain = LooNas([tiny.SPEC], replace(SETTINGS, calibrated=False))
    new, support = selected(plain), told(30).support
    old = State({name: t for name, t in new.items() if not name.startswith("judged/scale/")})
    assert set(new[f"judged/scale/{tiny.SPEC.name}"].tolist()) == {1.0}
    for rule in ("task", "hierarchical"):
        expected = plain.choose(new, tiny.SPEC, support, rule)
        assert torch.equal(method.choose(old, tiny.SPEC, support, rule), expected)


def test_a_domain_that_was_not_judged_has_the_scales_of_its_modality() -> None:
    specs = [
        TaskSpec(n, m, (4,), 2) for n, m in (("a", "text"), ("b", "text"), ("c", "speech"), ("d", "text"))
    ]
    rows, state = torch.rand(3, 2), State({})
    for name, scales in (("a", [0.25, 1.0]), ("c", [4.0, 4.0]), ("d", [1.0, 4.0])):
        state |= recorded(name, rows, rows, torch.tensor(scales))
    assert judged(state, specs[0], specs, 2).scales.tolist() == [0.25, 1.0]
    assert judged(state, specs[1], specs, 2).scales.tolist() == pytest.approx([0.5, 2.0])
