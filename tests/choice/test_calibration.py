"""Candidates are judged at the confidence that suits each of them."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from scipy.optimize import minimize_scalar
from torch import Tensor

from baselines import loo_nas
from baselines.loo_nas import LooNas
from metanas.base.seeding import generator
from metanas.choice.calibration import NEAR, SCALES, fitted_scales, losses_at, losses_at_all, scales_of
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


DOWN = scales_of(calibrated=True, lapse=0)


def fitted(logits: Tensor, scales: tuple[float, ...], lapse: float) -> Tensor:
    at = fitted_scales(losses_at_all(logits, Y, scales, lapse), scales)
    return torch.tensor(scales, dtype=torch.float64)[at]


def judged_loss(logits: Tensor, calibrated: bool, lapse: float) -> Tensor:
    """The mean loss of each candidate at the scale that is fitted to it."""
    return losses_at(logits, Y, fitted(logits, scales_of(calibrated, lapse), lapse), lapse).mean(0)


def accuracies(logits: Tensor) -> Tensor:
    return (logits.argmax(-1) == Y).double().mean((1, 2))


@pytest.mark.parametrize("lapse", [0, 0.02])
def test_a_better_candidate_that_is_too_sure_wins_at_its_own_scale_alone(lapse: float) -> None:
    logits = candidates()
    right = accuracies(logits)
    assert right[0] > right[1] + 0.1
    assert judged_loss(logits, calibrated=False, lapse=lapse).argmin() == 1
    assert judged_loss(logits, calibrated=True, lapse=lapse).argmin() == 0


def test_a_better_candidate_that_is_sure_of_nothing_wins_with_a_lapse_rate_alone() -> None:
    """As max pooling on planted-clump: 97 % right, and a loss of 1.40 where chance has 1.61."""
    sure, _ = candidates()
    unsure = 0.01 * (sure + 40 * F.one_hot(Y, 3))
    logits = torch.stack([unsure, 0.05 * sure])
    right = accuracies(logits)
    assert right[0] > right[1] + 0.1
    assert judged_loss(logits, calibrated=True, lapse=0).argmin() == 1
    assert judged_loss(logits, calibrated=True, lapse=0.02).argmin() == 0


@pytest.mark.parametrize("factor", [1, 1 / 300])
@pytest.mark.parametrize("lapse", [0, 0.02])
def test_the_fitted_scale_is_the_best_one_or_nearly_as_good_and_nearest_1(
    factor: float, lapse: float
) -> None:
    """Against scipy's minimiser."""
    logits, scales = factor * candidates(), scales_of(calibrated=True, lapse=lapse)
    for one, scale in zip(logits, fitted(logits, scales, lapse), strict=True):

        def loss(t: float, one: Tensor = one) -> float:
            return float(mean_loss(2.0**t * one, Y, lapse).mean())

        best = minimize_scalar(loss, bounds=(-6, 10), method="bounded", options={"xatol": 1e-9})
        if lapse:
            losses = {s: loss(math.log2(s)) for s in SCALES}
            least = min(losses, key=losses.__getitem__)
            assert abs(math.log2(least) - best.x) <= 0.5  # the grid's step
            near = [s for s in SCALES if losses[s] <= losses[least] + NEAR]
            assert scale == min(near, key=lambda s: abs(math.log(s)))
        else:
            assert abs(torch.log2(scale) - min(best.x, 0)) <= 0.25 + 1e-6


def test_a_candidate_without_an_error_is_not_made_surer_without_a_lapse_rate() -> None:
    """Its best scale is infinite, at which one error elsewhere would cost more than many of another."""
    solved = 3 * F.one_hot(Y, 3).double()[None]
    assert fitted(solved, DOWN, 0).tolist() == [max(DOWN)] == [1.0]


def test_with_a_lapse_rate_one_error_costs_little() -> None:
    solved, lapse = 3 * F.one_hot(Y, 3).double()[None], 0.02
    scale = fitted(solved, SCALES, lapse)
    assert 1 < scale < max(SCALES)  # as sure as makes a difference
    wrong = solved.roll(1, -1)
    assert losses_at(wrong, Y, scale, lapse).max() <= math.log(3 / lapse)


def test_a_loss_with_lapses_is_that_of_the_mixed_probabilities() -> None:
    logits = candidates()
    expected = -(0.9 * logits.softmax(-1) + 0.1 / 3).log().gather(-1, Y.expand(2, -1, -1)[..., None])
    torch.testing.assert_close(mean_loss(logits, Y, 0.1), expected[..., 0].mean(-1), rtol=1e-12, atol=0)
    plain = F.cross_entropy(logits[0].flatten(0, 1), Y.flatten(), reduction="none").view(Y.shape).mean(1)
    torch.testing.assert_close(mean_loss(logits, Y)[0], plain, rtol=1e-12, atol=0)
    torch.testing.assert_close(mean_loss(logits, Y, 1.0), torch.full((2, 40), math.log(3)).double())


def test_losses_at_scales_are_cross_entropies() -> None:
    logits, scales = candidates(), torch.tensor([0.5, 2.0])
    expected = [
        F.cross_entropy((scale * one).flatten(0, 1), Y.flatten(), reduction="none").view(Y.shape).mean(1)
        for scale, one in zip(scales.double(), logits, strict=True)
    ]
    torch.testing.assert_close(losses_at(logits, Y, scales), torch.stack(expected, 1), rtol=1e-12, atol=0)
    everywhere = losses_at_all(logits, Y, SCALES)
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
    losses = losses_at(method.head.loo(state, features, support.y, 2), support.y, scales, SETTINGS.lapse)
    assert torch.equal(method.choose(state, tiny.SPEC, support, "task"), losses.argmin(1))
    plain = LooNas([tiny.SPEC], replace(SETTINGS, calibrated=False))
    assert not torch.equal(plain.choose(selected(plain), tiny.SPEC, support, "task"), losses.argmin(1))


def test_tasks_are_judged_with_the_lapse_rate_they_are_chosen_with() -> None:
    method, tasks = LooNas([tiny.SPEC], SETTINGS), told(20)
    state, name = selected(method), tiny.SPEC.name
    paths = Paths(method.net, method.candidates)
    for plain in (method, LooNas([tiny.SPEC], replace(SETTINGS, calibrated=False))):
        found = State(plain.select(state, [tasks]))
        scales = found[f"judged/scale/{name}"]
        features = embed_all(paths, state.group("weights"), tiny.SPEC, tasks.support.x)
        logits = plain.head.loo(state, features, tasks.support.y, 2)
        expected = losses_at(logits, tasks.support.y, scales, SETTINGS.lapse if plain is method else 0)
        torch.testing.assert_close(found[f"judged/loo/{name}"], expected.double(), rtol=1e-5, atol=1e-6)


def test_without_calibration_a_lapse_rate_changes_nothing() -> None:
    states = [
        selected(LooNas([tiny.SPEC], replace(SETTINGS, calibrated=False, lapse=lapse))) for lapse in (0, 0.5)
    ]
    assert all(torch.equal(states[0][name], t) for name, t in states[1].items())


def test_a_setting_that_came_later_means_what_runs_did_before() -> None:
    assert LooNas.before["lapse"] == 0 and not LooNas.before["calibrated"]


def test_new_architectures_of_a_beam_are_judged_at_the_mean_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    method = LooNas([tiny.SPEC], replace(SETTINGS, rounds=1))
    state, used = selected(method), []

    def spy(logits: Tensor, y: Tensor, scales: Tensor, lapse: float) -> Tensor:
        assert lapse == SETTINGS.lapse
        used.append(scales)
        return losses_at(logits, y, scales, lapse)

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
