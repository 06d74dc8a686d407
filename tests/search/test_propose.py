"""What is tried next: evolution, Optuna's samplers and halving, on a fitness that is known; the proxies."""

import numpy as np
import pytest
import torch

from metanas.base.seeding import generator
from metanas.models.supernet import SuperNet
from metanas.params import tree_map
from metanas.search.discretize import logits_of, single
from metanas.search.propose import Trial, best, by_sampler, evolve, goes_on
from metanas.search.proxies import PROXIES, naswot
from metanas.search.variation import sample
from metanas.space.architecture import Architecture, parse
from metanas.space.space import SearchSpace
from tests import tiny

SPACE = SearchSpace(layers=3, channels=8)


def fitness(architecture: Architecture) -> float:
    """How many layers are conv5/tanh: an optimum that random search hardly meets (1 in 24^3)."""
    return sum(str(layer) == "conv5/tanh" for layer in architecture.layers) / SPACE.layers


def search(kind: str, trials: int, seed: int) -> list[Trial]:
    dice, history = generator(seed, kind), list[Trial]()
    for i in range(trials):
        if kind == "evolution":
            drawn = evolve(SPACE, history, dice, population=20, tournament=5)
        elif kind == "random":
            drawn = sample(SPACE, dice)
        else:
            drawn = by_sampler(SPACE, history, seed * 1000 + i, sampler=kind, startup=10)  # type: ignore[arg-type]
        history.append(Trial(drawn, (fitness(drawn),)))
    return history


@pytest.mark.parametrize(("kind", "trials"), [("random", 40), ("evolution", 40), ("tpe", 25), ("gp", 13)])
def test_the_same_seed_gives_the_same_search(kind: str, trials: int) -> None:
    assert search(kind, trials, 0) == search(kind, trials, 0)
    assert search(kind, trials, 0) != search(kind, trials, 1)


@pytest.mark.parametrize(("kind", "trials"), [("evolution", 200), ("tpe", 60)])
def test_what_a_guided_search_proposes_last_beats_random_draws(kind: str, trials: int) -> None:
    guided, random = (
        np.mean([t.mean for seed in range(3) for t in search(name, trials, seed)[-20:]])
        for name in (kind, "random")
    )
    assert guided > random + 0.1


def test_in_regularised_evolution_the_oldest_dies() -> None:
    great = Trial(parse("conv5/tanh > conv5/tanh > conv5/tanh"), (1.0,))
    poor = [Trial(sample(SPACE, generator(i, "poor")), (0.0,)) for i in range(10)]
    child = evolve(SPACE, [*poor[:9], great], generator(0, "e"), population=10, tournament=200)
    assert fitness(child) >= 1 / 3  # a mutant of the best that lives
    children = [
        evolve(SPACE, [great, *poor], generator(i, "e"), population=10, tournament=10) for i in range(20)
    ]
    assert max(map(fitness, children)) < 2 / 3  # the best was the oldest


def test_the_best_is_the_best_mean_among_those_tried_most_often() -> None:
    one, two, three = (sample(SPACE, generator(i, "best")) for i in range(3))
    assert best([Trial(one, (0.9,)), Trial(two, (0.4, 0.6)), Trial(three, (0.6, 0.7))]) == three


def test_halving_goes_on_with_the_better_half_only() -> None:
    weak, strong = (sample(SPACE, generator(i, "halving")) for i in range(2))
    before = [Trial(weak, (0.3,)), Trial(weak, (0.5,))]
    assert goes_on([*before, Trial(strong, (0.8,))], 0, least=1, factor=2, top=4)
    assert not goes_on([*before, Trial(strong, (0.2,))], 0, least=1, factor=2, top=4)
    assert not goes_on([*before, Trial(strong, (0.8,) * 4)], 0, least=1, factor=2, top=4)
    assert not goes_on([], 0, least=1, factor=2, top=4)


def test_bayesian_optimisation_says_that_it_wants_a_chain() -> None:
    with pytest.raises(ValueError, match=r"tpe and gp search chains, the space has cells \(space.nodes=2\)"):
        by_sampler(SearchSpace(nodes=2), [], 0, sampler="tpe", startup=1)


def test_naswot_is_the_log_determinant_of_the_agreement() -> None:
    net = SuperNet(tiny.SPACE, [tiny.SPEC])
    weights = tree_map(lambda t: t, net.init(generator(0, "naswot"))).weights
    mixture = single(logits_of(tiny.SPACE, parse("conv3/relu > conv5/relu")))
    x, seen = tiny.inputs(tiny.SPEC, 5).float(), list[np.ndarray]()
    hook = [n.register_forward_hook(lambda m, i, out: seen.append(out.flatten(1).numpy())) for n in net.norms]
    with torch.no_grad():
        torch.func.functional_call(net, weights, (x, mixture, tiny.SPEC))
    for handle in hook:
        handle.remove()
    codes = np.concatenate(seen, 1) > 0
    agreement = np.array([[(a == b).sum() for b in codes] for a in codes], float)
    expected = np.linalg.slogdet(agreement)[1]
    y = torch.zeros(5, dtype=torch.int64)
    assert naswot(net, weights, mixture, tiny.SPEC, x, y) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", list(PROXIES))
def test_proxies_tell_architectures_apart_and_leave_the_network_alone(name: str) -> None:
    net = SuperNet(tiny.SPACE, [tiny.SPEC])
    params = net.init(generator(0, "proxy"))
    before = {key: t.clone() for key, t in params.weights.items()}
    x, y = tiny.inputs(tiny.SPEC, 6).float(), torch.arange(6) % 2
    scores = [
        PROXIES[name](net, params.weights, single(logits_of(tiny.SPACE, parse(text))), tiny.SPEC, x, y)
        for text in ("conv3/relu > conv3/relu", "skip/relu > skip/relu", "conv5/tanh > fc/sigmoid")
    ]
    assert len(set(scores)) == 3 and np.isfinite(scores).all()
    assert all(torch.equal(before[key], t) for key, t in params.weights.items())


def test_synflow_of_more_parameters_is_more() -> None:
    net = SuperNet(tiny.SPACE, [tiny.SPEC])
    params, x = net.init(generator(0, "proxy")), tiny.inputs(tiny.SPEC, 2).float()
    wide, narrow = (
        PROXIES["synflow"](
            net,
            params.weights,
            single(logits_of(tiny.SPACE, parse(text))),
            tiny.SPEC,
            x,
            torch.zeros(2, dtype=torch.int64),
        )
        for text in ("conv5/relu > conv5/relu", "skip/relu > skip/relu")
    )
    assert wide > narrow


def test_crossing_mixes_the_layers_of_two_parents() -> None:
    """Parents without a common layer: a child with layers of both was crossed."""
    one = parse("conv5/relu > conv5/relu > conv5/relu", SPACE)
    two = parse("gru/tanh > gru/tanh > gru/tanh", SPACE)
    history = [Trial(one, (1.0,)), Trial(two, (1.0,))] * 5

    def mixed(crossing: float) -> int:
        count = 0
        for i in range(60):
            child = evolve(
                SPACE, history, generator(i, "cross"), population=10, tournament=1, crossing=crossing
            )
            names = [str(layer) for layer in child.layers]
            count += "conv5/relu" in names and "gru/tanh" in names
        return count

    assert mixed(0.0) == 0
    assert mixed(1.0) > 10
    with pytest.raises(ValueError, match="crossing is a probability, got 2"):
        mixed(2)
